"""Where a run puts its finished dataset: a local folder, or a store supported by fsspec.

A run always works in a local folder, which holds its ledger. If the destination is a store, that folder is a work
folder, and the finished dataset is copied from it file by file; each file is read back and its sha256 compared, and the
manifest comes last. So a reader of the store finds a complete dataset or none at all, and the same command resumes an
interrupted upload.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.dataset.card import CARD_NAME
from finest.dataset.location import Location, local_folder, locate
from finest.dataset.manifest import MANIFEST_NAME, parse_manifest, read_manifest
from finest.errors import LedgerError, RunError, UsageError, VerifyError
from finest.formatting import byte_size, counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.dataset.manifest import NamedFile


@dataclass(frozen=True, slots=True)
class Destination:
    """The work folder of a run, and the store for its dataset (None: the dataset stays in the work folder)."""

    work: Path
    store: Location | None

    def __str__(self) -> str:
        return str(self.store or self.work)

    def check(self, *, restart: bool) -> None:
        """Raise LedgerError, before the work begins, if the store holds a different finished dataset."""
        if self.store is None or restart:
            return
        stored = self.store.manifest_bytes()
        if stored is not None and stored != _manifest_of(self.work):
            raise LedgerError(
                f"{self.store} holds another dataset already; name another place, or add --restart to replace it"
            )

    def deliver(self, say: Callable[[str], None]) -> None:
        """Copy the finished dataset from the work folder to the store; another call resumes an interrupted copy.

        Raises SourceError if the store refuses, RunError if a file read back differs from what was written.
        """
        if self.store is not None:
            _deliver(self.work, self.store, say)


def destination(out: str, work: Path | None, cache: Path) -> Destination:
    """Return the destination for `out`: a local folder, or an address (`s3://...`) and its work folder.

    Without `work`, the work folder of an address is a folder in `cache`, named after a hash of the address.
    """
    folder = local_folder(out)
    if folder is not None:
        if work is not None:
            raise UsageError(f"--work is for an --out in a store, such as s3://bucket/folder; {out} is a local folder")
        return Destination(folder, None)
    store = locate(out)
    name = hashlib.sha256(out.rstrip("/").encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Destination(work or cache / "runs" / name, store)


def _manifest_of(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST_NAME).read_bytes()
    except FileNotFoundError:
        return None


def _deliver(folder: Path, store: Location, say: Callable[[str], None]) -> None:
    manifest, data = read_manifest(folder), (folder / MANIFEST_NAME).read_bytes()
    stored = store.manifest_bytes()
    if stored == data:
        return say(f"{store} holds this dataset already")
    files = manifest.files
    say(f"Copying {counted(len(files), 'file')} ({byte_size(sum(file.size_bytes for file in files))}) to {store}")
    if stored is not None:
        store.remove(MANIFEST_NAME)
        _remove_others(store, stored, {file.path for file in files})
    sizes = store.sizes()
    for file in files:
        _put(folder, store, file, is_there=sizes.get(file.path) == file.size_bytes)
    store.put(folder / CARD_NAME, CARD_NAME)
    store.write(MANIFEST_NAME, data)
    return say(f"{store} holds the dataset; its ledger is in {folder}")


def _put(folder: Path, store: Location, file: NamedFile, *, is_there: bool) -> None:
    """Upload one file, unless the store already holds it with the right sha256."""
    if is_there and store.sha256(file.path, file.size_bytes) == file.sha256:
        return
    store.put(folder / file.path, file.path)
    if store.sha256(file.path, file.size_bytes) != file.sha256:
        raise RunError(f"{store}: {file.path} does not hold what was written; run the same command again")


def _remove_others(store: Location, manifest: bytes, wanted: set[str]) -> None:
    """Remove the replaced dataset's files that its manifest names, except those in `wanted`."""
    try:
        before = parse_manifest(manifest, str(store))
    except VerifyError:
        return
    there = store.sizes()
    for file in before.files:
        if file.path in there and file.path not in wanted:
            store.remove(file.path)
