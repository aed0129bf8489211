"""What canaries pay: who reads earns, who passes all unread does not, and no operator decides alone."""

from __future__ import annotations

from typing import Any

import pytest

from finest.chain.weights import PendingWeights
from finest.tasks.canaries import Canaries, sealed
from finest.tasks.models import Score
from finest.validator.loop.canaries import CHECK_SHARE, RECENT_BLOCKS, Canary, Revealed, earned, with_payments
from finest.validator.loop.weights import weights
from tests.miner.world import task

from .lines import ALICE, BOB, following, seen, settled
from .world import World, evidence

JUDGES = ["5J1", "5J2", "5J3"]
PLAN = Canaries(secret="5e" * 32, share=0.07, hotkeys=(ALICE.replace("A", "D"),))
BLOCK = 40_000


def canary(number: int, *, bad: bool, **verdicts: str) -> Canary:
    return Canary(f"t{number}", bad, verdicts)


def test_who_passes_all_unread_earns_nothing() -> None:
    """Nor who fails all; whoever reads earns each time, and abstaining is neither."""
    found = [
        canary(n, bad=n % 2 == 0, reads=("fail", "pass")[n % 2], too=("fail", "pass")[n % 2], lazy="pass",
               away="no_evidence")
        for n in range(20)
    ]  # fmt: skip
    assert earned(found) == {"reads": 20, "too": 20}
    found = [
        canary(n, bad=n % 2 == 0, a="fail", b=("fail", "pass")[n % 2], c=("fail", "pass")[n % 2]) for n in range(9)
    ]
    assert "a" not in earned(found)
    mostly_good = [
        canary(
            n, bad=n % 5 == 0, lazy="pass", a=("fail" if n % 5 == 0 else "pass"), b=("fail" if n % 5 == 0 else "pass")
        )
        for n in range(50)
    ]
    assert earned(mostly_good) == {"a": 50, "b": 50}


def test_an_operator_cannot_fine_the_honest() -> None:
    """A good dataset that is called bad: its own validator alone says so, and the canary does not count."""
    assert earned([canary(0, bad=True, operators="fail", a="pass", b="pass")]) == {}
    assert earned([canary(0, bad=True, operators="fail")]) == {"operators": 1}


def test_payments_are_a_part_of_the_weights() -> None:
    """By right verdicts; who has no permit, or whose own stake the majority needs, gets none."""
    stakes = {"a": 30.0, "b": 20.0, "c": 20.0, "d": 30.0}
    found = with_payments({"m1": 3.0, "m2": 1.0}, {"b": 3, "c": 1, "d": 4, "gone": 5}, stakes)
    assert found == {"m1": 0.75, "m2": 0.25}  # 70 % agree, and without b 50 %
    found = with_payments({"m1": 3.0, "m2": 1.0}, {"a": 2, "b": 3, "c": 1, "d": 2}, stakes)
    assert sum(found.values()) == pytest.approx(1.0)
    assert found["b"] / found["c"] == pytest.approx(3.0)
    assert sum(found[one] for one in stakes) == pytest.approx(CHECK_SHARE)
    assert found["m1"] / found["m2"] == pytest.approx(3.0)
    assert with_payments({"m1": 3.0}, {}, stakes) == {"m1": 3.0}


def revealed(number: int, kind: str, verdicts: dict[str, Any], block: int = BLOCK, **changes: Any) -> Any:
    """A task as the server shows it."""
    task_id, key = f"{number:032x}", PLAN.key(0)
    scores = [
        Score(validator=name, verdict=verdict, score=0.9, tokens=5, block=100, sealed_block=90)
        for name, verdict in verdicts.items()
    ]
    values = {
        "id": task_id, "scores": scores, "seal": sealed(0, key, task_id, kind), "canary": kind, "canary_key": key,
        "revealed_block": block,
    }  # fmt: skip
    return task().model_copy(update=values | changes)


def test_a_canary_is_paid_no_longer_once_it_is_revealed(world: World) -> None:
    """A good one of the operator's; a bad one stays the lie that it is, with all that follows from it."""
    world.queue.add([seen(ALICE, 0), seen(ALICE, 1), seen(BOB, 2)])
    for _ in range(3):
        entry = following(world.queue)
        world.queue.record_verdict(entry, settled(task_id=f"{entry.block - 100:032x}", block=200))
    registrations = {ALICE: 1, BOB: 1}
    before = weights(world.queue.past(0), 300, registrations)
    world.server.revealed = [revealed(0, "good", dict.fromkeys(JUDGES, "pass")), revealed(1, "good", {})]
    follower = Revealed(world.server, world.queue, world.said.append)
    for _ in range(2):
        follower.round(BLOCK)
    after = weights(world.queue.past(0), 300, registrations)
    assert (before.keys(), after) == ({ALICE, BOB}, {BOB: before[BOB]})
    assert follower.points == dict.fromkeys(JUDGES, 1)


def test_who_was_wrong_is_distrusted(world: World) -> None:
    """Counted once for each canary, however often the list is read."""
    lazy = {"5J1": "pass", "5J2": "fail", "5J3": "fail"}
    world.server.revealed = [revealed(number, "bad", lazy) for number in range(3)]
    follower = Revealed(world.server, world.queue, world.said.append)
    for _ in range(3):
        follower.round(BLOCK)
    assert world.queue.distrusted() == {"5J1"}
    assert follower.points == {"5J2": 3, "5J3": 3}


def test_what_its_seal_does_not_say_does_not_count(world: World) -> None:
    """Another kind or key; verdicts after the reveal; what was revealed long ago."""
    right = dict.fromkeys(JUDGES, "fail")
    late, copied = revealed(1, "bad", right), revealed(5, "bad", {**right, "5J4": "fail"})
    late.scores[0] = late.scores[0].model_copy(update={"block": BLOCK})
    for number, sealed_block in enumerate((None, 101)):  # after the first verdict was public
        copied.scores[number] = copied.scores[number].model_copy(update={"sealed_block": sealed_block})
    world.server.revealed = [
        revealed(0, "bad", right, canary="good"), late, copied, revealed(2, "bad", right, seal=None),
        revealed(3, "bad", right, canary_key="0" * 64), revealed(4, "bad", right, block=BLOCK - RECENT_BLOCKS),
    ]  # fmt: skip
    follower = Revealed(world.server, world.queue, world.said.append)
    follower.round(BLOCK)
    assert follower.points == {"5J2": 1, "5J3": 2, "5J4": 1}
    assert len([line for line in world.said if "does not count" in line]) == 3


def test_the_evidence_is_named_before_the_verdict_is_told(world: World) -> None:
    """At once, once, and only where the server has canaries."""
    world.verdict = lambda job: evidence(job, "manifest", "fail")
    world.chain.pending = PendingWeights(hides=True, blocks=(1001,), last_update_block=1001)
    sealed_task = task().model_copy(update={"seal": "0:" + "0" * 64})
    for number, named in enumerate((sealed_task, task())):
        world.queue.add([seen(ALICE, number)])
        world.found = lambda entry, named=named: (world.subject(entry)[0], named)  # type: ignore[misc]
        world.judge()._give_verdict(following(world.queue))
    validator = world.validator()
    for _ in range(2):
        validator._report()
    assert (len(world.server.seals), world.server.heard) == (1, [])
    (record,) = (report for report in world.queue.unreported() if report.id == 1)
    assert world.server.seals == [("t1", record.evidence_sha256)]
