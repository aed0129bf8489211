"""What says the same twice counts once, and a copy of somebody's dataset is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.validator.audit import audit
from finest.validator.fingerprints import SqliteFingerprints
from finest.validator.models import Assignment, Copy, Subject, Submission, Uniqueness

from .forged import doubled
from .made import ALICE, BOB, PLAN, Published

SEED = "00" * 32


def subject(hotkey: str, line: str, block: int | None, *warcs: str) -> Subject:
    told = Submission(hotkey=hotkey, line=line, committed_block=block)
    return Subject(submission=told, task=Assignment(warcs=warcs or ("w1",)), seed=SEED)


@pytest.fixture
def index(tmp_path: Path) -> SqliteFingerprints:
    made = SqliteFingerprints(tmp_path / "index.db")
    made.add(subject(ALICE, "first", 10, "w1", "w2"), range(100))
    made.add(subject(BOB, "second", 20, "w3"), range(50, 150))
    return made


def test_the_first_to_submit_is_named(index: SqliteFingerprints) -> None:
    """A text that two had is the earlier one's."""
    found = index.matches(subject("5C", "third", 30, "w2"), range(40, 160))
    assert found == [
        Copy(hotkey=ALICE, line="first", block=10, hits=60, of=120, same_warcs=True),
        Copy(hotkey=BOB, line="second", block=20, hits=50, of=120, same_warcs=False),
    ]


def test_the_very_line_of_another_hotkey_is_seen(index: SqliteFingerprints) -> None:
    """Who commits somebody's own line, repository and all, is another submission: seen, and remembered."""
    again = subject(BOB, "first", 30, "w1")
    assert [(copy.hotkey, copy.hits) for copy in index.matches(again, range(100))] == [(ALICE, 100)]
    index.add(again, range(200, 210))
    assert [copy.hotkey for copy in index.matches(subject("5C", "third", 40), range(200, 210))] == [BOB]


def test_only_what_came_before_counts(index: SqliteFingerprints) -> None:
    """Neither itself, nor what was committed later: the order is the chain's, not that of the audits."""
    assert index.matches(subject(ALICE, "first", 10), range(100)) == []
    assert [copy.line for copy in index.matches(subject("5C", "third", 15), range(150))] == ["first"]
    assert index.matches(subject("5C", "third", 5), range(150)) == []


def test_it_lasts(index: SqliteFingerprints, tmp_path: Path) -> None:
    """A validator that was stopped knows what it knew; a submission that comes again is known already."""
    index.close()
    again = SqliteFingerprints(tmp_path / "index.db")
    again.add(subject(ALICE, "first", 10), range(500, 600))
    assert again.matches(subject("5C", "third", None), range(500, 600)) == []
    assert [copy.hits for copy in again.matches(subject("5C", "third", None), range(100))] == [100]


def unique(found: Published) -> Uniqueness:
    """What the audit's last part finds, whatever the others say."""
    from finest.dataset.open import open_dataset
    from finest.recipe.recipe import load_recipe
    from finest.validator.uniqueness import check_unique

    with open_dataset(str(found.folder)) as dataset:
        return check_unique(dataset, load_recipe("fineweb"), SEED, 10_000, found.context())[0]


@pytest.mark.parametrize(("change", "kind"), [("", "exact"), ("\nRead more.", "near")])
def test_every_row_twice_counts_once(honest: Published, tmp_path: Path, change: str, kind: str) -> None:
    """The very text, or nearly: half of the tokens are not unique."""
    found = unique(doubled(honest, tmp_path / "twice", change))
    rows = honest.manifest.rows
    assert (found.rows, getattr(found, kind)) == (2 * rows, rows)
    assert found.unique_tokens == honest.manifest.token_count


@pytest.mark.slow
@pytest.mark.nightly
def test_every_row_twice_is_caught(honest: Published, tmp_path: Path) -> None:
    """The second ones have no record of their own."""
    twice = doubled(honest, tmp_path / "twice")
    evidence = audit(twice.subject(), PLAN, twice.context())
    assert evidence.verdict == "fail" and "no such record" in evidence.why


@pytest.mark.slow
@pytest.mark.nightly
def test_a_copied_dataset_is_seen(honest: Published, others: Published, tmp_path: Path) -> None:
    """Its fingerprints are an earlier submission's. That is said and no more: honest miners of one WARC agree too."""
    index = SqliteFingerprints(tmp_path / "index.db")
    audit(honest.subject(), PLAN, honest.context(index=index))
    again = honest.subject(line=honest.line.replace("alice", "carol"), committed_block=160)
    seen = audit(_of_bob(again), PLAN, honest.context(index=index))
    assert seen.verdict == "pass" and seen.uniqueness
    assert [(copy.hotkey, copy.hits == copy.of, copy.same_warcs) for copy in seen.uniqueness.copies] == [
        (ALICE, True, True)
    ]
    other = audit(others.subject(committed_block=170), PLAN, others.context(index=index))
    assert other.verdict == "pass" and other.uniqueness
    assert [(copy.hits < copy.of, copy.same_warcs) for copy in other.uniqueness.copies] == [(True, False)]


def _of_bob(told: Subject) -> Subject:
    repo = told.submission.line.split(":")[1].split("@")[0] if told.submission.line else None
    submission = told.submission.model_copy(update={"hotkey": BOB, "repo": repo})
    return told.model_copy(update={"submission": submission, "task": told.task.model_copy(update={"hotkey": BOB})})
