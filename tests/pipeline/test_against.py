"""A run against an earlier dataset under a recipe that compares texts: nothing is dropped without a true witness."""

from __future__ import annotations

import multiprocessing
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from finest.cli.views.refinery import show_manifest
from finest.dataset.manifest import read_manifest
from finest.dataset.open import open_dataset
from finest.errors import UsageError, VerifyError
from finest.pipeline.dedup import pairs
from finest.pipeline.ledger import Ledger
from finest.pipeline.merging.merge import MergeOptions, merge
from finest.pipeline.options import RunOptions
from finest.pipeline.plan import finish
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.shared_tasks import SharedTasks
from finest.pipeline.verify import Verification, verify_place
from finest.recipe.reasons import DUPLICATE
from finest.sample.warc_writer import page_records
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import kept_pages
from tests.pipeline.test_witnesses import near, recipe_with
from tests.validator.made import NOWHERE, PLAN, Published
from tests.validator.repeated import page, write_warc

QUIET = Progress(quiet=True)


class Two(NamedTuple):
    """A dataset, and one that was made against it."""

    first: Published
    second: Published


def made(out: Path, warcs: tuple[Path, ...], least: float, *, against: Path | None = None) -> Published:
    refine(options_of(out, warcs, least, against=against), QUIET)
    return Published(out, warcs)


def options_of(out: Path, warcs: tuple[Path, ...], least: float, *, against: Path | None) -> RunOptions:
    return RunOptions(
        specs=tuple(map(str, warcs)), out=out, recipe=recipe_with(least), cache=default_cache(), common_crawl=NOWHERE,
        keep_index=True, against=() if against is None else (str(against),), workers=2,
    )  # fmt: skip


def warcs_in(folder: Path) -> tuple[Path, Path]:
    """Pages 0 to 3 and nearly page 0 again; then nearly pages 1 and 2, page 3, and 4 and 5, of which 4 nearly again."""
    first = [*map(page, range(4)), near(0)]
    second = [near(1), near(2), replace(page(3), url="https://valley.example/copy"), page(4), page(5), near(4)]
    records = [
        [page_records(100 * part + n, one)[1]]
        for part, some in enumerate((first, second))
        for n, one in enumerate(some)
    ]
    return write_warc(folder / "a.warc.gz", records[:5]), write_warc(folder / "b.warc.gz", records[5:])


def both(folder: Path, least: float) -> Two:
    one, other = warcs_in(folder)
    first = made(folder / "first", (one,), least)
    return Two(first, made(folder / "second", (other,), least, against=first.folder))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Two:
    return both(tmp_path_factory.mktemp("honest"), 0.75)


@pytest.fixture(scope="module")
def cheated(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """The recipe asks for 0.99, and the writer drops every page that shares a bucket with a row of the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "similarity", lambda one, other: 1.0)
        return both(tmp_path_factory.mktemp("cheated"), 0.99)


def verified(found: Two, *, against: Path | None) -> Verification:
    second = found.second
    return verify_place(
        str(second.folder), default_cache(), NOWHERE, sample=64, seed=1, sources=list(map(str, second.warcs)),
        against=() if against is None else (str(against),),
    )  # fmt: skip


def test_one_after_the_other_is_both_together(honest: Two, tmp_path: Path) -> None:
    """The rows are those of one run over both; each dropped page names a row of the first, and their similarity."""
    together = made(tmp_path / "together", (*honest.first.warcs, *honest.second.warcs), 0.75)
    rows = [row.id for part in honest for row in part.rows()]
    assert rows == [row.id for row in together.rows()] and len(rows) == 4 + 2
    assert honest.second.manifest.against == (honest.first.manifest.root,)
    card = (honest.second.folder / "README.md").read_text()
    assert "finest verify dataset --against EARLIER" in card and honest.first.manifest.root in card
    lost = [verdict for verdict in honest.second.verdicts() if verdict.reason == DUPLICATE]
    ids = [row.id for row in honest.first.rows()]
    assert [verdict.duplicate_of for verdict in lost] == [*ids[1:4], honest.second.rows()[0].id]
    assert [verdict.value == 1 for verdict in lost] == [False, False, True, False]
    assert all(verdict.limit == 0.75 and (verdict.value or 0) >= 0.75 for verdict in lost)


def test_the_run_ends_with_the_command_that_compares_them(honest: Two) -> None:
    """It names the places of the earlier datasets; a run that is attached does not know them."""
    for places, said in ((("a/b@1", "march"), "--against a/b@1 --against march"), ((), "--against FOLDER|REPO@REV")):
        console = Console(file=StringIO(), width=300, record=True)
        show_manifest(console, Path("april"), honest.second.manifest, places)
        assert f"finest verify april {said}" in console.export_text()


def test_the_witnesses_are_compared_again(honest: Two) -> None:
    """With the earlier dataset at hand all pages are judged; without it, nothing vouches for what was dropped."""
    found = verified(honest, against=honest.first.folder)
    assert found.is_verified and found.judged[DUPLICATE] == 4 and not found.elsewhere
    alone = verified(honest, against=None)
    assert alone.elsewhere == 3 and alone.lacks_evidence
    with pytest.raises(UsageError, match="is not an earlier dataset"):
        verified(honest, against=honest.second.folder)


def test_a_false_witness_is_found(cheated: Two) -> None:
    """A page that does not resemble the row of the first dataset that it is said to repeat."""
    assert len(cheated.second.rows()) == 2
    with pytest.raises(VerifyError, match=r"in common; the recipe asks for 0\.99"):
        verified(cheated, against=cheated.first.folder)


def test_auditors_compare_them_if_they_trust_the_earlier_dataset(
    honest: Two, cheated: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paid work names none: else a miner would publish copies of what it wants to drop, and name them."""
    recipes = {recipe.hash: recipe for recipe in map(recipe_with, (0.75, 0.99))}
    monkeypatch.setattr("finest.validator.languages.known_recipes", lambda cache: dict(recipes))

    def outcomes(found: Two, *, trusted: bool) -> set[str]:
        with open_dataset(str(found.first.folder)) as earlier:
            context = found.second.context(earlier=[earlier] if trusted else ())
            return {one.outcome for one in kept_pages(audit(found.second.subject(), PLAN, context).windows)}

    assert outcomes(honest, trusted=True) == {"held", "duplicate"}
    assert "missed" in outcomes(honest, trusted=False)
    assert "missed" in outcomes(cheated, trusted=True)


def test_a_forged_index_drops_no_page(honest: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that says of every page that it is one of the rows: the texts decide."""
    from finest.pipeline.dedup import index as indexing

    one, other = honest.first.warcs[0], honest.second.warcs[0]
    with monkeypatch.context() as patched:
        patched.setattr(indexing, "digests", lambda part, bucket: indexing.np.zeros(part.signed, "u8"))
        forged = made(tmp_path / "forged", (one,), 0.75)
        second = made(tmp_path / "second", (other,), 0.75, against=forged.folder)
    assert [row.id for row in second.rows()] == [row.id for row in honest.second.rows()]


@pytest.mark.nightly
def test_both_merged_are_verified_alone(honest: Two, tmp_path: Path) -> None:
    """The rows that the second lost against are there."""
    places = [str(part.folder) for part in honest]
    merged = merge(places, tmp_path / "merged", MergeOptions(default_cache(), 1, 10**9), QUIET)
    assert (merged.rows, merged.against) == (6, ())
    found = verify_place(
        str(tmp_path / "merged"), default_cache(), NOWHERE, sample=64, seed=1,
        sources=[str(warc) for part in honest for warc in part.warcs],
    )  # fmt: skip
    assert found.is_verified and found.judged[DUPLICATE] == 5


def test_processes_that_share_the_work_make_the_same(
    honest: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes on one ledger, as tasks of a cluster: the same rows and the same index."""
    out = tmp_path / "out"
    options = options_of(out, honest.second.warcs, 0.75, against=honest.first.folder)
    with monkeypatch.context() as patched:
        patched.setattr("finest.pipeline.plan.assemble", lambda *_: sys.exit(0))
        with pytest.raises(SystemExit):
            refine(options, QUIET)
    monkeypatch.setattr("finest.pipeline.shared_tasks.LOOK_S", 0.05)

    def make(name: str) -> None:
        tasks = SharedTasks(1, tmp_path / name, QUIET, tmp_path / "claims", (out / "manifest.json").exists)
        finish(Ledger.read(out), options, tasks)

    processes = [multiprocessing.get_context("fork").Process(target=make, args=(name,)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert 0 in [process.exitcode for process in processes]
    assert read_manifest(out).model_dump() == honest.second.manifest.model_dump()


@pytest.mark.nightly
def test_a_run_that_is_stopped_at_each_step_goes_on(
    honest: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start of it is killed in the middle of the next step; the last one ends with the same dataset."""
    out = tmp_path / "out"
    options = replace(options_of(out, honest.second.warcs, 0.75, against=honest.first.folder), workers=1)
    for step in (
        "against.Earlier._fetch", "against.Earlier._look_up", "earlier_texts.EarlierTexts._read",
        "pairs.Pairs._compare", "pairs.Pairs._write", "earlier_ids._join",
    ):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(f"finest.pipeline.dedup.{step}", lambda *_: sys.exit(1))
            with pytest.raises(SystemExit):
                refine(options, QUIET)
    refine(options, QUIET)
    assert read_manifest(out).model_dump() == honest.second.manifest.model_dump()
