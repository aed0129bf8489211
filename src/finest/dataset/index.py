"""The index of a task server: a small dataset on the Hub that names every accepted dataset at its pinned revision.

    manifest.json       what the index holds, with the Merkle root over its lines
    tasks.jsonl         one line for each accepted task
    README.md           card with a recipe for `load_dataset`

    index = open_index("operator/index@4c1f...")             # checks the list against the manifest
    for dataset in index.datasets(crawl="CC-MAIN-2025-26"):
        dataset.manifest.rows                                # its root is the one that the index names

Nothing in an index is trusted: a dataset that is not the one that its line describes is refused by the task's name.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.dataset.hub import TASKS_FOLDER, Hub, RemoteFile, Revision
from finest.dataset.manifest import MANIFEST_NAME, Manifest
from finest.dataset.merkle import root as merkle_root
from finest.dataset.open import Dataset, open_dataset, pinned
from finest.dataset.sources import Count, Sha256, first_reason
from finest.dataset.task_list import LIST_NAME, to_jsonl
from finest.errors import HubNotFound, UsageError, VerifyError

MAX_INDEX_BYTES = 1 << 30
"""Maximum size of a list that is read: a million tasks of about 1 kB, which are the WARCs of forty crawls."""
MAX_HEAD_BYTES = 1 << 20
PARALLEL = 8
"""Datasets that are opened at once; each takes the Hub about a second of requests, one after another."""


M = TypeVar("M", bound=BaseModel)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class IndexEntry(_Model):
    """An accepted dataset."""

    task: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    crawl: str = Field(max_length=64)
    kind: str = Field(max_length=16)
    """Kind of the work: `crawl`, `language`, `refinement`, `packets` or `merge`."""
    hotkey: str = Field(max_length=64)
    """The miner."""
    repo: str = Field(max_length=200)
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    folder: str = Field(pattern=r"^(tasks/[A-Za-z0-9_-]{1,40})?$")
    """The task's folder in the repository; "" for a dataset of an earlier version, at the top."""
    root: Sha256
    rows: Count
    tokens: Count
    verified_tokens: Count
    """Tokens for which the miner is paid: the median of the validators that passed the task."""
    recipe: str = Field(max_length=64)
    recipe_hash: Sha256
    languages: tuple[str, ...]
    """Languages of the rows, the most frequent first."""
    warcs: tuple[str, ...]
    """Paths under data.commoncrawl.org; of a packet its name."""
    files: tuple[str, ...]
    """Address of each data file, `hf://datasets/REPO@REVISION/...`, in the order of the dataset's manifest."""

    @property
    def place(self) -> Revision:
        """The dataset's folder at the pinned revision."""
        return Revision(self.repo, self.revision, self.folder)


class IndexHead(_Model):
    """The manifest of an index."""

    format: Literal["finest-index/1"] = "finest-index/1"
    created_by: str = Field(pattern=r"^finest-data [0-9A-Za-z.+-]{1,64}$")
    tasks: Count
    rows: Count
    tokens: Count
    size_bytes: Count
    """Size of the list."""
    sha256: Sha256
    """Hash of the list."""
    root: Sha256
    """Root of the Merkle tree whose leaves are the sha256s of the list's lines, without their line ends."""

    @classmethod
    def of(cls, entries: Sequence[IndexEntry], created_by: str) -> IndexHead:
        """Return the manifest of an index with these entries."""
        data = to_jsonl(entries)
        return cls(
            created_by=created_by, tasks=len(entries), rows=sum(one.rows for one in entries),
            tokens=sum(one.tokens for one in entries), size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
            root=_root(data),
        )  # fmt: skip


def data_files(place: Revision, manifest: Manifest) -> tuple[str, ...]:
    """Return the address of each data file of a dataset on the Hub."""
    return tuple(f"hf://datasets/{place}/{shard.path}" for shard in manifest.shards)


@dataclass(frozen=True, slots=True)
class Index:
    """An open index."""

    revision: Revision
    head: IndexHead
    entries: tuple[IndexEntry, ...]
    token: str | None = None

    def select(self, *, crawl: str | None = None, language: str | None = None) -> list[IndexEntry]:
        """Return the entries of a crawl, and those with rows in a language."""
        return [
            one for one in self.entries
            if crawl in (None, one.crawl) and (language is None or language in one.languages)
        ]  # fmt: skip

    def open(self, entry: IndexEntry) -> Dataset:
        """Open the dataset of an entry at its pinned revision, and compare its manifest with the entry.

        Raises VerifyError, with the task's id, if the dataset is gone or is not the one that the entry describes;
        HubError or a subclass if the Hub refuses.
        """
        try:
            dataset = open_dataset(str(entry.place), token=self.token)
        except (HubNotFound, UsageError, VerifyError) as error:
            raise VerifyError(f"task {entry.task} of the index: {error}") from error
        difference = _difference(entry, dataset.manifest)
        if difference is not None:
            dataset.close()
            raise VerifyError(f"task {entry.task} of the index: {entry.place} has {difference}")
        return dataset

    def datasets(self, *, crawl: str | None = None, language: str | None = None) -> Iterator[Dataset]:
        """Yield the checked datasets of `select`, one open at a time; raises as `open`."""
        for entry in self.select(crawl=crawl, language=language):
            with self.open(entry) as dataset:
                yield dataset

    def sample(self, entries: Sequence[IndexEntry], k: int, seed: int) -> list[dict[str, Any]]:
        """Draw `k` rows of these datasets, each of a dataset drawn by its rows; the same seed draws the same rows."""
        full = [entry for entry in entries if entry.rows]
        draw = random.Random(seed)
        found = []
        for entry in draw.choices(full, [entry.rows for entry in full], k=k) if full else ():
            with self.open(entry) as dataset:
                found += dataset.sample(1, draw.getrandbits(32)).to_pylist()
        return found

    def check(self, entries: Sequence[IndexEntry], done: Callable[[int], None] = lambda _: None) -> dict[str, str]:
        """Open every dataset of these entries; return why a dataset was refused, by task.

        `done` receives how many datasets are checked. Raises HubError or a subclass if the Hub refuses.
        """
        refused = {}
        with ThreadPoolExecutor(PARALLEL) as pool:
            for number, (entry, why) in enumerate(zip(entries, pool.map(self._why_refused, entries), strict=True), 1):
                if why is not None:
                    refused[entry.task] = why
                done(number)
        return refused

    def _why_refused(self, entry: IndexEntry) -> str | None:
        try:
            self.open(entry).close()
        except VerifyError as error:
            return str(error)
        return None


def _difference(entry: IndexEntry, manifest: Manifest) -> str | None:
    """Return the first thing in which a dataset differs from its entry; None if it is the one."""
    pairs = (
        ("root", manifest.root, entry.root),
        ("rows", manifest.rows, entry.rows),
        ("tokens", manifest.token_count, entry.tokens),
        ("recipe", manifest.recipe_hash, entry.recipe_hash),
        ("files", data_files(entry.place, manifest), entry.files),
    )
    return next((f"other {what} than the index names" for what, found, named in pairs if found != named), None)


def open_index(
    where: str, *, token: str | None = None, latest: bool = False, say: Callable[[str], None] = lambda _: None
) -> Index:  # fmt: skip
    """Open the index `OWNER/NAME@REVISION`, and check its list against its manifest.

    With `latest`, the newest revision is opened. Raises VerifyError if it is no index or contradicts itself; HubError
    or a subclass if the Hub refuses; UsageError if there is no revision and `latest` is false.
    """
    hub = Hub(token, say)
    revision, root = pinned(hub, where, latest=latest, say=say)
    index = read_index(hub, revision)
    if root not in (None, index.head.root):
        raise VerifyError(f"{revision}: its root is {index.head.root}, not the {root} that was named")
    return replace(index, token=token)


def is_index(hub: Hub, revision: Revision) -> bool:
    """Whether a revision is an index, by the files at its top; raises HubError or a subclass."""
    return not revision.folder and _is_index(hub.names(revision))


def _is_index(names: Iterable[str]) -> bool:
    return {MANIFEST_NAME, LIST_NAME} <= set(names) and TASKS_FOLDER not in names


def read_index(hub: Hub, revision: Revision) -> Index:
    """Read the index at a revision and check it; raises VerifyError if it is none or contradicts itself."""
    names = hub.names(revision)
    if not _is_index(names):
        raise VerifyError(f"{revision} is no index of a task server")
    head = _parsed(
        IndexHead, _read(hub, revision, names, MANIFEST_NAME, MAX_HEAD_BYTES), f"{revision}: {MANIFEST_NAME}"
    )
    data = _read(hub, revision, names, LIST_NAME, MAX_INDEX_BYTES)
    lines = data.split(b"\n")[:-1]
    entries = tuple(
        _parsed(IndexEntry, line, f"{revision}: line {n} of {LIST_NAME}") for n, line in enumerate(lines, 1)
    )
    if IndexHead.of(entries, head.created_by) != head:
        raise VerifyError(f"{revision}: {LIST_NAME} is not the list that {MANIFEST_NAME} describes")
    return Index(revision, head, entries)


def _read(hub: Hub, revision: Revision, names: Mapping[str, RemoteFile | None], path: str, most: int) -> bytes:
    """Read a file of an index whole; raises VerifyError if it is larger than `most` or not the file that is listed."""
    file = names[path]
    if file is None or file.size_bytes > most:
        raise VerifyError(f"{revision}: {path} is no file of up to {most} bytes, as every index has")
    return hub.whole(revision, file)


def _parsed(kind: type[M], line: bytes, name: str) -> M:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise VerifyError(f"{name}: {first_reason(error)}") from error


def _root(data: bytes) -> str:
    return merkle_root(hashlib.sha256(line).digest() for line in data.split(b"\n")[:-1])
