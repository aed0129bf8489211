"""Spot checks by replay: what a validator reported must be what its published evidence says, and that must hold."""

from __future__ import annotations

from typing import Any

import pytest

from finest.errors import HubNotFound, HubUnavailable
from finest.validator.audit import audit
from finest.validator.evidence import evidence_hash, sign, total_of
from finest.validator.models import Beacon, Evidence, Plan
from finest.validator.published import check as module
from finest.validator.published.batch import make_batch
from finest.validator.published.check import Checked, Reported, check
from finest.validator.published.fetch import PublishedBatch
from finest.validator.seed import make_seed
from tests.validator.made import Published, forge, invented

from .made import HASH, SHA, Key

SMALL = Plan(rows=6, windows=2, unique_rows=0)
VICTOR = Key("Victor")


class World:
    """Victor's published evidence on a dataset, as another validator finds it."""

    def __init__(self, published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
        subject = published.subject()
        line = subject.submission.line or ""
        beacon = {"beacon": Beacon(block=157, hash=HASH), "validator": VICTOR.address}
        self.subject = subject.model_copy(update=beacon | {"seed": make_seed(HASH, line, VICTOR.address)})
        self.published, self._monkeypatch = published, monkeypatch
        self.honest = audit(self.subject, SMALL, published.context())

    def checked(self, evidence: Evidence, plan: Plan = SMALL, **report: Any) -> Checked:
        evidence = sign(evidence, VICTOR)  # type: ignore[arg-type]
        batch, data = make_batch([evidence], VICTOR, 1, None)  # type: ignore[arg-type]
        hub = type("Hub", (), {"read": lambda _, __, ___, start, end: data[start:end]})()
        found = PublishedBatch(hub, module.parse_place(f"victor/verdicts@{SHA}#{batch.root}"), batch)
        self._monkeypatch.setattr(PublishedBatch, "open", lambda *_, **__: found)
        told = {
            "validator": VICTOR.address, "evidence": str(found.place), "sha256": evidence_hash(evidence),
            "verdict": evidence.verdict, "score": total_of(evidence),
        }  # fmt: skip
        return check(Reported(**(told | report)), self.subject, plan, self.published.context())


@pytest.fixture
def world(honest: Published, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(honest, monkeypatch)


def test_an_honest_record_holds(world: World) -> None:
    """Row by row and window by window."""
    assert world.checked(world.honest) == Checked()


def test_a_record_made_up_without_reading_differs(world: World) -> None:
    """The verdict is right, since the dataset is honest; but nobody read the WARCs."""
    rows = tuple(row.model_copy(update={"number": row.number + 1}) for row in world.honest.rows)
    for changes, where in [
        ({"rows": rows}, "rows[0]"),
        ({"rows": (), "windows": ()}, "rows[0]"),
        ({"windows": tuple(one.model_copy(update={"kept": ()}) for one in world.honest.windows)}, "windows["),
    ]:
        assert world.checked(world.honest.model_copy(update=changes)).difference.startswith(where)


def test_a_record_of_something_else_differs(world: World) -> None:
    """Of another task, another beacon, too few rows; or not what was reported."""
    honest, subject = world.honest, world.subject
    other = subject.model_copy(update={"task": subject.task.model_copy(update={"leased_block": 140})})
    chosen = subject.model_copy(update={"beacon": Beacon(block=157, hash="0x" + "00" * 32)})
    for evidence, changes, where in [
        (honest.model_copy(update={"subject": other}), {}, "task: "),
        (honest.model_copy(update={"subject": chosen}), {}, "beacon: "),
        (honest, {"plan": Plan()}, "plan: "),
        (honest, {"score": 0.9}, "total: "),
        (honest, {"verdict": "fail"}, "verdict: "),
        (honest, {"tokens": 5}, "tokens: "),
        (honest, {"validator": "5Other"}, "subject: "),
    ]:
        assert world.checked(evidence, **changes).difference.startswith(where)


def test_who_passes_a_forged_dataset_is_found_out(honest: Published, tmp_path: Any, monkeypatch: Any) -> None:
    """A verdict that rests on rows which nobody compared with their pages."""
    world = World(forge(honest, tmp_path / "forged", 1.0, invented), monkeypatch)
    assert world.honest.verdict == "fail"
    rows = tuple(row.model_copy(update={"outcome": "same", "found": row.expected}) for row in world.honest.rows)
    lie = world.honest.model_copy(update={"rows": rows, "verdict": "pass", "why": "all rows are right"})
    assert world.checked(lie).difference.startswith("rows[0]")


def test_what_cannot_be_read_again_is_nobodys_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset that is gone by now, or a Hub that is away. Evidence that is gone is its validator's fault."""
    gone = world.published.context
    monkeypatch.setattr(world.published.__class__, "context", lambda self, **_: _nowhere(gone()))
    found = world.checked(world.honest)
    assert (found.difference, found.unknown != "") == ("", True)
    for error, kind in [(HubUnavailable("away"), "unknown"), (HubNotFound("gone"), "difference")]:
        world_error = error

        def fail(*_: Any, **__: Any) -> Any:
            raise world_error  # noqa: B023 - called in this round of the loop

        monkeypatch.setattr(PublishedBatch, "open", fail)
        told = Reported(validator="5V", evidence=f"v/v@{SHA}#{'0' * 64}", sha256="0" * 64, verdict="pass", score=0.9)
        assert getattr(check(told, world.subject, SMALL, world.published.context()), kind) == str(error)


def _nowhere(context: Any) -> Any:
    context.place = "/nowhere/at/all"
    return context
