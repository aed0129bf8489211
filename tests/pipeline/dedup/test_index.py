"""First one run, then another against its index: the rows are those of one run over both, first come first kept."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.dataset.manifest import parse_manifest, read_manifest
from finest.dataset.open import open_dataset
from finest.dataset.shards import Shard
from finest.devnet.hub.server import HubServer
from finest.errors import LedgerError, NoRoom, UsageError, VerifyError
from finest.pipeline.dedup import index as indexing
from finest.pipeline.dedup.against import Earlier
from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
from finest.pipeline.dedup.index import NONE, Index, Made, place_index, write_buckets
from finest.pipeline.dedup.signatures import RunSignatures
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.tasks import Tasks
from finest.pipeline.verify import verify
from finest.recipe.judge import toolbox
from finest.recipe.reasons import DUPLICATE
from finest.recipe.recipe import load_recipe, parse_recipe
from finest.settings import default_cache
from tests.devnet.hub_client import environment
from tests.e2e.command import finest
from tests.pipeline.dedup.test_stages import files_of, stages_of
from tests.validator.made import NOWHERE
from tests.validator.repeated import response, write_warc

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.dataset.signature_index import SignatureIndex

QUIET = Progress(quiet=True)
TOOLS = toolbox(load_recipe("fineweb"), default_cache())


def here(folder: Path) -> Tasks:
    return Tasks(0, folder / "logs", QUIET)


def made_index(signatures: list[list[np.ndarray | None]], folder: Path) -> tuple[MadeDataset, list[int]]:
    """The index of a run over these, whose rows are in the order of the run; and its survivors."""
    files = files_of(signatures, folder / "files")
    stages = stages_of(files, folder / "dedup")
    stages.run(here(folder))
    survivor = np.load(stages.survivors_path)
    is_row = survivor == np.arange(len(survivor))
    row = np.full(len(survivor), NONE)
    row[is_row] = np.arange(is_row.sum(), dtype=np.uint32)
    made = Made(files, RunSignatures(files).starts, survivor, row)
    write_buckets(folder / "made", made, 1_000_000_000, here(folder), lambda: False)
    index = place_index(folder / "made", folder, QUIET)
    return MadeDataset(folder, index, np.flatnonzero(is_row).tolist()), survivor.tolist()


class MadeDataset:
    """As much of a dataset as the comparison reads; its rows have the ids `ids`, in two files."""

    def __init__(self, folder: Path, index: SignatureIndex, ids: list[int]) -> None:
        self.place, self.ids = folder, [str(id) for id in ids]
        half = len(ids) // 2
        sizes = {f"data/D/000_{n:05d}.parquet": rows for n, rows in enumerate((half, len(ids) - half))}
        shards = [Shard(path=path, rows=rows, size_bytes=1, sha256="0" * 64) for path, rows in sizes.items()]
        self.manifest = SimpleNamespace(index=index, shards=shards, rows=len(ids))

    def again(self) -> nullcontext[MadeDataset]:
        return nullcontext(self)

    def read_rows(self, numbers: list[int]) -> pa.Table:
        return pa.table({"text": [self.ids[number] for number in numbers], "language": ["en"] * len(numbers)})

    def row_columns(self, name: str, files: list[Shard]) -> pa.Table:
        first, _ = self.manifest.shards
        return pa.table({name: self.ids[: first.rows] if files == [first] else self.ids[first.rows :]})


def components(signatures: list[np.ndarray | None]) -> list[int]:
    """The smallest row of each row's component, written plainly."""
    found = list(range(len(signatures)))
    for bucket in range(2):
        keys = [None if one is None else tuple(one[bucket].tolist()) for one in signatures]
        rows = sorted((key, row) for row, key in enumerate(keys) if key is not None)
        for (key, a), (other, b) in pairwise(rows):
            if key == other and found[a] != found[b]:
                low, high = sorted((found[a], found[b]))
                found = [low if one == high else one for one in found]
    return found


made_signatures = st.lists(
    st.one_of(st.none(), st.lists(st.integers(0, 3), min_size=4, max_size=4)), min_size=1, max_size=20
).map(lambda made: [None if one is None else np.array(one, np.uint64).reshape(2, 2) for one in made])


@settings(max_examples=40)
@given(made_signatures, made_signatures, st.integers(1, 3))
def test_a_run_against_an_index_is_the_second_part_of_one_run(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[np.ndarray | None],
    second: list[np.ndarray | None],
    parts: int,
) -> None:  # fmt: skip
    """A page is kept if its run keeps it and no page of the first run is in its component."""
    folder = tmp_path_factory.mktemp("both")
    dataset, kept_of = made_index([first], folder / "first")
    size = -(-len(second) // parts)
    files = files_of([second[i : i + size] for i in range(0, len(second), size)], folder / "files")
    stages = stages_of(files, folder / "dedup")
    stages.run(here(folder))
    survivor = np.load(stages.survivors_path)
    comparison = Earlier(folder / "dedup", files, EarlierDatasets([cast("Dataset", dataset)]))
    comparison.look_up(here(folder))
    comparison.drop_clusters(survivor, TOOLS, here(folder))
    earlier, ids = comparison.kept(here(folder))
    both = components([*first, *second])
    for row, kept in enumerate(earlier.tolist()):
        component = both[len(first) + row]
        assert (kept != NONE) == (component < len(first))
        if kept != NONE:
            (witness,) = map(int, ids.of(np.array([kept], np.uint32)))
            assert kept_of[witness] == witness and both[witness] == component
    assert survivor.tolist() == np.load(stages.survivors_path).tolist(), "what the index has not is as without it"


def test_all_rows_with_an_equal_bucket_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With digests sorted in several ranges; a page has at most MAX_ROWS rows, the first ones."""
    monkeypatch.setattr(indexing, "_SORT_BYTES", 40_000_000)
    signatures = [np.full((2, 2), number, np.uint64) for number in range(100)]
    dataset, _ = made_index([signatures[:30], signatures[30:]], tmp_path)
    (part,) = files_of([signatures[::-1]], tmp_path / "again")
    rows, pages = Index(tmp_path, dataset.manifest.index.buckets).matches(part, 1_000)
    assert rows.tolist() == list(range(100))[::-1] and pages.tolist() == list(range(1_000, 1_100))
    keys = np.fromfile(tmp_path / "index" / "00.digests", "<u8")
    assert len(keys) == 100 and (np.diff(keys.astype(object)) > 0).all()
    np.full(40, keys[7]).tofile(tmp_path / "index" / "00.digests")
    np.arange(40, dtype="<u4").tofile(tmp_path / "index" / "00.rows")
    rows, pages = Index(tmp_path, 1).matches(part, 0)
    assert rows.tolist() == list(range(32)) and len(set(pages.tolist())) == 1


def options(out: Path, warc: Path, **changes: object) -> RunOptions:
    made = RunOptions(
        specs=(str(warc),), out=out, recipe=load_recipe("fineweb"), cache=default_cache(), common_crawl=NOWHERE
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_new_run_drops_what_a_dataset_has_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    """Pages 0 to 3, then 2 to 5: of these, 4 and 5 are rows, and the verdicts of the others name rows of the first."""
    first, second = (
        write_warc(tmp_path / f"{name}.warc.gz", [[response(n, n + 100 * i)] for n in pages])
        for i, (name, pages) in enumerate({"a": range(4), "b": range(2, 6)}.items())
    )
    whole = refine(options(tmp_path / "first", first, keep_index=True), QUIET)
    files = {path: path.read_bytes() for path in (tmp_path / "first").rglob("*") if path.is_file()}
    found = refine(options(tmp_path / "second", second, against=(str(tmp_path / "first"),)), QUIET)
    assert (whole.rows, found.rows, found.reasons[DUPLICATE]) == (4, 2, 2)
    assert found.against == (whole.root,) == read_manifest(tmp_path / "second").against
    with open_dataset(str(tmp_path / "first")) as dataset:
        ids = dataset.row_columns("id")["id"].to_pylist()
    with open_dataset(str(tmp_path / "second")) as dataset:
        named = dataset.verdict_columns("duplicate_of")["duplicate_of"].to_pylist()
    assert named == [ids[2], ids[3], None, None]
    assert all(path.read_bytes() == data for path, data in files.items())
    with pytest.raises(LedgerError, match="another earlier dataset"):
        refine(options(tmp_path / "second", second), QUIET)


def test_an_index_that_was_not_finished_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buckets are not written again, and a file that a killed process left is no part of it."""
    warc = write_warc(tmp_path / "a.warc.gz", [[response(n, n)] for n in range(4)])
    wanted = options(tmp_path / "out", warc, keep_index=True)
    with monkeypatch.context() as patched:
        patched.setattr("finest.pipeline.assemble.place_index", lambda *_: sys.exit(1))
        with pytest.raises(SystemExit):
            refine(wanted, QUIET)
    (tmp_path / "out" / "ledger" / "assembly" / "index" / ".00.rows.aa.tmp").touch()
    monkeypatch.setattr(indexing, "_write_bucket", lambda *_: sys.exit(2))
    with monkeypatch.context() as patched:
        patched.setattr("finest.pipeline.assemble.write_manifest", lambda *_: sys.exit(3))
        with pytest.raises(SystemExit):
            refine(wanted, QUIET)
    made = refine(wanted, QUIET)
    assert made.index is not None and made.index.buckets == 14
    assert {f"index/{path.name}" for path in (tmp_path / "out" / "index").iterdir()} == {
        file.path for file in made.index.files
    }


def test_an_index_can_be_made_later(tmp_path: Path) -> None:
    """From the pages that are judged: the message says how, and the rows are the same."""
    warc = write_warc(tmp_path / "a.warc.gz", [[response(n, n)] for n in range(3)])
    without = refine(options(tmp_path / "out", warc), QUIET)
    with pytest.raises(UsageError, match=r"remove .*manifest\.json and run the same command again"):
        refine(options(tmp_path / "out", warc, keep_index=True), QUIET)
    (tmp_path / "out" / "manifest.json").unlink()
    made = refine(options(tmp_path / "out", warc, keep_index=True), QUIET)
    assert made.index is not None and made.root == without.root


def test_a_changed_index_is_refused(tmp_path: Path) -> None:
    """By `finest verify` and by a run against it; so is a dataset without one, or of another recipe."""
    warc = write_warc(tmp_path / "a.warc.gz", [[response(n, n)] for n in range(3)])
    wanted = options(tmp_path / "first", warc, keep_index=True)
    refine(wanted, QUIET)
    verify(tmp_path / "first", default_cache(), NOWHERE, sample=4)
    recipe = load_recipe("fineweb")
    other = parse_recipe({**recipe.resolved(), "dedup": {**recipe.resolved()["dedup"], "seed": 2}})
    with pytest.raises(UsageError, match="a recipe with another seed"):
        EarlierDatasets.open([str(tmp_path / "first")], other)
    with pytest.raises(UsageError, match=r"a recipe with another .*min_jaccard"):
        EarlierDatasets.open([str(tmp_path / "first")], load_recipe("finest"))
    stated = (tmp_path / "first" / "manifest.json").read_text()
    with pytest.raises(VerifyError, match="the index has 4 entries of a bucket, and there are 3 pages"):
        parse_manifest(
            stated.replace('"size_bytes": 24,', '"size_bytes": 32,')
            .replace('"size_bytes": 12,', '"size_bytes": 16,')
            .encode(),
            "forged",
        )
    path = tmp_path / "first" / "index" / "01.rows"
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    with pytest.raises(VerifyError, match=r"01\.rows is not the file that the manifest names"):
        refine(options(tmp_path / "second", warc, against=(str(tmp_path / "first"),)), QUIET)
    with pytest.raises(VerifyError, match=r"index/01\.rows: its sha256 is not the manifest's"):
        verify(tmp_path / "first", default_cache(), NOWHERE, sample=4)
    refine(options(tmp_path / "third", warc), QUIET)
    with pytest.raises(UsageError, match="has no index; refine its sources with --keep-index"):
        EarlierDatasets.open([str(tmp_path / "third")], recipe)


def test_rows_are_numbered_in_the_order_of_the_dataset(tmp_path: Path) -> None:
    """Not in that of the run, if the sources of two crawls alternate."""
    warcs = []
    for name, numbers in {"b": (0, 1), "a": (2, 3), "c": (4, 5)}.items():
        folder = tmp_path / f"CC-MAIN-20{24 + (name == 'a')}-10"
        folder.mkdir(exist_ok=True)
        warcs.append(str(write_warc(folder / f"{name}.warc.gz", [[response(n, n)] for n in numbers])))
    first = replace(options(tmp_path / "first", tmp_path), specs=tuple(warcs), keep_index=True)
    refine(first, QUIET)
    refine(replace(first, out=tmp_path / "again", keep_index=False, against=(str(tmp_path / "first"),)), QUIET)
    with open_dataset(str(tmp_path / "again")) as dataset:
        assert dataset.manifest.rows == 0
        assert pc.all(pc.equal(*map(dataset.verdict_columns("id", "duplicate_of").column, (0, 1)))).as_py()


def test_an_index_is_published_and_used_from_there(tmp_path: Path) -> None:
    """The newest revision is found, and its index is downloaded: no row of the first dataset is signed again."""
    first, second = (
        write_warc(tmp_path / f"{name}.warc.gz", [[response(n)] for n in pages])
        for name, pages in {"a": range(3), "b": range(1, 5)}.items()
    )
    made = refine(options(tmp_path / "first", first, keep_index=True), QUIET)
    with HubServer(tmp_path / "hub") as hub:
        env = environment(tmp_path / "home", hub, hub.add_user("alice"), xet=False)
        env["FINEST_CACHE"] = str(default_cache())
        revision = finest("publish", tmp_path / "first", "--hf-repo", "web", env=env).stdout.split()[-1]
        published = {file.path for file in (made.index.files if made.index else ())}
        assert len(published) == 28 and published <= hub_files(hub, revision)
        hub.requests.clear()
        out = tmp_path / "second"
        done = finest("refine", second, "--out", out, "--against", "alice/web", env=env)
        assert hub.requests.count(r"/resolve/.*/index/") == 28 and f"alice/web@{revision}" in done.stderr
    found = read_manifest(out)
    assert (found.rows, found.reasons[DUPLICATE], found.against) == (2, 2, (made.root,))


def hub_files(hub: HubServer, revision: str) -> set[str]:
    tree = requests.get(f"{hub.endpoint}/api/datasets/alice/web/tree/{revision}?recursive=true", timeout=60).json()
    return {entry["path"] for entry in tree}


def test_a_forged_index_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says of every page that it is a row: without texts it is believed, and the run says how few agree."""
    first, second = (
        write_warc(tmp_path / f"{name}.warc.gz", [[response(n)] for n in pages])
        for name, pages in {"a": range(3), "b": range(3, 5)}.items()
    )
    told: list[str] = []
    monkeypatch.setattr(QUIET, "say", told.append)
    monkeypatch.setattr(indexing, "digests", lambda part, bucket: np.zeros(part.signed, np.uint64))
    refine(options(tmp_path / "forged", first, keep_index=True), QUIET)
    found = refine(options(tmp_path / "none", second, against=(str(tmp_path / "forged"),)), QUIET)
    (line,) = [line for line in told if "rows drawn" in line]
    assert found.rows == 0 and line.startswith("0 of ")


def test_an_index_that_names_rows_that_are_not_there_is_refused(tmp_path: Path) -> None:
    signatures = [np.full((2, 2), number, np.uint64) for number in range(5)]
    dataset, _ = made_index([signatures], tmp_path)
    dataset.manifest.rows = 4
    (tmp_path / "second").mkdir()
    earlier = Earlier(
        tmp_path / "second", files_of([signatures], tmp_path / "again"), EarlierDatasets([cast("Dataset", dataset)])
    )
    with pytest.raises(VerifyError, match="its index names rows that it does not have"):
        earlier.look_up(here(tmp_path))


def test_several_datasets_are_one_after_the_other(tmp_path: Path) -> None:
    """Pages 0 and 1, then 1 to 3 against these, then 0 to 5 against both: each page goes to the first that has it."""
    warcs = [
        write_warc(tmp_path / f"{name}.warc.gz", [[response(n, n + 100 * i)] for n in pages])
        for i, (name, pages) in enumerate({"a": range(2), "b": range(1, 4), "c": range(6)}.items())
    ]
    places = [str(tmp_path / name) for name in "abc"]
    for i, warc in enumerate(warcs):
        refine(options(tmp_path / "abc"[i], warc, keep_index=True, against=tuple(places[:i])), QUIET)
    assert [read_manifest(tmp_path / name).rows for name in "abc"] == [2, 2, 2]
    roots = tuple(read_manifest(tmp_path / name).root for name in "ab")
    assert read_manifest(tmp_path / "c").against == roots
    with open_dataset(places[0]) as one, open_dataset(places[1]) as two, open_dataset(places[2]) as three:
        ids = [id for dataset in (one, two) for id in dataset.row_columns("id")["id"].to_pylist()]
        assert three.verdict_columns("duplicate_of")["duplicate_of"].to_pylist() == [*ids, None, None]
    with pytest.raises(UsageError, match="names a dataset twice"):
        EarlierDatasets.open([places[0], places[0]], load_recipe("fineweb"))


def test_an_index_that_does_not_fit_on_the_disk_is_not_downloaded(tmp_path: Path) -> None:
    """The sizes that the manifest states are compared with the disk's room before the first request."""
    files = [SimpleNamespace(path=f"index/00.{kind}", size_bytes=1 << 60) for kind in ("digests", "rows")]
    manifest = SimpleNamespace(index=SimpleNamespace(files=files), rows=5)
    dataset = SimpleNamespace(place="alice/web@main", manifest=manifest)
    earlier = Earlier(tmp_path, [], EarlierDatasets([cast("Dataset", dataset)]))
    with pytest.raises(NoRoom, match="make room and run the same command again"):
        earlier.look_up(here(tmp_path))
