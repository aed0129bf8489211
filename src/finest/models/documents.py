"""Sources of training texts, read as a stream of documents.

    dataset     a folder or a Hub repository at a revision that `finest refine` made
    file        Parquet, JSONL (.gz, .zst) or CSV, with a column `text`; local, or of any dataset repository on the Hub
    WARC        refined with a recipe into a dataset first (finest.models.warcs)

A document's group is what no fold divides: the column `group`, or else the host of `host` or `url`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from finest.atomic_files import size_and_sha256
from finest.dataset.manifest import MANIFEST_NAME
from finest.dataset.open import Dataset, open_dataset
from finest.errors import SourceError, UsageError
from finest.models.hub_files import hub_files, is_hub_place
from finest.models.labels import Label, parse_label
from finest.models.tables import SUFFIXES, Row, form_of, read_rows
from finest.warc.listings import SUFFIXES as WARC_SUFFIXES

Progress = Callable[[float], None]
"""Receives the share of a source that has been read, from 0 to 1."""
Refined = Callable[[str], Path]
GroupedBy = Literal["group", "host", "page"]
_WANTED = ("group", "host", "url", "id")
_BATCH_ROWS = 256
"""Rows that are Python strings at a time."""


@dataclass(frozen=True, slots=True)
class Document:
    text: str
    label: Label | None
    """None where a source has no labels of its own."""
    group: str
    """The host or other group; "" if the source names none."""
    grouped_by: GroupedBy
    id: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a source's content; the fields are those of `TrainingSet`."""

    form: Literal["dataset", "parquet", "jsonl", "csv"]
    revision: str | None = None
    sha256: str | None = None
    size_bytes: int = 0
    root: str | None = None
    recipe_hash: str | None = None


class Source(Protocol):
    """Texts with one place and one identity."""

    @property
    def name(self) -> str:
        """The source as the user named it."""

    def identify(self, progress: Progress) -> Identity:
        """Return what identifies the content; for a file this reads and hashes it."""

    def documents(self, progress: Progress, *, labelled: bool) -> Iterator[Document]:
        """Yield the documents in order; with `labelled`, each with its label."""


@dataclass(frozen=True, slots=True)
class FileSource:
    path: Path
    name: str
    revision: str | None = None
    """The Hub revision that the file is of."""

    def identify(self, progress: Progress) -> Identity:
        form = form_of(self.path.name)
        assert form is not None
        total, read = max(_size(self.path), 1), 0

        def count(more: int) -> None:
            nonlocal read
            read += more
            progress(read / total)

        size, sha256 = size_and_sha256(self.path, count)
        return Identity(form, revision=self.revision, sha256=sha256, size_bytes=size)

    def documents(self, progress: Progress, *, labelled: bool) -> Iterator[Document]:
        total = max(_size(self.path), 1)
        needed = ("text", "label") if labelled else ("text",)
        rows = read_rows(self.path, needed, _WANTED, lambda read: progress(read / total))
        with closing(rows):  # type: ignore[type-var]
            for number, row in enumerate(rows, 1):
                yield _document(row, labelled, f"{self.path}: row {number}")


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A finished dataset of ours. Rows are decoded in a confined process, and each row's hash is checked."""

    where: str
    name: str

    def identify(self, progress: Progress) -> Identity:
        with open_dataset(self.where) as dataset:
            progress(1.0)
            manifest = dataset.manifest
            revision = getattr(dataset.place, "sha", None)
            return Identity(
                "dataset", revision=revision, root=manifest.root, recipe_hash=manifest.recipe_hash,
                size_bytes=manifest.size_bytes,
            )  # fmt: skip

    def documents(self, progress: Progress, *, labelled: bool) -> Iterator[Document]:
        if labelled:
            raise UsageError(f"{self.name} is a dataset of texts without labels; name it with --good or --other")
        with open_dataset(self.where) as dataset:
            for row in _dataset_rows(dataset, progress):
                yield _document(row, False, self.name)


def _dataset_rows(dataset: Dataset, progress: Progress) -> Iterator[Row]:
    rows = dataset.manifest.rows
    for group in dataset.row_groups():
        table = dataset.read_rows(range(group.first_row, group.first_row + group.rows))
        for batch in table.select(["text", "url", "id"]).to_batches(_BATCH_ROWS):
            yield from batch.to_pylist()
        progress((group.first_row + group.rows) / rows)


def find_sources(specs: Sequence[str], refined: Refined | None = None) -> tuple[Source, ...]:
    """Return the sources that the user named, in order; the files of a folder are sorted.

    `refined` makes a dataset of a WARC and returns its folder; without it, WARCs raise UsageError.

    Raises SourceError if a file or folder does not exist or holds nothing that can be read, UsageError for a name of
    another kind.
    """
    found = tuple(source for spec in specs for source in _sources(spec, refined))
    names = [source.name for source in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"{twice} is named twice")
    return found


def find_files(specs: Sequence[str]) -> tuple[FileSource, ...]:
    """Return labelled files that the user named; raises SourceError or UsageError for anything else."""
    found = find_sources(specs)
    files = tuple(source for source in found if isinstance(source, FileSource))
    if len(files) < len(found):
        raise UsageError(f"{specs[0]} is a dataset of texts without labels; name a Parquet, JSONL or CSV file")
    return files


def is_warc(spec: str) -> bool:
    """Return whether a source is a WARC file or a path of Common Crawl."""
    return spec.endswith(WARC_SUFFIXES) or spec.startswith("crawl-data/")


def _sources(spec: str, refined: Refined | None) -> list[Source]:
    path = Path(spec)
    if is_warc(spec):
        if refined is None:
            raise UsageError(f"{spec} is a WARC; say with --recipe how to refine it, for example --recipe finest")
        return [DatasetSource(str(refined(spec)), spec)]
    if path.is_dir():
        if (path / MANIFEST_NAME).is_file():
            return [DatasetSource(spec, spec)]
        files = sorted(file for file in path.rglob("*") if file.is_file() and form_of(file.name))
        if not files:
            raise SourceError(f"{spec}: no {MANIFEST_NAME} and no file ending in {', '.join(SUFFIXES)}")
        return [FileSource(file, str(file)) for file in files]
    if form_of(spec) and not is_hub_place(spec):
        if not path.is_file():
            raise SourceError(f"{spec}: no such file")
        return [FileSource(path, spec)]
    if "@" in spec and not path.exists():
        files_there = hub_files(spec)
        if files_there is None:
            return [DatasetSource(spec, spec)]
        return [FileSource(file.path, file.name, file.revision) for file in files_there]
    what = "no file of a kind that is read" if path.exists() else "no such file, folder or OWNER/NAME@REVISION"
    raise SourceError(
        f"{spec}: {what}; name a finished dataset, a file ending in {', '.join(SUFFIXES)}, or a WARC with --recipe"
    )


def _document(row: Row, labelled: bool, place: str) -> Document:
    text = row["text"]
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise SourceError(f"{place}: text is a {type(text).__name__}, not a string")
    label: Label | None = None
    if labelled:
        try:
            label = parse_label(row["label"])
        except ValueError as error:
            raise SourceError(f"{place}: {error}") from None
    return Document(text, label, *_group(row), id=str(row.get("id") or ""), url=str(row.get("url") or ""))


def _group(row: Row) -> tuple[str, GroupedBy]:
    if row.get("group") not in (None, ""):
        return str(row["group"]), "group"
    host = row.get("host") or host_of_url(row.get("url"))
    return (_plain_host(str(host)), "host") if host else ("", "page")


def host_of_url(url: Any) -> str:
    """Return the host of an address; "" if it has none."""
    try:
        return urlsplit(url).hostname or "" if isinstance(url, str) else ""
    except ValueError:
        return ""


def _plain_host(host: str) -> str:
    """Return the host as one site writes it: `www.example.org` is `example.org`."""
    return host.lower().rstrip(".").removeprefix("www.")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
