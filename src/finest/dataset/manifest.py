"""The manifest: the file that describes a dataset, with the hashes that prove its content."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
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
    MAX_CONFIGURATIONS,
    MAX_DUMPS,
    MAX_FILES,
    MAX_KEYS,
    MAX_MANIFEST_BYTES,
    check_values,
)  # fmt: skip
from finest.dataset.merkle import series_of, top_root
from finest.dataset.page_choice import PageChoice
from finest.dataset.rows import schema_with
from finest.dataset.selection import MAX_SELECTIONS, AnyRule, Selection, check_selections
from finest.dataset.shards import Shard
from finest.dataset.signature_index import DIGEST_BYTES, IndexFile, SignatureIndex
from finest.dataset.sources import (
    Count,
    Name,
    Sha256,
    Source,
    SourceFile,
    SourceTotals,
    first_reason,
    require,
    sum_counts,
)
from finest.errors import VerifyError
from finest.recipe.installed import MAX_COLUMNS, check_columns
from finest.recipe.reasons import KEPT, reasons_of
from finest.recipe.schema import recipe_hash
from finest.recipe.stage import Column

MANIFEST_NAME = "manifest.json"
MAX_MERGED = 100_000
"""Datasets that a merged one names, at the most: those of a crawl's tasks of four WARCs are 22,500, and take 1.5 MB."""


NamedFile = Shard | SourceFile | IndexFile
"""A file as a manifest names it."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Manifest(_Model):
    """A dataset: its recipe, sources and contents, and the hashes that prove it.

    Building or reading a manifest whose counts, hashes and names contradict each other raises an error.
    """

    format: Literal["finest-data/2"] = "finest-data/2"
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
    """The sources, if they are few (finest.dataset.sources). Here and below, FailFast stops at the first invalid entry;
    pydantic would keep about 1 kB for each entry."""
    source_files: Annotated[tuple[SourceFile, ...], FailFast()] = ()
    """The files with the sources of a large dataset; without any, the field is not written."""
    shards: Annotated[tuple[Shard, ...], FailFast()]
    """Data files with the rows, `data/<dump>/*.parquet` or `data/<language>/*.parquet` (see `configurations`)."""
    verdicts: Annotated[tuple[Shard, ...], FailFast()]
    """Files with one verdict per page, `verdicts/<dump>/*.parquet`."""
    columns: Annotated[tuple[Column, ...], Field(max_length=MAX_COLUMNS)] = ()
    """Columns that the recipe's stages add to each row."""
    rows: Count
    token_count: Count
    roots: dict[Annotated[str, Field(max_length=512)], Sha256]
    """For each series of data files, in their order, the root over its row hashes (finest.dataset.merkle). A series is
    named by what the paths of its files have in common, such as `data/<dump>/000`."""
    root: Sha256
    """Root of the tree over the roots of the series."""
    reasons: dict[str, Count]
    """Pages of the run by the reason of their verdict, `kept` included."""
    losses: dict[Name, Count]
    """Counts of unreadable records by reason, summed over all sources."""
    languages: dict[str, Count]
    """Rows by language."""
    selections: Annotated[tuple[Selection, ...], Field(max_length=MAX_SELECTIONS)] = ()
    """The steps that left rows out, in their order; without any, the field is not written."""
    against: tuple[Sha256, ...] = ()
    """Roots of the earlier datasets whose pages were dropped as duplicates: one of a run, those of the parts of a
    merged dataset. Without any, the field is not written."""
    index: SignatureIndex | None = None
    """The index by which a later run drops the pages that this dataset has; without one, the field is not written."""
    chosen: PageChoice | None = None
    """The only pages that were read, if an index chose them; otherwise the field is not written."""
    merged: Annotated[tuple[Sha256, ...], Field(max_length=MAX_MERGED)] = ()
    """Roots of the datasets that were merged, in their order; without any, the field is not written."""
    configurations: Annotated[tuple[Name, ...], Field(max_length=MAX_CONFIGURATIONS), FailFast()] = ()
    """The languages, if each has its own folder of data files, `data/<language>/*.parquet`, and is a configuration of
    the dataset; otherwise the field is not written."""

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        for name in ("selections", "configurations", "source_files", "against", "index", "chosen", "merged"):
            if not getattr(self, name):
                data.pop(name, None)
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
    def files(self) -> tuple[NamedFile, ...]:
        """Every file that the manifest names."""
        return (*self.shards, *self.verdicts, *self.source_files, *(self.index.files if self.index else ()))

    @property
    def source_totals(self) -> SourceTotals:
        """The sums over all sources."""
        parts = (SourceTotals.of(self.sources), *(file.totals for file in self.source_files))
        return SourceTotals(
            sources=sum(part.sources for part in parts), common_crawl=sum(part.common_crawl for part in parts),
            size_bytes=sum(part.size_bytes for part in parts), pages=sum(part.pages for part in parts),
            losses=sum_counts(part.losses for part in parts),
        )  # fmt: skip

    @property
    def size_bytes(self) -> int:
        """Total bytes of all data shards."""
        return sum(shard.size_bytes for shard in self.shards)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Manifest:
        require(self.recipe_hash == recipe_hash(self.recipe), "recipe_hash is not the hash of the recipe")
        self._check_files_named()
        self._check_roots()
        self._check_counts()
        known = reasons_of(self.recipe)
        for name in self.reasons:
            known.reason(name)
        check_columns(self.columns)
        check_selections(self.selections, self.rows, self.reasons, schema_with(self.columns))
        return self

    def _check_files_named(self) -> None:
        paths = [file.path for file in self.files]
        require(len(set(paths)) == len(paths), "a file is named twice")
        require(len(set(self.dumps)) == len(self.dumps), "a dump is named twice")
        inside = "language" if self.configurations else "dump"
        data = frozenset(self.configurations or self.dumps)
        for folder, name, known, files in (
            ("data", inside, data, self.shards), ("verdicts", "dump", frozenset(self.dumps), self.verdicts),
            ("sources", "dump", frozenset(self.dumps), self.source_files),
        ):  # fmt: skip
            for file in files:
                top, _, rest = file.path.partition("/")
                fits = top == folder and rest.count("/") == 1 and rest.split("/")[0] in known
                require(fits, f"{file.path} is not {folder}/<{name}>/<file>")
        if self.configurations:
            self._check_configurations()

    def _check_configurations(self) -> None:
        named = set(self.configurations)
        require(len(named) == len(self.configurations), "a configuration is named twice")
        require(set(self.languages) <= named, "languages has one that is no configuration")
        rows = sum_counts({file.path.split("/")[1]: file.rows} for file in self.shards)
        stated = {language: count for language, count in self.languages.items() if count}
        require(rows == stated, "languages are not those of the files of each configuration")

    def _check_roots(self) -> None:
        runs = [series for series, _ in groupby(self.shards, lambda shard: series_of(shard.path))]
        require(runs == list(self.roots), "roots has not one root for each series of data files, in their order")
        found = root_of(self.roots, self.shards)
        require(found == self.root, f"root is {self.root}, that of the roots of its series is {found}")

    def _check_counts(self) -> None:
        rows, pages, kept = sum(shard.rows for shard in self.shards), self.pages, self.reasons.get(KEPT, 0)
        require(rows == self.rows, f"rows is {self.rows}, its shards hold {rows}")
        require(kept == self.rows, f"rows is {self.rows}, {kept} pages were kept")
        require(sum(self.languages.values()) == rows, "languages do not add up to the rows")
        entries = max((file.size_bytes // DIGEST_BYTES for file in (self.index.files if self.index else ())), default=0)
        require(entries <= pages, f"the index has {entries} entries of a bucket, and there are {pages} pages")
        verdicts = sum(file.rows for file in self.verdicts)
        require(verdicts == pages, f"reasons count {pages} pages, the verdict files hold {verdicts}")
        totals = self.source_totals
        of_sources = totals.pages
        require(of_sources == pages, f"reasons count {pages} pages, the sources hold {of_sources}")
        require(
            totals.losses == {name: n for name, n in self.losses.items() if n}, "losses are not those of the sources"
        )


def root_of(roots: dict[str, str], shards: Iterable[Shard]) -> str:
    """Return the root of a dataset with these roots of its series, in this order, and these data files."""
    rows = sum_counts({series_of(shard.path): shard.rows} for shard in shards)
    return top_root((root, rows.get(series, 0)) for series, root in roots.items())


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
    check_values(data, name)
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
    if raw.get("format") == "finest-data/1":
        raise VerifyError(
            f"{name}: a dataset of an earlier version (finest-data/1), which this version does not read: make it again "
            f"(finest refine SOURCE... --out NEW), or read it with the version that made it"
        )
    limits = (
        (("shards", "verdicts", "source_files"), MAX_FILES),
        (("dumps",), MAX_DUMPS),
        (("configurations",), MAX_CONFIGURATIONS),
    )
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
