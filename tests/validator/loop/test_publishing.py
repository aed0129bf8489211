"""Publishing in the validator's loop: first the evidence, then the report that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from finest.chain.weights import PendingWeights
from finest.errors import HubUnavailable
from finest.validator.evidence import evidence_hash, read_evidence
from finest.validator.loop import publishing as module
from finest.validator.loop.disclosure import Disclosure
from finest.validator.loop.publishing import Publishing
from finest.validator.published.batch import Batch, Place, SpotCheck

from .lines import ALICE, SOON_S, following, seen, settled
from .world import REVISION, World, evidence


class Hub:
    """What was published, and what publishing raises."""

    def __init__(self, world: World) -> None:
        self.batches: list[Batch] = []
        self.errors: list[Exception] = []
        judge = world.judge()
        self.publishing = Publishing(
            world.queue.batches, world.chain.hotkey, "victor/verdicts", world.work, judge.evidence_file,
            world.said.append, publish=self.publish,
        )  # fmt: skip
        self.validator = world.validator()
        self.validator._publishing = self.publishing

    def publish(self, batch: Batch, data: bytes, repo: str, *_: Any) -> Place:
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(batch)
        assert len(data) == batch.records_bytes
        return Place(repo, REVISION, batch.root)


def judged(world: World, *numbers: int) -> None:
    """Judge lines; each has its record on the disk."""
    world.verdict = lambda job: evidence(job, "manifest", "fail")
    world.queue.add([seen(ALICE, number) for number in numbers])
    for _ in numbers:
        world.judge()._give_verdict(following(world.queue, now_s=SOON_S))


def told(world: World) -> list[str | None]:
    return [score.evidence for _, score in world.server.heard]


def test_a_report_names_the_place_of_its_evidence(world: World) -> None:
    """With the root of a batch that holds its record; the second batch names the first."""
    hub = Hub(world)
    judged(world, 0, 1)
    hub.validator._report(now=True)
    judged(world, 2)
    hub.validator._report(now=True)
    first, second = hub.batches
    assert [len(batch.items) for batch in hub.batches] == [2, 1]
    assert (first.number, second.number, second.previous) == (1, 2, first.root)
    places = [f"victor/verdicts@{REVISION}#{batch.root}" for batch in hub.batches]
    assert told(world) == [places[0], places[0], places[1]]
    hashes = {evidence_hash(read_evidence(path)) for path in (world.work / "evidence").glob("*.json")}
    assert hashes == {item.sha256 for batch in hub.batches for item in batch.items}
    assert {score.evidence_sha256 for _, score in world.server.heard} == hashes


def test_what_is_hidden_is_not_published(world: World) -> None:
    """Evidence before the weights would give the weights away as a report does."""
    hub = Hub(world)
    judged(world, 0)
    hub.validator._disclosure = Disclosure(world.chain, ask_s=0.0)  # type: ignore[arg-type]
    world.chain.pending = PendingWeights(hides=True, blocks=(1001,), last_update_block=1001)
    hub.validator._report(now=True)
    assert (hub.batches, world.server.heard) == ([], [])
    world.chain.pending = PendingWeights(hides=True, blocks=(), last_update_block=1001)
    hub.validator._report(now=True)
    assert (len(hub.batches), len(world.server.heard)) == (1, 1)


def test_a_hub_that_is_away_holds_reports_back_for_an_hour(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they go without a place, and again with it when the Hub is back."""
    hub, now_s = Hub(world), [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s[0])
    judged(world, 0)
    hub.errors = [HubUnavailable("away")] * 3
    hub.validator._report(now=True)
    assert (told(world), "not published: away" in world.said[-1]) == ([], True)
    now_s[0] += module.HOLD_S
    hub.validator._report(now=True)
    assert told(world) == [None]
    judged(world, 1)
    hub.validator._report(now=True)
    assert told(world) == [None, None]
    now_s[0] += 60
    hub.validator._report(now=True)
    hub.publishing.round(None, now=True)
    hub.validator._report()
    assert [bool(place) for place in told(world)][2:] == [True, True]


def test_a_stopped_publish_is_the_same_batch_again(world: World) -> None:
    """The Hub may have it already; a verdict given meanwhile goes into the next one."""
    hub = Hub(world)
    judged(world, 0)
    hub.errors = [HubUnavailable("away")]
    hub.publishing.round(None)
    (kept,) = (world.work / "publishing").iterdir()
    signed = Batch.model_validate_json(kept.read_bytes())
    judged(world, 1)
    hub.publishing.round(None, now=True)
    assert hub.batches[0] == signed and not list((world.work / "publishing").iterdir())
    assert [[item.line for item in batch.items] for batch in hub.batches] == [
        [seen(ALICE, 0).line],
        [seen(ALICE, 1).line],
    ]


def test_a_record_that_is_gone_or_changed_is_left_out(world: World) -> None:
    """The verdict is reported all the same, without a place."""
    hub = Hub(world)
    judged(world, 0)
    for path in (world.work / "evidence").glob("*.json"):
        path.unlink()
    world.queue.add([seen(ALICE, 5)])
    world.queue.record_verdict(following(world.queue), settled(task_id="t5"))  # a hash that no record has
    hub.validator._report(now=True)
    assert (hub.batches, told(world)) == ([], [None, None])


def test_spot_checks_are_published(world: World) -> None:
    """With the next batch, once: who is named in public can answer in public."""
    hub = Hub(world)
    check = SpotCheck(validator="5V", task="t9", evidence=f"v/v@{REVISION}#{'0' * 64}", sha256="0" * 64, difference="x")
    world.queue.batches.add_spot_check(check)
    for number in (0, 1):
        judged(world, number)
        hub.publishing.round(None, now=True)
    assert [batch.spot_checks for batch in hub.batches] == [(check,), ()]


def test_batches_are_not_too_many(world: World) -> None:
    """At most one in ten minutes where nothing is hidden; reports wait for it."""
    hub = Hub(world)
    report: Callable[[], float] = hub.validator._report
    judged(world, 0)
    report()
    judged(world, 1)
    report()
    assert (len(hub.batches), len(world.server.heard)) == (1, 1)
