"""Bad canaries: an audit finds them, whatever was drawn, and nothing but a look at the pages does."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.dataset.falsify import falsify
from finest.tasks.canaries import MAX_FALSE, MIN_FALSE
from finest.validator.audit import audit
from finest.validator.evidence import is_dishonest, rows_counted
from tests.deep import sampled

from .made import PLAN, Published


@pytest.mark.parametrize("share", sampled([MIN_FALSE, MAX_FALSE]))
def test_an_audit_finds_exchanged_texts(honest: Published, tmp_path: Path, share: float) -> None:
    """A lie, and not only a fail; every check before the rows passes."""
    falsify(honest.folder, tmp_path / "bad", share, "secret")
    bad = Published(tmp_path / "bad", honest.warcs)
    assert (bad.manifest.rows, bad.manifest.token_count) == (honest.manifest.rows, honest.manifest.token_count)
    evidence = audit(bad.subject(), PLAN, bad.context())
    assert (evidence.verdict, is_dishonest(evidence)) == ("fail", True), evidence.why
    assert all(check.outcome == "pass" for check in evidence.admission)
    assert rows_counted(evidence.rows)[1] >= 3
