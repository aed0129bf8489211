"""The sources of a dataset: which bytes of which WARC files were read, in the manifest or in files beside it.

A few sources are listed in the manifest itself. The sources of a whole crawl would make it hundreds of megabytes long,
so they lie in gzipped files `sources/<dump>/<number>.json.gz`, each a JSON list, and the manifest has their sha256s.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from finest.atomic_files import write_whole
from finest.dataset.limits import MAX_SOURCE_FILE_BYTES, MAX_SOURCES_A_FILE, check_values
from finest.errors import VerifyError

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest

MAX_INLINE_SOURCES, MAX_INLINE_SLICES = 256, 10_000
"""Sources and slices that a manifest lists itself; they take about 1.5 MB. The sources of a larger dataset lie in
files."""
COMMON_CRAWL = "s3://commoncrawl/crawl-data/"
_LOCAL_PATH = re.compile(r"^(?:[/~\\]|[A-Za-z]:[/\\]|file:)")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SourceSlice(_Model):
    """A byte range read from a source: `length` bytes from `offset` on, and their sha256."""

    offset: Count
    length: Count
    sha256: Sha256


class Source(_Model):
    """One source WARC: its name, the byte ranges that were read, and what they held."""

    name: str = Field(min_length=1, max_length=2048)
    """The public address (`s3://...`, `https://...`, `crawl-data/...`), or a local file's bare name."""
    size_bytes: Count
    etag: str | None = Field(default=None, max_length=256)
    sha256: Sha256
    """The `source_digest` of the slices."""
    slices: Annotated[tuple[SourceSlice, ...], FailFast()]
    records: Count
    pages: Count
    losses: dict[Name, Count]
    """Counts of unreadable records by reason."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Source:
        require(not _LOCAL_PATH.match(self.name), f"source {self.name!r} is a path of somebody's own machine")
        end = 0
        for part in self.slices:
            require(part.offset >= end, f"source {self.name!r}: slices overlap at byte {part.offset}")
            end = part.offset + part.length
        require(end <= self.size_bytes, f"source {self.name!r}: slices end at {end}, the file at {self.size_bytes}")
        require(self.pages <= self.records, f"source {self.name!r} has more pages than records")
        require(self.sha256 == source_digest(self.slices), f"source {self.name!r}: sha256 is not that of its slices")
        return self


class SourceTotals(_Model):
    """The sums over some sources."""

    sources: Count
    common_crawl: Count
    """How many of them are named as files of Common Crawl."""
    size_bytes: Count
    """Bytes of the WARC files."""
    pages: Count
    losses: dict[Name, Count]

    @classmethod
    def of(cls, sources: Sequence[Source]) -> SourceTotals:
        return cls(
            sources=len(sources), common_crawl=sum(source.name.startswith(COMMON_CRAWL) for source in sources),
            size_bytes=sum(source.size_bytes for source in sources), pages=sum(source.pages for source in sources),
            losses=sum_counts(source.losses for source in sources),
        )  # fmt: skip


class SourceFile(_Model):
    """A file with sources, and the sums over them."""

    path: str = Field(
        pattern=r"^sources/[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*\.json\.gz$", max_length=512
    )
    size_bytes: int = Field(ge=0, le=MAX_SOURCE_FILE_BYTES)
    sha256: Sha256
    totals: SourceTotals

    @model_validator(mode="after")
    def _is_small(self) -> SourceFile:
        require(0 < self.totals.sources <= MAX_SOURCES_A_FILE, f"{self.path} holds {self.totals.sources} sources")
        return self


_LIST = TypeAdapter(tuple[Source, ...])
Read = Callable[[SourceFile], bytes]
"""Returns the bytes of a file with sources."""


def write_source_file(folder: Path, path: str, sources: Sequence[Source]) -> SourceFile:
    """Write sources as the file `path` of the dataset's folder, atomically; equal sources give equal bytes."""
    data = gzip.compress(_LIST.dump_json(tuple(sources)), compresslevel=6, mtime=0)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write_whole(folder / path, data)
    return SourceFile(
        path=path, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), totals=SourceTotals.of(sources)
    )


def are_few(sources: int, slices: int) -> bool:
    """Return whether the manifest lists so many sources with so many slices itself."""
    return sources <= MAX_INLINE_SOURCES and slices <= MAX_INLINE_SLICES


def source_file_path(dump: str, number: int) -> str:
    return f"sources/{dump}/{number:05d}.json.gz"


def parse_sources(file: SourceFile, data: bytes) -> tuple[Source, ...]:
    """Return the sources of a file; raises VerifyError if it is not the file that the manifest names."""
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise VerifyError(f"{file.path}: its sha256 is not the manifest's")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            unpacked = packed.read(MAX_SOURCE_FILE_BYTES + 1)
        if len(unpacked) > MAX_SOURCE_FILE_BYTES:
            raise VerifyError(f"{file.path}: unpacks to more than {MAX_SOURCE_FILE_BYTES} bytes")
        check_values(unpacked, file.path)
        raw = from_json(unpacked, allow_inf_nan=False)
        if not isinstance(raw, list) or len(raw) > MAX_SOURCES_A_FILE:
            raise VerifyError(f"{file.path}: not a list of at most {MAX_SOURCES_A_FILE} sources")
        sources = _LIST.validate_json(unpacked)
    except (OSError, EOFError, ValidationError, ValueError, RecursionError) as error:
        reason = first_reason(error) if isinstance(error, ValidationError) else str(error)
        raise VerifyError(f"{file.path}: cannot be read: {reason}"[:500]) from error
    if SourceTotals.of(sources) != file.totals:
        raise VerifyError(f"{file.path}: its sources do not add up to what the manifest states")
    return sources


def sources_of(manifest: Manifest, read: Read) -> Iterator[Source]:
    """Yield all sources of a dataset, one file after the other; raises VerifyError as `parse_sources`."""
    yield from manifest.sources
    for file in manifest.source_files:
        yield from parse_sources(file, read(file))


def sources_in(folder: Path, manifest: Manifest) -> Iterator[Source]:
    """Yield all sources of the dataset in a folder; raises VerifyError if a file with them is not the manifest's."""

    def read(file: SourceFile) -> bytes:
        try:
            with open(folder / file.path, "rb") as opened:
                return opened.read(file.size_bytes + 1)
        except OSError as error:
            raise VerifyError(f"{file.path}: {error.strerror}") from error

    yield from sources_of(manifest, read)


def source_digest(slices: Iterable[SourceSlice]) -> str:
    """Compute the sha256 over a source's slices in their order.

    Each slice contributes its offset and length as unsigned 64 bits little-endian, then the 32 raw bytes of its own
    sha256.
    """
    sha = hashlib.sha256()
    for part in slices:
        sha.update(struct.pack("<QQ", part.offset, part.length) + bytes.fromhex(part.sha256))
    return sha.hexdigest()


def sum_counts(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Sum the counts by name; names are sorted and zeros omitted."""
    total: dict[str, int] = {}
    for count in counts:
        for name, n in count.items():
            total[name] = total.get(name, 0) + n
    return {name: total[name] for name in sorted(total) if total[name]}


def first_reason(error: ValidationError) -> str:
    """Return the place and the reason of the first error in a file, without the value found there."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
