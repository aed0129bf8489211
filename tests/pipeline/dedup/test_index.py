"""First one run, then another against its index: the rows are those of one run over both, first come first kept."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.dataset.manifest import read_manifest
from finest.dataset.open import open_dataset
from finest.errors import LedgerError, UsageError
from finest.pipeline.dedup import index as indexing
from finest.pipeline.dedup.against import Earlier
from finest.pipeline.dedup.index import NONE, Index, Made, finish_index, rules_of, write_buckets
from finest.pipeline.dedup.signatures import RunSignatures
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.tasks import Tasks
from finest.recipe.reasons import DUPLICATE
from finest.recipe.recipe import Recipe, load_recipe, parse_recipe
from finest.settings import default_cache
from tests.pipeline.dedup.test_stages import files_of, stages_of
from tests.validator.made import NOWHERE
from tests.validator.repeated import response, write_warc

QUIET = Progress(quiet=True)
RECIPE = Recipe(name="test")
ABOUT = {"root": "ab" * 32, "rules": rules_of(RECIPE)}


def here(folder: Path) -> Tasks:
    return Tasks(0, folder / "logs", QUIET)


def made_index(signatures: list[list[np.ndarray | None]], folder: Path) -> tuple[Index, list[int]]:
    """The index of a run over these, whose rows have the ids 0, 1, ... in the order of the run; and its survivors."""
    files = files_of(signatures, folder / "files")
    stages = stages_of(files, folder / "dedup")
    stages.run(here(folder))
    survivor = np.load(stages.survivors_path)
    is_row = survivor == np.arange(len(survivor))
    ids = [pa.array([str(row) for row in np.flatnonzero(is_row)])]
    made = Made(files, RunSignatures(files).starts, survivor, is_row)
    write_buckets(folder / "index", made, 1_000_000_000, here(folder), lambda: False)
    finish_index(folder / "index", iter(ids), ABOUT)
    return Index.open(folder), survivor.tolist()


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
    index, kept_of = made_index([first], folder / "first")
    size = -(-len(second) // parts)
    files = files_of([second[i : i + size] for i in range(0, len(second), size)], folder / "files")
    stages = stages_of(files, folder / "dedup")
    stages.run(here(folder))
    survivor = np.load(stages.survivors_path)
    earlier = Earlier(folder / "dedup", files, index).run(survivor, here(folder))
    both = components([*first, *second])
    for row, kept in enumerate(earlier.tolist()):
        component = both[len(first) + row]
        assert (kept != NONE) == (component < len(first))
        if kept != NONE:
            witness = int(index.id_of(kept))
            assert kept_of[witness] == witness and both[witness] == component
    assert survivor.tolist() == np.load(stages.survivors_path).tolist(), "what the index has not is as without it"


def test_the_ids_of_many_rows_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several row groups, and with digests sorted in several ranges."""
    monkeypatch.setattr(indexing, "_GROUP", 7)
    monkeypatch.setattr(indexing, "_SORT_BYTES", 40_000_000)
    signatures = [np.full((2, 2), number, np.uint64) for number in range(100)]
    index, _ = made_index([signatures[:30], signatures[30:]], tmp_path)
    (part,) = files_of([signatures[::-1]], tmp_path / "again")
    assert [index.id_of(int(row)) for row in index.rows_like(part)] == [str(number) for number in range(100)][::-1]
    keys = np.fromfile(tmp_path / "index" / "00.digests", "<u8")
    assert len(keys) == 100 and (np.diff(keys.astype(object)) > 0).all()


def test_a_changed_index_is_refused(tmp_path: Path) -> None:
    """Each file has the sha256 that index.json names; another recipe's index compares nothing."""
    index, _ = made_index([[np.ones((2, 2), np.uint64)]], tmp_path)
    index.check(RECIPE)
    other = parse_recipe({**RECIPE.resolved(), "dedup": {**RECIPE.resolved()["dedup"], "seed": 2}})
    with pytest.raises(UsageError, match="a recipe with another seed"):
        index.check(other)
    with pytest.raises(UsageError, match="min_jaccard = 0"):
        index.check(load_recipe("finest"))
    path = tmp_path / "index" / "01.rows"
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    with pytest.raises(UsageError, match=r"01\.rows is not the file that index\.json names"):
        index.check(RECIPE)
    with pytest.raises(UsageError, match="has no index; refine its sources with --keep-index"):
        Index.open(tmp_path / "files")


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
    found = refine(options(tmp_path / "second", second, against=tmp_path / "first"), QUIET)
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
        patched.setattr("finest.pipeline.dedup.of_run.finish_index", lambda *_: sys.exit(1))
        with pytest.raises(SystemExit):
            refine(wanted, QUIET)
    (tmp_path / "out" / "ledger" / "assembly" / "index" / ".00.rows.aa.tmp").touch()
    monkeypatch.setattr(indexing, "_write_bucket", lambda *_: sys.exit(2))
    refine(wanted, QUIET)
    Index.open(tmp_path / "out").check(load_recipe("fineweb"))
    assert len(list((tmp_path / "out" / "index").iterdir())) == 2 * 14 + 2
