"""Open a dataset on the Hub or in a folder without downloading it: check its manifest and read byte ranges.

    with open_dataset("alice/web@4c1f...") as dataset:
        dataset.manifest.rows
        dataset.sample(100, seed=7)        # a pyarrow Table; every row's hash is recomputed

Whatever a stranger put there costs at most what `finest.dataset.limits` allows, and raises VerifyError.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from finest.dataset.card import CARD_NAME
from finest.dataset.confined_reader import Confined, Store
from finest.dataset.hub import TASKS_FOLDER, Hub, RemoteFile, Revision, parse_place
from finest.dataset.limits import (
    CHECK_CPU_S_PER_GB,
    CHECK_MEMORY_BYTES,
    MAX_DATASET_BYTES,
    MAX_MANIFEST_BYTES,
    READER_CPU_S,
)
from finest.dataset.manifest import MANIFEST_NAME, Manifest, NamedFile, parse_manifest
from finest.dataset.meter import Metered, allowance
from finest.dataset.parts import Part, RowGroup
from finest.dataset.places import Places
from finest.dataset.row_order import check_roots
from finest.dataset.row_proof import RowProof, prove
from finest.dataset.rows import VERDICT_SCHEMA, schema_with
from finest.dataset.selection import unsatisfied
from finest.dataset.shards import Shard
from finest.dataset.sources import SourceFile, sources_of
from finest.dataset.task_list import LIST_NAME, read_list
from finest.errors import HubNotFound, RunError, UsageError, VerifyError

if TYPE_CHECKING:
    from finest.dataset.location import Location
    from finest.dataset.selection import AnyRule
    from finest.dataset.sources import Source

_BESIDE = frozenset({MANIFEST_NAME, CARD_NAME, ".gitattributes"})
"""Files of a repository that the manifest does not name. The card is never read."""
_PIECE_BYTES = 16 * 1024 * 1024
_ROWS_PER_CPU_S = 50_000
"""Row hashes that even a slow machine folds into a Merkle root per second."""


def open_dataset(
    where: str, *, token: str | None = None, latest: bool = False, say: Callable[[str], None] = lambda _: None
) -> Dataset:
    """Open `OWNER/NAME@REVISION` (40 hex digits; an optional `#ROOT` must match the root) or a local folder.

    `OWNER/NAME@REVISION/tasks/ID` is the dataset of one task in a miner's repository (finest.dataset.task_folders); the
    folder may be left out if there is only one task, or if the root names one. Earlier versions published a task at the
    top of the repository: a revision without any folder of a task is opened there.

    This reads only the list of files and the manifest. Raises VerifyError if the manifest contradicts itself, if the
    repository holds a file that the manifest does not name, or if the Hub reports another size or sha256 for a file;
    HubError or a subclass if the Hub refuses; UsageError if there is no revision and `latest` is false. With `latest`,
    the newest revision is opened and reported through `say`.
    """
    if Path(where).is_dir():
        return _open_folder(Path(where))
    hub = Hub(token, say)
    revision, root = pinned(hub, where, latest=latest, say=say)
    if revision.folder:
        dataset = _open_task(hub, revision)
    else:
        dataset = _open_revision(hub, _of_one_dataset(hub, revision, root))
    if root not in (None, dataset.manifest.root):
        raise VerifyError(f"{dataset.place}: its root is {dataset.manifest.root}, not the {root} that was named")
    return dataset


def pinned(hub: Hub, where: str, *, latest: bool, say: Callable[[str], None]) -> tuple[Revision, str | None]:
    """Return the revision that a place on the Hub names, or with `latest` the newest one, and the root it names."""
    repo, sha, root, folder = parse_place(where)
    if sha is None and not latest:
        raise UsageError(f"{repo} names no revision: write {repo}@REVISION with 40 hex digits, or add --latest")
    if sha is None:
        sha = hub.head(repo).sha
        say(f"The newest revision is {repo}@{sha}")
    return Revision(repo, sha, folder), root


class Dataset:
    """An open dataset. Rows and verdicts are numbered from 0 across all files, in the manifest's order."""

    def __init__(self, place: Path | Revision | Location, manifest: Manifest, store: Store) -> None:
        self.place = place
        self.manifest = manifest
        self._store = self.meter = Metered(store)
        files = {file.path: file for file in (*manifest.shards, *manifest.verdicts)}
        self._reader = Confined(self._store, files, columns=manifest.columns)
        self._rows = Part(self._reader, manifest.shards, schema_with(manifest.columns))
        self._verdicts = Part(self._reader, manifest.verdicts, VERDICT_SCHEMA)

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the reader process; a later read starts another one."""
        self._reader.close()

    def again(self) -> Dataset:
        """Return the same dataset with a reader of its own, which a forked process needs; nothing is read."""
        return Dataset(self.place, self.manifest, self._store)

    def bound_reading(self) -> None:
        """Limit further reads to what one check of an honest dataset needs; reads beyond it raise VerifyError."""
        self.meter.allowed = allowance(self.manifest)

    def row_groups(self) -> list[RowGroup]:
        """Return all row groups of the data files; reads every file's footer."""
        return self._rows.groups()

    def row_groups_between(self, first: int, end: int) -> list[RowGroup]:
        """Return the row groups whose first row is one from `first` to `end` (exclusive); reads footers of files."""
        return self._rows.between(first, end)

    def read_rows(self, indices: Sequence[int]) -> pa.Table:
        """Return the rows with these indices, in that order, with recomputed hashes; reads their row groups."""
        return self._rows.read(indices)

    def sample(self, k: int, seed: int) -> pa.Table:
        """Draw `k` rows uniformly (all if there are fewer), in ascending order; the same seed draws the same rows."""
        return self.read_rows(_drawn(self.manifest.rows, k, seed))

    def row_columns(self, *names: str, files: Sequence[Shard] | None = None) -> pa.Table:
        """Return some columns of all rows, or of those of some files; row hashes are not checked."""
        return self._rows.columns(names, files)

    def verdict_groups(self) -> list[RowGroup]:
        """Return all row groups of the verdict files; reads every file's footer."""
        return self._verdicts.groups()

    def read_verdicts(self, indices: Sequence[int]) -> pa.Table:
        """Return the verdicts with these indices, in that order; reads their row groups."""
        return self._verdicts.read(indices)

    def sample_verdicts(self, k: int, seed: int) -> pa.Table:
        """Draw `k` verdicts, as `sample` draws rows."""
        return self.read_verdicts(_drawn(self.manifest.pages, k, seed))

    def verdict_columns(self, *names: str, files: Sequence[Shard] | None = None) -> pa.Table:
        """Return some columns of all verdicts, or of those of some files."""
        return self._verdicts.columns(names, files)

    def verdicts_before(self, index: int, *names: str) -> Iterator[pa.Table]:
        """Yield some columns of the verdicts before this one in its series of files, the nearest row group first."""
        return self._verdicts.before(index, names)

    @cached_property
    def row_places(self) -> Places:
        """All rows, indexed by the WARC record they come from; reads three columns once."""
        return Places(self.row_columns("file_path", "warc_offset", "id"), "warc_offset")

    @cached_property
    def verdict_places(self) -> Places:
        """All verdicts, indexed by the WARC record they belong to; reads three columns once."""
        return Places(self.verdict_columns("file_path", "offset", "id"), "offset")

    def check_files(self) -> None:
        """Read a byte of every file, to see that its content is there; raises HubNotFound if the Hub has none."""
        for file in self.manifest.files:
            self._store.read(file.path, 0, 1)

    def check_root(self) -> None:
        """Check the Merkle root over all stored row hashes; reads about 70 bytes a row, in constant memory.

        Raises VerifyError if the root of a series differs from the manifest's, or if a row occurs twice.
        """
        shards = [shard.model_dump(include={"path", "size_bytes", "rows"}) for shard in self.manifest.shards]
        cpu_s = READER_CPU_S + self.manifest.rows // _ROWS_PER_CPU_S
        found = self._reader.ask(
            "root", files=shards, cpu_s=cpu_s, sources=self.manifest.source_totals.sources,
            by_language=bool(self.manifest.configurations),
        )  # fmt: skip
        check_roots(found, self.manifest)

    def prove(self, number: int) -> RowProof:
        """Return the proof that a row, by its number, belongs to the dataset; reads the row hashes of its series.

        Raises IndexError if there is no such row.
        """
        return prove(self, number)

    def sources(self) -> Iterator[Source]:
        """Yield all sources; reads the files with them, one after the other."""
        return sources_of(self.manifest, self.source_file)

    def source_file(self, file: SourceFile) -> bytes:
        """Return the bytes of a file with sources."""
        return self._store.read(file.path, 0, file.size_bytes)

    def check_selections(self, cache: Path | None = None) -> None:
        """Check that every row satisfies every rule of the manifest; reads the columns that the rules name.

        Indexes that rules need are read from the folder `cache`. Raises VerifyError with the row and the rule;
        UsageError if an index is not there.
        """
        rules = [rule.model_dump() for rule in self.manifest.rules if not rule.needs_index]
        for shard in self.manifest.shards if rules else ():
            found = self._reader.ask("unsatisfied", file=shard, rules=rules, cpu_s=_check_cpu_s(shard.size_bytes))
            if found is not None:
                raise VerifyError(
                    f"{shard.path}: row {str(found[0])[:80]} does not satisfy the selection: {str(found[1])[:500]}"
                )

        self._check_texts(cache)

    def _check_texts(self, cache: Path | None) -> None:
        """Check the rules that need an index, in this process: the one that decodes files cannot read the index."""
        rules = [rule for rule in self.manifest.rules if rule.needs_index]
        for group in self.row_groups() if rules else ():
            for batch in self._rows.group_columns(group, ["id", "text"]).combine_chunks().to_batches():
                found = unsatisfied(batch, rules, cache)
                if found is not None:
                    raise VerifyError(f"{group.path}: row {found[0][:80]} does not satisfy the selection: {found[1]}")

    def decided(self, rule: AnyRule, cache: Path | None = None) -> Iterator[tuple[str, pa.Table]]:
        """Yield, for each file or row group, its path with the rows' ids, recomputed hashes and whether they stay.

        The columns are `id`, `row_hash` and `stays`: whether the row satisfies the rule. This reads all rows. An index
        that the rule needs is read from the folder `cache`. Raises VerifyError if a row is not that of its hash;
        UsageError if the index is not there.
        """
        if rule.needs_index:
            keep = rule.keep(schema_with(self.manifest.columns), cache)
            for group in self.row_groups():
                found = self.read_rows(range(group.first_row, group.first_row + group.rows)).combine_chunks()
                stays = pa.chunked_array([keep(batch) for batch in found.to_batches()], pa.bool_())
                yield group.path, found.select(["id", "row_hash"]).append_column("stays", stays)
            return
        for shard in self.manifest.shards:
            cpu_s = _check_cpu_s(shard.size_bytes)
            yield shard.path, self._reader.ask_table("decided", file=shard, rules=[rule.model_dump()], cpu_s=cpu_s)

    def download(self, folder: Path) -> None:
        """Write the manifest and every file that it names into `folder`, in constant memory.

        Raises RunError if the disk has too little room.
        """
        files = self.manifest.files
        size, free = sum(file.size_bytes for file in files), shutil.disk_usage(folder).free
        if size > min(free, MAX_DATASET_BYTES):
            raise RunError(f"{self.place} has {size / 1e9:,.1f} GB, {folder} has room for {free / 1e9:,.1f} GB")
        for file in files:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            with open(folder / file.path, "xb") as target:
                target.writelines(self.pieces(file))
        (folder / MANIFEST_NAME).write_text(self.manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def row_groups_of(self, series: str) -> list[RowGroup]:
        """Return the row groups of the data files of a series."""
        return self._rows.groups(series)

    def verdict_groups_of(self, series: str) -> list[RowGroup]:
        """Return the row groups of the verdict files of a series."""
        return self._verdicts.groups(series)

    def pieces(self, file: NamedFile) -> Iterator[bytes]:
        """Yield the bytes of a file, in pieces of a few megabytes."""
        for start in range(0, file.size_bytes, _PIECE_BYTES):
            yield self._store.read(file.path, start, min(start + _PIECE_BYTES, file.size_bytes))

    def check_all(self, folder: Path, cache: Path | None = None) -> None:
        """Check every byte and row of the files in `folder` with `check_files`, in a process with bounded resources.

        Indexes that rules of selections need are read from the folder `cache`; raises UsageError if one is not there.
        """
        confined = Confined(self._store, {}, memory_bytes=CHECK_MEMORY_BYTES, folder=folder)
        size = sum(file.size_bytes for file in self.manifest.files)
        try:
            confined.ask(
                "check", folder=str(folder.resolve()), manifest=self.manifest.model_dump_json(),
                cpu_s=_check_cpu_s(size),
            )  # fmt: skip
        finally:
            confined.close()
        with Dataset(folder, self.manifest, _InAFolder(folder)) as local:
            local._check_texts(cache)


def _check_cpu_s(size_bytes: int) -> int:
    return READER_CPU_S + int(size_bytes / 1e9 * CHECK_CPU_S_PER_GB)


def _drawn(rows: int, k: int, seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(rows), min(k, rows)))


@dataclass(frozen=True, slots=True)
class _OnTheHub:
    hub: Hub
    revision: Revision

    def read(self, path: str, start: int, end: int) -> bytes:
        return self.hub.read(self.revision, path, start, end)


@dataclass(frozen=True, slots=True)
class _InAFolder:
    folder: Path

    def read(self, path: str, start: int, end: int) -> bytes:
        with open(self.folder / path, "rb") as file:
            file.seek(start)
            return file.read(end - start)


def _open_folder(folder: Path) -> Dataset:
    path = folder / MANIFEST_NAME
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise VerifyError(f"{path}: {error.strerror}; a dataset's folder holds its {MANIFEST_NAME}") from error
    manifest = parse_manifest(data, str(path))
    for named in manifest.files:
        local = folder / named.path
        if not local.is_file() or local.stat().st_size != named.size_bytes:
            raise VerifyError(f"{local}: not there with the {named.size_bytes} bytes that the manifest states")
    return Dataset(folder, manifest, _InAFolder(folder))


def _open_task(hub: Hub, revision: Revision) -> Dataset:
    """Open the folder of a task, or the top of a revision that an earlier version published."""
    try:
        return _open_revision(hub, revision)
    except HubNotFound:
        whole = Revision(revision.repo, revision.sha)
        if TASKS_FOLDER in hub.names(whole):
            raise
        return _open_revision(hub, whole)


def _of_one_dataset(hub: Hub, whole: Revision, root: str | None) -> Revision:
    """Return the folder of the only task of a revision, or of the one with this root; without tasks, `whole`."""
    names = hub.names(whole)
    if TASKS_FOLDER not in names:
        return whole
    tasks = sorted(hub.names(Revision(whole.repo, whole.sha, TASKS_FOLDER)))
    if root is not None:
        tasks = [entry.task for entry in read_list(hub, whole, names) if entry.root == root and entry.task in tasks]
    if len(tasks) != 1:
        which = f"{len(tasks)} tasks" if root is None else f"{len(tasks)} tasks with the root {root}"
        example = f"; name one: {whole}/{TASKS_FOLDER}/{tasks[-1]}" if tasks else f"; {LIST_NAME} lists its tasks"
        raise UsageError(f"{whole} holds {which}{example}")
    return Revision(whole.repo, whole.sha, f"{TASKS_FOLDER}/{tasks[0]}")


def _open_revision(hub: Hub, revision: Revision) -> Dataset:
    files = hub.files(revision)
    stated = files.get(MANIFEST_NAME)
    if stated is None:
        raise VerifyError(f"{revision} holds no {MANIFEST_NAME}: not a dataset of ours")
    if stated.size_bytes > MAX_MANIFEST_BYTES:
        raise VerifyError(f"{revision}: a {MANIFEST_NAME} of {stated.size_bytes} bytes, which no honest one has")
    manifest = parse_manifest(hub.whole(revision, stated), f"{revision}: {MANIFEST_NAME}")
    _check_listing(revision, manifest, files)
    return Dataset(revision, manifest, _OnTheHub(hub, revision))


def _check_listing(revision: Revision, manifest: Manifest, files: dict[str, RemoteFile]) -> None:
    """Compare the size and sha256 that the Hub reports for each file with the manifest.

    The Hub states none for a small file other than Parquet, whose sha256 is compared when it is read.
    """
    named = {file.path: file for file in manifest.files}
    for path in sorted(files.keys() - named.keys() - _BESIDE):
        raise VerifyError(f"{revision}: {path[:200]} is not named in the manifest")
    for path, file in named.items():
        remote = files.get(path)
        if remote is None:
            raise VerifyError(f"{revision}: {path} is named in the manifest, but not there")
        if remote.sha256 is None and isinstance(file, Shard):
            raise VerifyError(f"{revision}: {path} is not stored as a large file, so the Hub states no sha256")
        if (remote.size_bytes, remote.sha256 or file.sha256) != (file.size_bytes, file.sha256):
            raise VerifyError(f"{revision}: {path} has another size or sha256 on the Hub than in the manifest")
