"""The manifest: the file that describes a dataset, with the hashes that prove its content."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import from_json

from finest.atomic_files import write_whole
from finest.dataset.limits import (
    BYTES_A_VALUE,
    FREE_VALUES,
    MAX_CONFIGURATIONS,
    MAX_DUMPS,
    MAX_FILES,
    MAX_KEYS,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_VALUES,
)  # fmt: skip
from finest.dataset.rows import schema_with
from finest.dataset.selection import MAX_SELECTIONS, AnyRule, Selection, check_selections
from finest.dataset.shards import Shard
from finest.errors import VerifyError
from finest.recipe.installed import MAX_COLUMNS, check_columns
from finest.recipe.reasons import KEPT, reasons_of
from finest.recipe.schema import recipe_hash
from finest.recipe.stage import Column

MANIFEST_NAME = "manifest.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
_LOCAL_PATH = re.compile(r"^(?:[/~\\]|[A-Za-z]:[/\\]|file:)")


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
        _require(not _LOCAL_PATH.match(self.name), f"source {self.name!r} is a path of somebody's own machine")
        end = 0
        for part in self.slices:
            _require(part.offset >= end, f"source {self.name!r}: slices overlap at byte {part.offset}")
            end = part.offset + part.length
        _require(end <= self.size_bytes, f"source {self.name!r}: slices end at {end}, the file at {self.size_bytes}")
        _require(self.pages <= self.records, f"source {self.name!r} has more pages than records")
        _require(self.sha256 == source_digest(self.slices), f"source {self.name!r}: sha256 is not that of its slices")
        return self


class Manifest(_Model):
    """A dataset: its recipe, sources and contents, and the hashes that prove it.

    Building or reading a manifest whose counts, hashes and names contradict each other raises an error.
    """

    format: Literal["finest-data/1"] = "finest-data/1"
    created_by: str = Field(pattern=r"^finest-data [0-9A-Za-z.+-]{1,64}$")
    """`finest-data <version>`."""
    python: str = Field(pattern=r"^[0-9A-Za-z.+-]{1,64}$")
    engine: Name
    libraries: dict[str, str]
    """Versions of every package that helped to make the dataset."""
    recipe: dict[str, Any]
    """The recipe in its resolved form."""
    recipe_hash: Sha256
    dumps: Annotated[tuple[Name, ...], FailFast()]
    sources: Annotated[tuple[Source, ...], FailFast()]
    """Here and below, FailFast stops at the first invalid entry; pydantic would keep about 1 kB for each entry."""
    shards: Annotated[tuple[Shard, ...], FailFast()]
    """Data files with the rows, `data/<dump>/*.parquet` or `data/<language>/*.parquet` (see `configurations`)."""
    verdicts: Annotated[tuple[Shard, ...], FailFast()]
    """Files with one verdict per page, `verdicts/<dump>/*.parquet`."""
    columns: Annotated[tuple[Column, ...], Field(max_length=MAX_COLUMNS)] = ()
    """Columns that the recipe's stages add to each row."""
    rows: Count
    token_count: Count
    root: Sha256
    """Root of the Merkle tree over the row hashes."""
    reasons: dict[str, Count]
    """Pages of the run by the reason of their verdict, `kept` included."""
    losses: dict[Name, Count]
    """Counts of unreadable records by reason, summed over all sources."""
    languages: dict[str, Count]
    """Rows by language."""
    selections: Annotated[tuple[Selection, ...], Field(max_length=MAX_SELECTIONS)] = ()
    """The steps that left rows out, in their order; without any, the field is not written."""
    configurations: Annotated[tuple[Name, ...], Field(max_length=MAX_CONFIGURATIONS), FailFast()] = ()
    """The languages, if each has its own folder of data files, `data/<language>/*.parquet`, and is a configuration of
    the dataset; otherwise the field is not written."""

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        if not self.selections:
            data.pop("selections", None)
        if not self.configurations:
            data.pop("configurations", None)
        return data

    @property
    def pages(self) -> int:
        """Number of pages that were judged."""
        return sum(self.reasons.values())

    @property
    def rules(self) -> tuple[AnyRule, ...]:
        """The rules that every row satisfies."""
        return tuple(selection.rule for selection in self.selections)

    @property
    def size_bytes(self) -> int:
        """Total bytes of all data shards."""
        return sum(shard.size_bytes for shard in self.shards)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Manifest:
        _require(self.recipe_hash == recipe_hash(self.recipe), "recipe_hash is not the hash of the recipe")
        self._check_files_named()
        self._check_counts()
        known = reasons_of(self.recipe)
        for name in self.reasons:
            known.reason(name)
        check_columns(self.columns)
        check_selections(self.selections, self.rows, self.reasons, schema_with(self.columns))
        return self

    def _check_files_named(self) -> None:
        paths = [file.path for file in (*self.shards, *self.verdicts)]
        _require(len(set(paths)) == len(paths), "a file is named twice")
        _require(len(set(self.dumps)) == len(self.dumps), "a dump is named twice")
        inside = "language" if self.configurations else "dump"
        data = frozenset(self.configurations or self.dumps)
        for folder, name, known, files in (
            ("data", inside, data, self.shards), ("verdicts", "dump", frozenset(self.dumps), self.verdicts),
        ):  # fmt: skip
            for file in files:
                top, _, rest = file.path.partition("/")
                fits = top == folder and rest.count("/") == 1 and rest.split("/")[0] in known
                _require(fits, f"{file.path} is not {folder}/<{name}>/<file>")
        if self.configurations:
            self._check_configurations()

    def _check_configurations(self) -> None:
        named = set(self.configurations)
        _require(len(named) == len(self.configurations), "a configuration is named twice")
        _require(set(self.languages) <= named, "languages has one that is no configuration")
        rows = sum_counts({file.path.split("/")[1]: file.rows} for file in self.shards)
        stated = {language: count for language, count in self.languages.items() if count}
        _require(rows == stated, "languages are not those of the files of each configuration")

    def _check_counts(self) -> None:
        rows, pages, kept = sum(shard.rows for shard in self.shards), self.pages, self.reasons.get(KEPT, 0)
        _require(rows == self.rows, f"rows is {self.rows}, its shards hold {rows}")
        _require(kept == self.rows, f"rows is {self.rows}, {kept} pages were kept")
        _require(sum(self.languages.values()) == rows, "languages do not add up to the rows")
        verdicts = sum(file.rows for file in self.verdicts)
        _require(verdicts == pages, f"reasons count {pages} pages, the verdict files hold {verdicts}")
        of_sources = sum(source.pages for source in self.sources)
        _require(of_sources == pages, f"reasons count {pages} pages, the sources hold {of_sources}")
        losses = sum_counts(source.losses for source in self.sources)
        _require(losses == {name: n for name, n in self.losses.items() if n}, "losses are not those of the sources")


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


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into the dataset's folder atomically."""
    write_whole(folder / MANIFEST_NAME, manifest.model_dump_json(indent=1).encode() + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the dataset in a folder and check that its parts agree with each other.

    Raises VerifyError, with the part and the reason, if the manifest is missing, malformed, too large or contradictory.
    """
    path = folder / MANIFEST_NAME
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise VerifyError(f"{path}: {error.strerror}; a dataset's folder holds its {MANIFEST_NAME}") from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise VerifyError(f"{path}: larger than {MAX_MANIFEST_BYTES} bytes, which no honest manifest is")
    return parse_manifest(data, str(path))


def parse_manifest(data: bytes, name: str) -> Manifest:
    """Parse an untrusted manifest and check that its parts agree; raises VerifyError, in bounded memory and time."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise VerifyError(f"{name}: larger than {MAX_MANIFEST_BYTES} bytes, which no honest manifest is")
    values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if values > min(MAX_MANIFEST_VALUES, FREE_VALUES + len(data) // BYTES_A_VALUE):
        raise VerifyError(f"{name}: {values} values in {len(data)} bytes, which no honest manifest has")
    try:
        _check_sizes(from_json(data, allow_inf_nan=False), name)
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise VerifyError(f"{name}: {first_reason(error)}"[:500]) from error
    except (ValueError, RecursionError) as error:
        raise VerifyError(f"{name}: {str(error)[:200]}") from error


def _check_sizes(raw: object, name: str) -> None:
    """Limit the lists before they are compared with each other, because that time grows with both their lengths."""
    if not isinstance(raw, dict):
        raise VerifyError(f"{name}: not a JSON object")
    limits = (("shards", "verdicts"), MAX_FILES), (("dumps",), MAX_DUMPS), (("configurations",), MAX_CONFIGURATIONS)
    for keys, limit in limits:
        count = sum(len(raw[key]) for key in keys if isinstance(raw.get(key), list))
        if count > limit:
            raise VerifyError(f"{name}: {count} {' and '.join(keys)}, at most {limit} are read")
    waiting: list[object] = [raw]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and len(value) > MAX_KEYS:
            raise VerifyError(f"{name}: an object of {len(value)} keys, at most {MAX_KEYS} are read")
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [one for one in inside if isinstance(one, (dict, list))]


def first_reason(error: ValidationError) -> str:
    """Return the place and the reason of a manifest's first error, without the value found there."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
