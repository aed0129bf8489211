"""From an audit that passed to figures and a score: what is the miner's fault, and what is nobody's."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from finest.errors import HubUnavailable, SourceError, VerifyError
from finest.validator import verdict_quality
from finest.validator.budget import Budget
from finest.validator.evidence import QUALITY, is_dishonest
from finest.validator.models import Assignment, Evidence, Plan, Subject, Submission, Versions
from finest.validator.quality import NoEvidence
from finest.validator.quality.tier import N_GRAMS
from finest.validator.verdict_quality import measure_quality

PASSED = Evidence(
    subject=Subject(submission=Submission(), task=Assignment(warcs=()), seed="ab" * 32), plan=Plan(),
    versions=Versions(finest="1", python="3", libraries={}, recipes={}), admission=(), verdict="pass", why="fine",
)  # fmt: skip


def measured(
    monkeypatch: pytest.MonkeyPatch, assess: Callable[..., Any], budget: Budget | None = None,
    evidence: Evidence = PASSED,
) -> Evidence:  # fmt: skip
    monkeypatch.setattr(verdict_quality, "assess", assess)
    said: list[str] = []
    warcs = SimpleNamespace(sources=list)
    context: Any = SimpleNamespace(warcs=warcs, packet=None, cache=None, budget=budget or Budget(), say=said.append)
    dataset: Any = SimpleNamespace(manifest=None)
    found = measure_quality(evidence, dataset, [], context, N_GRAMS, 12_345)
    assert said == ["Measuring quality with 12,345 tokens a side"]
    return found


def raising(error: Exception) -> Callable[..., Any]:
    def assess(*_: object, **__: object) -> Any:
        raise error

    return assess


@pytest.mark.parametrize("error", [SourceError("a WARC is away"), HubUnavailable("the Hub is away")])
def test_what_fails_here_is_no_evidence(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A network, a disk: nothing of the miner's."""
    found = measured(monkeypatch, raising(error))
    assert (found.verdict, found.why, found.total) == ("no_evidence", f"{QUALITY}: {error}", None)


def test_a_dataset_that_is_not_what_it_says_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its sample passed; it is a fail, and no proof of a lie."""
    found = measured(monkeypatch, raising(VerifyError("data: shorter than the manifest states")))
    assert (found.verdict, found.admission[-1].outcome, is_dishonest(found)) == ("fail", "fail", False)


def test_too_little_text_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The validator's own sample says nothing."""
    found = measured(monkeypatch, lambda *_, **__: NoEvidence("3 held-out documents are too few"))
    assert (found.verdict, found.quality) == ("no_evidence", None)
    assert found.why == "quality: 3 held-out documents are too few"


@pytest.mark.parametrize(("language", "kept", "verdict"), [
    ("deu_Latn", 900, "pass"), ("deu_Latn", 0, "no_evidence"), ("eng_Latn", 900, "no_evidence"),
])  # fmt: skip
def test_a_language_with_too_little_text_has_the_reference_quality(
    monkeypatch: pytest.MonkeyPatch, language: str, kept: int, verdict: str
) -> None:
    """The reference's tokens in the windows bound what it claims; without a page in them nothing would."""
    task = Assignment(warcs=(), language=language, recipe_hash="ab" * 32)
    german = PASSED.model_copy(update={"subject": PASSED.subject.model_copy(update={"task": task})})
    monkeypatch.setattr(verdict_quality, "reference_for", lambda *_: SimpleNamespace(hash="ab" * 32))
    little = NoEvidence("too little", kept_tokens=kept, read_bytes=10, source_bytes=20)
    found = measured(monkeypatch, lambda *_, **__: little, evidence=german)
    assert found.verdict == verdict
    if found.measured and found.score:
        assert (found.score.quality, found.measured.reference_tokens) == (1.0, 1800)


def test_a_budget_that_is_used_up_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """That we are slow is no fault of the miner's, though figures are there."""
    found = measured(monkeypatch, lambda *_, **__: None, Budget(memory_bytes=-1))
    assert (found.verdict, "memory" in found.why) == ("no_evidence", True)


def test_what_nobody_foresaw_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours ends the process: no evidence, with its place in the log."""
    with pytest.raises(ZeroDivisionError):
        measured(monkeypatch, raising(ZeroDivisionError()))
