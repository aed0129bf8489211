"""Spot checks by replay: what a validator reported must be what its published evidence says, and that must hold."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest

from finest.errors import HubNotFound, HubUnavailable
from finest.validator.audit import audit
from finest.validator.evidence import evidence_hash, sign, total_of
from finest.validator.models import Beacon, Check, Evidence, Plan, Subject
from finest.validator.published import check as module
from finest.validator.published.batch import make_batch
from finest.validator.published.check import check
from finest.validator.published.fetch import PublishedBatch
from finest.validator.published.spot_check import Checked, Reported
from finest.validator.replay import Replay
from finest.validator.seed import make_seed
from tests.deep import sampled
from tests.validator.made import Published, forge, invented

from .made import HASH, SHA, Key

SMALL = Plan(rows=6, windows=2, unique_rows=0)
VICTOR = Key("Victor")


@lru_cache(maxsize=2)
def audited(published: Published, subject: Subject) -> Evidence:
    """An honest audit; remembered."""
    return audit(subject, SMALL, published.context())


class World:
    """Victor's published evidence on a dataset, as another validator finds it."""

    def __init__(self, published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
        subject = published.subject()
        line = subject.submission.line or ""
        beacon = {"beacon": Beacon(block=157, hash=HASH), "validator": VICTOR.address}
        self.subject = subject.model_copy(update=beacon | {"seed": make_seed(HASH, line, VICTOR.address)})
        self.published, self._monkeypatch = published, monkeypatch
        self.honest = audited(published, self.subject)

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


@pytest.mark.parametrize("part", sampled(["windows", "rows", "nothing"]))
def test_a_record_made_up_without_reading_differs(world: World, part: str) -> None:
    """The verdict is right, since the dataset is honest; but nobody read the WARCs."""
    changes: dict[str, Any] = {
        "rows": {"rows": tuple(row.model_copy(update={"number": row.number + 1}) for row in world.honest.rows)},
        "windows": {"windows": tuple(one.model_copy(update={"kept": ()}) for one in world.honest.windows)},
        "nothing": {"rows": (), "windows": ()},
    }
    where = "windows[" if part == "windows" else "rows[0]"
    assert world.checked(world.honest.model_copy(update=changes[part])).difference.startswith(where)


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


@pytest.mark.nightly
def test_who_passes_a_forged_dataset_is_found_out(honest: Published, tmp_path: Any, monkeypatch: Any) -> None:
    """A verdict that rests on rows which nobody compared with their pages."""
    world = World(forge(honest, tmp_path / "forged", 1.0, invented), monkeypatch)
    assert world.honest.verdict == "fail"
    rows = tuple(row.model_copy(update={"outcome": "same", "found": row.expected}) for row in world.honest.rows)
    lie = world.honest.model_copy(update={"rows": rows, "verdict": "pass", "why": "all rows are right"})
    assert world.checked(lie).difference.startswith("rows[0]")


@pytest.mark.parametrize("part", ["admission", "rows", "windows", "verdict"])
def test_what_cannot_be_read_again_is_nobodys_fault(world: World, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """A dataset that is gone by now, a row or a window that could not be read, an audit that ended early."""
    again = world.honest
    gone = Check(name="revision", outcome="fail", detail="gone")
    changes: dict[str, Any] = {
        "admission": {"admission": (gone,)},
        "rows": {"rows": (again.rows[0].model_copy(update={"outcome": "no_evidence"}),)},
        "windows": {"windows": (again.windows[0].model_copy(update={"detail": "no answer"}),)},
        "verdict": {"verdict": "no_evidence"},
    }
    found = Replay("rows[0]: so", again.model_copy(update=changes[part]))
    monkeypatch.setattr(module, "repeat", lambda *_: found)
    checked = world.checked(again)
    assert (checked.difference, checked.unknown != "") == ("", True)


def test_evidence_that_is_gone_is_its_validators_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hub that is away is nobody's."""
    told = Reported(validator="5V", evidence=f"v/v@{SHA}#{'0' * 64}", sha256="0" * 64, verdict="pass", score=0.9)
    errors: list[Exception] = [HubUnavailable("away"), HubNotFound("gone")]

    def fail(*_: Any, **__: Any) -> Any:
        raise errors.pop(0)

    monkeypatch.setattr(PublishedBatch, "open", fail)
    context = world.published.context()
    assert check(told, world.subject, SMALL, context) == Checked(unknown="away")
    assert check(told, world.subject, SMALL, context) == Checked(difference="gone")
