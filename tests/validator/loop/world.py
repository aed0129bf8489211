"""A validator's world for its tests: chain, task server and audits that say what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finest.chain.weights import PendingWeights
from finest.settings import Settings
from finest.tasks.models import ScoreRequest
from finest.validator.audit import inadmissible
from finest.validator.loop import judge as module
from finest.validator.loop.judge import Judge
from finest.validator.loop.lines import Entry
from finest.validator.loop.options import ValidateOptions
from finest.validator.loop.queue import Queue
from finest.validator.loop.validator import Validator
from finest.validator.loop.verdict import VerdictResult
from finest.validator.models import Assignment, Check, Plan, Subject, Submission
from finest.validator.telemetry import Telemetry
from tests.miner.world import task
from tests.validator.made import VALIDATOR

from .lines import ALICE, BOB, CAROL, warc

REVISION = "0" * 40
AGAIN_S = (100.0, 200.0)


class Key:
    address = VALIDATOR

    def sign(self, message: bytes) -> bytes:
        return bytes(64)


@dataclass
class ChainOf:
    """A chain of one validator, at one block."""

    hotkey: Any = field(default_factory=Key)
    registrations: dict[str, int] = field(default_factory=lambda: {ALICE: 1, BOB: 1, CAROL: 1})
    block: int = 1000
    stakes: dict[str, float] = field(default_factory=dict)
    """Validators, by hotkey."""
    weights: list[dict[str, float]] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    pending: PendingWeights = field(default_factory=lambda: PendingWeights(False, (), 0))

    def view(self, *, max_age_s: float | None = None) -> Any:
        neurons = [
            SimpleNamespace(
                hotkey=key, registration_block=block, validator_permit=key in self.stakes,
                stake_alpha=self.stakes.get(key, 0.0),
            )
            for key, block in {**self.registrations, **dict.fromkeys(self.stakes, 1)}.items()
        ]  # fmt: skip
        return SimpleNamespace(block=self.block, block_time_s=0.01, tempo_blocks=360, neurons=neurons)

    def pending_weights(self, hotkey: str) -> PendingWeights:
        return self.pending

    def set_weights(self, weights: dict[str, float]) -> Any:
        if self.refusals:
            raise self.refusals.pop(0)
        self.weights.append(weights)
        return SimpleNamespace(block=self.block)


@dataclass
class ServerOf:
    """A task server that hears verdicts."""

    heard: list[tuple[str, ScoreRequest]] = field(default_factory=list)
    refusals: list[Exception | None] = field(default_factory=list)

    revealed: list[Any] = field(default_factory=list)
    """Tasks that were revealed as canaries."""

    seals: list[tuple[str, str]] = field(default_factory=list)

    def seal(self, task_id: str, evidence_sha256: str) -> None:
        self.seals.append((task_id, evidence_sha256))

    def canaries(self) -> Any:
        return iter(self.revealed)

    def report(self, task_id: str, score: ScoreRequest) -> None:
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        self.heard.append((task_id, score))


class World:
    """A validator whose audits say what a test wants."""

    def __init__(self, queue: Queue, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue, self.chain, self.server, self.work = queue, ChainOf(), ServerOf(), work
        self.stop, self.said = threading.Event(), list[str]()
        self.found: Callable[[Entry], Any] = self.subject
        self.verdict: Callable[[Any], VerdictResult] = lambda _: VerdictResult(
            None, "the check ended with status 1", 1.0
        )
        monkeypatch.setattr(module, "run_verdict", lambda job, stop, say: self.verdict(job))

        self.options = ValidateOptions(work, Plan(), 1000, again_s=AGAIN_S)

    def judge(self) -> Judge:
        assignments, heldout = SimpleNamespace(subject=self.found), SimpleNamespace(pick=_none)
        return Judge(
            self.options, Settings(cache=self.work), self.chain, self.queue, assignments, heldout, Telemetry(),  # type: ignore[arg-type]
            self.stop, self.said.append,
        )  # fmt: skip

    def validator(self) -> Validator:
        return Validator(
            self.options, self.chain, self.server, self.queue, self.judge(), Telemetry(), self.stop,  # type: ignore[arg-type]
            self.said.append,
        )  # fmt: skip

    def subject(self, entry: Entry) -> tuple[Subject, Any]:
        told = Submission(repo="alice/web", revision=REVISION, line=entry.line, hotkey=entry.hotkey)
        assigned = Assignment(warcs=(warc(0), warc(1)), id="t1", hotkey=entry.hotkey)
        return Subject(submission=told, task=assigned, seed="ab" * 32, validator=VALIDATOR), task()


def _none(*_: object) -> tuple[str, ...]:
    return ()


def evidence(job: Any, name: str, outcome: Any, detail: str = "so") -> VerdictResult:
    return VerdictResult(inadmissible(job.subject, job.plan, Check(name=name, outcome=outcome, detail=detail)), "", 2.0)
