"""The audit of a dataset in several languages, whose recipe deduplicates before its filters."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from finest.pipeline.languages import WITHOUT, recipe_in_languages
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import kept_pages
from finest.validator.models import Evidence
from tests import languages_made

from .made import NOWHERE, PLAN, Published, tampered


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("languages")
    warc = languages_made.sample(folder / "pages.warc.gz")
    recipe = recipe_in_languages("deu_Latn,fra_Latn", WITHOUT, default_cache())
    refine(RunOptions((str(warc),), folder / "out", recipe, default_cache(), NOWHERE), Progress(quiet=True))
    return Published(folder / "out", (warc,))


def audited(found: Published) -> Evidence:
    """The audit without a task: the subnet's tasks are English."""
    return audit(found.subject(id=None), PLAN, found.context())


def test_an_honest_dataset_passes(honest: Published) -> None:
    """Its recipe is known, its rows are judged again with the sizes of their clusters, duplicates have witnesses."""
    evidence = audited(honest)
    assert evidence.verdict == "pass", evidence.why
    assert evidence.declared and evidence.declared.known
    found = Counter((page.outcome, page.witness) for page in kept_pages(evidence.windows))
    dropped = next(one.id for one in honest.verdicts() if one.url.startswith("https://refrain-de."))
    assert found["duplicate", dropped] == 1
    assert {outcome for outcome, _ in found} == {"held", "duplicate"}


@pytest.mark.nightly
def test_a_page_that_lost_against_a_dropped_one_is_a_duplicate(honest: Published, tmp_path: Path) -> None:
    """Its cluster has no row. But who names a dropped page that is not like it has left a page out."""
    dropped = next(verdict for verdict in honest.verdicts() if verdict.reason.startswith("repetition"))
    victim = honest.rows()[0]
    verdicts = [
        replace(one, reason="duplicate", duplicate_of=dropped.id) if one.id == victim.id else one
        for one in honest.verdicts()
    ]
    false = tampered(honest, tmp_path / "false", honest.rows()[1:], verdicts)
    evidence = audited(false)
    assert {page.id for page in kept_pages(evidence.windows) if page.outcome == "missed"} == {victim.id}


def test_the_tasks_of_the_subnet_know_no_languages(honest: Published) -> None:
    """A miner cannot choose a rare language, for which there is little work, and have it count as the whole task."""
    evidence = audit(honest.subject(), PLAN, honest.context())
    assert evidence.declared and not evidence.declared.known
    assert evidence.verdict == "fail"
