"""Load the metadata of Subtensor's runtime, which clients need and by which this server imitates the runtime.

No package contains the runtime. The SDK's source distribution contains the metadata of spec 461 as a test fixture, so
the devnet downloads it once from the package index and stores it in the cache folder. Both files are pinned by sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from finest.errors import SourceError

SPEC_VERSION = 461
TRANSACTION_VERSION = 1
SDIST = "bittensor-11.3.0"
SDIST_SHA256 = "8ce05029a712866048c6cf3e3d5df1592ac896175f5b4227f63044b7e7b7edb3"
FIXTURE = f"{SDIST}/tests/fixtures/golden.json"
METADATA_SHA256 = "0d812a161c40efbe58ac13785cb579ab79b0bc7c4b57f5bcd27981501a8c8ca8"
DOWNLOAD_TIMEOUT_S = 120
DOWNLOAD_RETRIES = 3
_MAGIC = b"meta"
_NETUID_TYPE, _U8_TYPE = 41, 2
_DEFAULT_MODIFIER, _MAP, _IDENTITY_HASHER = 1, 1, 5


def load_metadata(cache: Path) -> bytes:
    """Load the V15 metadata of spec 461 from the cache or the package index; raise SourceError if both fail."""
    path = cache / "devnet" / f"subtensor-{SPEC_VERSION}-v15.scale"
    if path.is_file():
        metadata = path.read_bytes()
        if _sha256(metadata) == METADATA_SHA256:
            return metadata
    metadata = _extract(_download(cache / "devnet"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(metadata)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(path)
    return metadata


def add_epoch_consensus(metadata: bytes) -> bytes:
    """Add `SubtensorModule.SubnetEpochConsensus` (netuid -> u8, default 0), as in runtimes after 461, to the metadata.

    The SDK's `SetWeights` reads this entry since 11.3; 0 is not Null, so the SDK sets weights in the ordinary way. The
    new entry becomes the first in the pallet's list: `PalletStorageMetadata` is a prefix, a compact count and the
    entries.
    """
    name = _text("SubtensorModule")
    pattern = name + b"\x01" + name
    if metadata.count(pattern) != 1:
        raise SourceError(
            "the runtime's metadata has no SubtensorModule with storage; delete the devnet's cache folder"
        )
    start = metadata.index(pattern) + len(pattern)
    count, size = read_compact(metadata, start)
    entry = _text("SubnetEpochConsensus") + bytes([_DEFAULT_MODIFIER, _MAP]) + compact(1) + bytes([_IDENTITY_HASHER])
    entry += compact(_NETUID_TYPE) + compact(_U8_TYPE) + compact(1) + b"\x00" + compact(0)
    return metadata[:start] + compact(count + 1) + entry + metadata[start + size :]


def compact(number: int) -> bytes:
    """Encode a SCALE compact integer (docs.polkadot.com, SCALE codec)."""
    for mode, bits in enumerate((6, 14, 30)):
        if number < 1 << bits:
            return (number << 2 | mode).to_bytes(1 << mode, "little")
    size = (number.bit_length() + 7) // 8
    return bytes([(size - 4) << 2 | 3]) + number.to_bytes(size, "little")


def read_compact(data: bytes, at: int) -> tuple[int, int]:
    """Return the SCALE compact integer at an offset and its size in bytes; raise ValueError if the data ends early."""
    if at >= len(data):
        raise ValueError("compact integer beyond the end")
    mode = data[at] & 3
    size = 1 << mode if mode < 3 else 5 + (data[at] >> 2)
    raw = data[at : at + size]
    if len(raw) < size:
        raise ValueError("compact integer cut off")
    return (int.from_bytes(raw, "little") >> 2 if mode < 3 else int.from_bytes(raw[1:], "little")), size


def _text(text: str) -> bytes:
    return compact(len(text)) + text.encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _download(folder: Path) -> bytes:
    """Download the source distribution with pip, which verifies its hash, and return its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wanted = Path(temporary) / "wanted.txt"
        wanted.write_text(f"{SDIST.replace('-', '==')} --hash=sha256:{SDIST_SHA256}\n")
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--retries", str(DOWNLOAD_RETRIES)]
        command += ["--require-hashes", "--requirement", str(wanted), "--dest", temporary]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)  # noqa: S603 (our own words)
        except subprocess.TimeoutExpired:
            raise SourceError(f"{_ABSENT}: no answer in {DOWNLOAD_TIMEOUT_S} s; {_MEND}") from None
        found = Path(temporary) / f"{SDIST}.tar.gz"
        if not found.is_file():
            last = (done.stderr.strip().splitlines() or ["pip wrote nothing"])[-1]
            raise SourceError(f"{_ABSENT}: {last}; {_MEND}")
        return found.read_bytes()


_ABSENT = f"the devnet's chain needs the source distribution of {SDIST} from the package index once"
_MEND = "run the same command again with a network, or set FINEST_CACHE to a folder that has it"


def _extract(sdist: bytes) -> bytes:
    """Extract the metadata from a source distribution; raise SourceError if either does not match its pin."""
    if _sha256(sdist) != SDIST_SHA256:
        raise SourceError(f"{SDIST}.tar.gz is not the pinned one; check the package index that pip is set to use")
    with tempfile.TemporaryFile() as file:
        file.write(sdist)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            member = archive.extractfile(FIXTURE)
            if member is None:
                raise SourceError(f"{SDIST}.tar.gz has no {FIXTURE}")
            answer = bytes.fromhex(json.load(member)["metadata"]["v15_hex"].removeprefix("0x"))
    metadata = answer[answer.index(_MAGIC) :]
    if _sha256(metadata) != METADATA_SHA256:
        raise SourceError(f"the metadata in {SDIST}.tar.gz is not the pinned one")
    return metadata
