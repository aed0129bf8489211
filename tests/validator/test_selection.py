"""A selection in an audit: what may be missing from it, and who may submit one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finest.dataset.selection import Rule, Selection
from finest.pipeline.select import select
from finest.recipe.reasons import KEPT, NOT_SELECTED
from finest.validator.audit import audit
from finest.validator.evidence import is_dishonest, kept_pages, pages_counted, total_of
from finest.validator.models import Evidence, Subject
from tests.deep import sampled

from .made import PLAN, Published, tampered

WHERE = "token_count >= 600"


def without_task(found: Published) -> Subject:
    """What `finest audit` of a dataset and its WARCs checks, without a task."""
    subject = found.subject()
    free = {"id": None, "hotkey": None, "state": None, "commitment": None}
    return subject.model_copy(update={"task": subject.task.model_copy(update=free)})


def audited(found: Published) -> Evidence:
    return audit(without_task(found), PLAN, found.context())


def claimed(honest: Published, out: Path, where: str, keep: Any) -> Published:
    """The rows that `keep` allows, all others left out by a selection that claims `where`."""
    rows = [row for row in honest.rows() if keep(row)]
    there = {(row.id, row.warc_offset) for row in rows}
    verdicts = [
        replace(verdict, reason=NOT_SELECTED)
        if verdict.reason == KEPT and (verdict.id, verdict.offset) not in there else verdict
        for verdict in honest.verdicts()
    ]  # fmt: skip
    old = honest.manifest
    selection = Selection(rule=Rule(where=where), parent_root=old.root, parent_rows=old.rows)
    return tampered(honest, out, rows, verdicts, selections=[selection])


@pytest.fixture(scope="module")
def selected(honest: Published, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The rows of 600 tokens and more of the honest dataset."""
    out = tmp_path_factory.mktemp("selected") / "some"
    manifest = select(str(honest.folder), WHERE, out)
    assert 0 < manifest.rows < manifest.selections[0].parent_rows
    return Published(out, honest.warcs)


@pytest.mark.slow
def test_an_honest_selection_passes_and_what_it_left_out_is_not_missing(selected: Published) -> None:
    """Pages whose rows do not satisfy the rule are rightly absent, and so are duplicates of them."""
    evidence = audited(selected)
    assert evidence.verdict == "pass", evidence.why
    outcomes = Counter(page.outcome for page in kept_pages(evidence.windows))
    assert outcomes["left_out"] > 0 and outcomes["held"] > 0 and outcomes["missed"] == 0
    checked, missed = pages_counted(evidence.windows)
    assert (checked, missed) == (outcomes["held"] + outcomes["duplicate"], 0)


@pytest.mark.slow
@pytest.mark.parametrize("where", sampled([WHERE, "url = 'https://nobody.example/'", "false"]))
def test_a_task_accepts_no_selection(honest: Published, tmp_path: Path, where: str) -> None:
    """A miner that selects nearly nothing under a known recipe, to publish less, has done no task; it is no liar."""
    select(str(honest.folder), where, tmp_path / "some")
    few = Published(tmp_path / "some", honest.warcs)
    evidence = audit(few.subject(), PLAN, few.context())
    assert evidence.verdict == "fail" and "the task wants all rows" in evidence.why
    assert not evidence.rows and total_of(evidence) == 0 and not is_dishonest(evidence)


@pytest.mark.slow
@pytest.mark.nightly
def test_rows_that_were_omitted_behind_a_selection_are_missing(honest: Published, tmp_path: Path) -> None:
    """Half of the rows is gone, and the manifest claims a rule that they satisfy."""
    counts = sorted(row.token_count for row in honest.rows())
    median = counts[len(counts) // 2]
    lazy = claimed(honest, tmp_path / "lazy", "token_count >= 1", lambda row: row.token_count > median)
    evidence = audited(lazy)
    assert evidence.verdict == "fail" and "pages are missing" in evidence.why
    assert any("its row satisfies the selection" in page.detail for page in kept_pages(evidence.windows))


@pytest.mark.slow
@pytest.mark.nightly
def test_rows_that_do_not_satisfy_the_claimed_rule_are_refused(honest: Published, tmp_path: Path) -> None:
    """A row that the rule leaves out is in the dataset."""
    padded = claimed(honest, tmp_path / "padded", WHERE, lambda row: row.token_count >= 100)
    evidence = audited(padded)
    assert evidence.verdict == "fail" and f"does not satisfy the selection: {WHERE}" in evidence.why
