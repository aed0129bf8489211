"""A dataset's folder in any store that fsspec supports: `s3://bucket/prefix`, `gs://...`, `hf://datasets/owner/name`.

Only addresses that the user names are opened here. Datasets of strangers, which commitments name, go through
`finest.dataset.open.open_dataset`, which opens only the Hub and local folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from finest.dataset.limits import MAX_MANIFEST_BYTES
from finest.dataset.manifest import MANIFEST_NAME, Manifest, parse_manifest
from finest.dataset.open import Dataset, open_dataset
from finest.errors import FinestError, SourceError, UsageError, VerifyError
from finest.masking import masked
from finest.stores import file_system

_PIECE_BYTES = 16 << 20
"""Bytes of a file held in memory while it is hashed; object stores serve ranges of this size at full speed."""


@dataclass(frozen=True, slots=True)
class Location:
    """A folder in a store. If the store refuses, SourceError gives the address and the store's own message."""

    url: str
    """The address as given; `str()` of the location masks the secrets in it."""
    files: Any
    """The fsspec file system."""
    root: str
    """The folder's path in the file system."""

    def __str__(self) -> str:
        return masked(self.url)

    def path(self, name: str) -> str:
        """Return the path of a file in the folder, as the store names it."""
        return f"{self.root}/{name}"

    def sizes(self) -> dict[str, int]:
        """List the files of the folder with their sizes, with one listing."""
        with self._asked("list"):
            self.files.invalidate_cache()
            found = self.files.find(self.root, detail=True)
        return {path.removeprefix(self.root).lstrip("/"): int(info["size"]) for path, info in found.items()}

    def read(self, path: str, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a file."""
        with self._asked(f"read {path} of"):
            return bytes(self.files.cat_file(self.path(path), start=start, end=end))

    def sha256(self, path: str, size_bytes: int) -> str:
        """Compute the sha256 of a file by reading all its bytes."""
        sha = hashlib.sha256()
        for start in range(0, size_bytes, _PIECE_BYTES):
            sha.update(self.read(path, start, min(start + _PIECE_BYTES, size_bytes)))
        return sha.hexdigest()

    def put(self, local: Path, name: str) -> None:
        """Upload a local file into the folder."""
        with self._asked(f"write {name} to"):
            parent = self.path(name).rpartition("/")[0]
            self.files.makedirs(parent, exist_ok=True)
            self.files.put_file(str(local), self.path(name))
            self.files.invalidate_cache()

    def write(self, name: str, data: bytes) -> None:
        """Write a small file in one request, which is atomic in object stores."""
        with self._asked(f"write {name} to"):
            self.files.makedirs(self.root, exist_ok=True)
            self.files.pipe_file(self.path(name), data)
            self.files.invalidate_cache()

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._asked(f"remove {name} from"):
            self.files.rm_file(self.path(name))
            self.files.invalidate_cache()

    def manifest_bytes(self) -> bytes | None:
        """Return the stored manifest's bytes; None if the folder has no manifest."""
        size = self.sizes().get(MANIFEST_NAME)
        if size is None:
            return None
        if size > MAX_MANIFEST_BYTES:
            raise VerifyError(f"{self}: a {MANIFEST_NAME} of {size} bytes, which no honest one has")
        return self.read(MANIFEST_NAME, 0, size)

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        """Turn an error of any store's library into SourceError."""
        try:
            yield
        except (FinestError, MemoryError):
            raise
        except Exception as error:
            told = str(error).partition("\n")[0][:300]
            raise SourceError(f"cannot {what} {self}: {type(error).__name__}: {told}") from error


def local_folder(where: str) -> Path | None:
    """Return the local folder that a path or a `file://` address means; None for an address in a store."""
    scheme, mark, _ = where.partition("://")
    if not mark:
        return Path(where)
    return Path(unquote(urlsplit(where).path)) if scheme in ("file", "local") else None


def locate(where: str) -> Location:
    """Resolve an address to a folder, without a request. Raises UsageError for an unsupported kind of address."""
    scheme = where.partition("://")[0]
    files, root = file_system(where)
    root = root.rstrip("/")
    if not root.strip("/"):
        raise UsageError(f"{masked(where)} names no folder; write {scheme}://BUCKET/FOLDER")
    return Location(where, files, root)


def open_location(where: str) -> Dataset:
    """Open the dataset at an address: read the manifest and the list of files, and check every file's size.

    Raises VerifyError if this is not a dataset, SourceError if the store refuses.
    """
    location = locate(where)
    data = location.manifest_bytes()
    if data is None:
        raise VerifyError(f"{location} holds no {MANIFEST_NAME}: not a finished dataset of ours")
    manifest = parse_manifest(data, f"{location}: {MANIFEST_NAME}")
    _check_sizes(location, manifest)
    return Dataset(location, manifest, location)


def open_anywhere(
    where: str, *, token: str | None = None, latest: bool = False, say: Callable[[str], None] = lambda _: None
) -> Dataset:  # fmt: skip
    """Open the dataset in a folder, on the Hub (`OWNER/NAME@REVISION`) or at an address; raises as the two openers."""
    folder = local_folder(where)
    return open_location(where) if folder is None else open_dataset(str(folder), token=token, latest=latest, say=say)


def _check_sizes(location: Location, manifest: Manifest) -> None:
    sizes = location.sizes()
    for file in manifest.files:
        if sizes.get(file.path) != file.size_bytes:
            raise VerifyError(
                f"{location}: {file.path} does not exist with the {file.size_bytes} bytes that the manifest states"
            )
