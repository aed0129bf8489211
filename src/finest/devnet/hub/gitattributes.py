"""Decide which files go to LFS: by the repository's .gitattributes, by size, and by whether a sample looks binary."""

from __future__ import annotations

from fnmatch import fnmatchcase

REGULAR_MAX_BYTES = 10 * 1024 * 1024
"""Largest file that the Hub accepts outside LFS."""

_LFS_SUFFIXES = (
    *("7z", "arrow", "avro", "bin", "bz2", "ckpt", "ftz", "gz", "h5", "joblib", "lz4", "mds", "mlmodel", "model"),
    *(
        "msgpack",
        "npy",
        "npz",
        "onnx",
        "ot",
        "parquet",
        "pb",
        "pickle",
        "pkl",
        "pt",
        "pth",
        "rar",
        "safetensors",
        "tar",
    ),
    *("tflite", "tgz", "warc", "wasm", "xz", "zip", "zst"),
    *("aac", "bmp", "flac", "gif", "jpeg", "jpg", "mp3", "mp4", "ogg", "pcm", "png", "raw", "sam", "tiff", "wav"),
    *("webm", "webp"),
)

DEFAULT = "".join(f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LFS_SUFFIXES).encode()
"""The .gitattributes of a new repository: the suffixes of the Hub's own default, and WARC."""


def lfs_patterns(content: str) -> tuple[str, ...]:
    """Return the patterns that a .gitattributes file assigns to LFS; a later line for a pattern overrides earlier
    ones.
    """
    patterns: dict[str, bool] = {}
    for line in content.splitlines():
        pattern, *attributes = line.split() or [""]
        if pattern and not pattern.startswith("#"):
            patterns[pattern] = "filter=lfs" in attributes
    return tuple(pattern for pattern, wanted in patterns.items() if wanted)


def goes_to_lfs(path: str, size_bytes: int, sample: bytes, patterns: tuple[str, ...]) -> bool:
    """Whether a file with that name, that size and these first 512 bytes belongs in LFS."""
    name = path.rpartition("/")[2]
    named = any(fnmatchcase(name, pattern) or fnmatchcase(path, pattern) for pattern in patterns)
    return named or size_bytes > REGULAR_MAX_BYTES or b"\0" in sample
