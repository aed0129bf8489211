"""Record ids that are nobody's alone: what `refine` writes, `verify` accepts, and the audit gives it a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from finest.dataset.publish import content_of
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.verify import Verification, verify
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.recipe import Recipe, load_recipe
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import kept_pages
from finest.validator.models import Evidence, Plan
from tests.deep import sampled

from .forged import own_recipe
from .made import NOWHERE, Published, make, tampered
from .repeated import drawn_warcs, response, write_warc

PLAN = Plan(rows=64, windows=8)


def verified(made: Published, sample: int = 10_000) -> Verification:
    return verify(made.folder, default_cache(), NOWHERE, sample=sample, seed=1, sources=list(map(str, made.warcs)))


def judged(made: Published, seed: int = 0) -> Evidence:
    return audit(made.subject(seed), PLAN, made.context())


def without_dedup() -> Recipe:
    recipe = load_recipe("fineweb")
    return recipe.model_copy(update={"dedup": recipe.dedup.model_copy(update={"enabled": False})})


@pytest.mark.parametrize("seed", sampled(range(2)))
@pytest.mark.nightly
def test_what_refine_writes_is_accepted_whatever_the_ids(tmp_path: Path, seed: int) -> None:
    """Ids repeated in a file, across files and in a member: verified whole, fit to be published, and passed."""
    made = make(tmp_path / "made", drawn_warcs(tmp_path, seed))
    ids = Counter(row.id for row in made.rows())
    assert max(ids.values()) > 1
    found = verified(made)
    assert found.is_verified and sum(found.judged.values()) == made.manifest.pages
    assert content_of(made.folder, made.manifest, "alice/web").mark == made.manifest.root
    for draw in range(2):
        evidence = judged(made, draw)
        assert evidence.verdict == "pass", evidence.why
        assert {page.outcome for page in kept_pages(evidence.windows)} <= {"held", "duplicate"}


def test_a_record_that_stands_twice_in_a_member_is_one_row(tmp_path: Path) -> None:
    """Without MinHash too: a dataset never holds two rows that are equal to the last byte.

    Records share an offset only where a file of single records goes on with a member of several.
    """
    members = [[response(3)], [response(4)], [response(1), response(1), response(2)], [response(1)]]
    warc = write_warc(tmp_path / "a.warc.gz", members)
    options = RunOptions(
        specs=(str(warc),), out=tmp_path / "made", recipe=without_dedup(), cache=default_cache(), common_crawl=NOWHERE
    )
    refine(options, Progress(quiet=True))
    made = Published(tmp_path / "made", (warc,))
    assert Counter(verdict.reason for verdict in made.verdicts()) == {KEPT: 5, DUPLICATE: 1}
    assert verified(made).is_verified


@pytest.mark.nightly
def test_a_row_for_each_half_of_a_page_is_caught(tmp_path: Path) -> None:
    """Several rows of one record, each with another part of its text, are more volume than work: a record gives one."""
    made = make(tmp_path / "made", [write_warc(tmp_path / "a.warc.gz", [[response(n)] for n in range(12)])])
    rows = [replace(row, text=text) for row in made.rows() for text in _halves(row.text)]
    verdicts = [verdict for verdict in made.verdicts() for _ in range(2 if verdict.reason == KEPT else 1)]
    twice = tampered(made, tmp_path / "twice", rows, verdicts, recipe=own_recipe(made))
    evidence = judged(twice)
    assert evidence.verdict == "fail" and "rows are forged" in evidence.why
    assert any("row number 2 of one place" in row.detail for row in evidence.rows)


def _halves(text: str) -> tuple[str, str]:
    middle = text.index(" ", len(text) // 2)
    return text[:middle], text[middle + 1 :]


@pytest.mark.nightly
def test_a_page_left_out_behind_a_repeated_id_is_caught(tmp_path: Path) -> None:
    """A row of the same id elsewhere, in another WARC at the same offset too, does not stand for it."""
    one, two = tmp_path / "one.warc.gz", tmp_path / "two.warc.gz"
    write_warc(one, [[response(number, key=0)] for number in range(12)])
    write_warc(two, [[response(number, key=0)] for number in range(12, 24)])
    made = make(tmp_path / "made", [one, two])
    assert made.manifest.rows == 24
    rows = [row for row in made.rows() if row.file_path == "one.warc.gz"]
    verdicts = [
        verdict if verdict.file_path == "one.warc.gz" else replace(verdict, reason=DUPLICATE, duplicate_of=verdict.id)
        for verdict in made.verdicts()
    ]
    half = tampered(made, tmp_path / "half", rows, verdicts)
    evidence = judged(half)
    assert evidence.verdict == "fail" and "pages are missing" in evidence.why
