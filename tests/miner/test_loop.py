"""The loop: every task to its end, once, whatever stops it in between."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from finest.chain.errors import NotRegistered, RateLimited, Unreachable
from finest.errors import HubError, HubUnavailable, LeaseLost, NeedsPerson, RunError, SourceError, TaskServerUnavailable
from finest.miner import retrying
from finest.miner.journal import STEPS, Journal
from finest.retry import Policy
from finest.tasks.models import TaskState
from tests.miner.test_journal import DONE
from tests.miner.world import World, refused, task, wait_for


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "RETRY", Policy(first_s=0.02, cap_s=0.05))


def test_once_is_one_task_in_four_steps(tmp_path: Path) -> None:
    """Leased, refined, published, committed, finished; each once, and the second task is nobody's yet."""
    world = World(tmp_path, task("t1"), task("t2"))
    world.miner(once=True).run()
    assert world.steps.calls == dict.fromkeys(STEPS, 1)
    assert world.journal().record.state == "finished" and world.journal().record.finished.block == 99
    assert world.server.waiting == [task("t2")]


@pytest.mark.parametrize(("done", "killed_in"), [(a, b) for a in range(len(STEPS)) for b in range(a, len(STEPS))])
def test_a_killed_miner_goes_on_at_its_step(tmp_path: Path, done: int, killed_in: int) -> None:
    """From each state of the journal, steps that are written down are not done again, the others once."""
    world = World(tmp_path, task("t1"))
    world.server.waiting = []
    journal = Journal.begin(tmp_path, task("t1"), 63)
    journal.update(**{step: DONE[step] for step in STEPS[:done]})
    world.steps.trouble[STEPS[killed_in]] = [SystemExit()]
    with pytest.raises(SystemExit):
        world.miner(once=True).run()
    world.miner(once=True).run()
    expected = {step: 1 + (number == killed_in) for number, step in enumerate(STEPS) if number >= done}
    assert world.steps.calls == expected
    assert world.journal().record.state == "finished"


def test_a_kill_between_the_answer_and_the_journal_makes_nothing_twice(tmp_path: Path) -> None:
    """The server finished it, the journal does not know: the server's word is enough."""
    world = World(tmp_path, task("t1"))
    world.server.waiting = []
    journal = Journal.begin(tmp_path, task("t1"), 63)
    journal.update(**{step: DONE[step] for step in STEPS[:3]})
    world.server.finish("t1", "", "", "")
    world.stop.asked.clear()
    threading.Timer(0.3, world.stop.asked.set).start()
    world.miner().run()
    assert not world.steps.calls and world.journal().record.state == "finished"


def test_a_lost_journal_is_begun_anew_with_the_same_lease(tmp_path: Path) -> None:
    """Nothing but the folder is lost: the server gives the open lease again."""
    world = World(tmp_path, task("t1"))
    world.server.waiting = []
    world.miner(once=True).run()
    assert world.journal().record.state == "finished"


def test_the_furthest_task_is_finished_first(tmp_path: Path) -> None:
    """A commitment must not be replaced on the chain before its task is finished."""
    world = World(tmp_path, task("t1"), task("t2"))
    world.server.waiting = []
    Journal.begin(tmp_path, task("t1"), 63)
    Journal.begin(tmp_path, task("t2"), 63).update(**{step: DONE[step] for step in STEPS[:3]})
    order: list[tuple[str, str]] = []
    world.steps.on_step = lambda name, journal, lease: order.append((journal.id, name))
    threading.Timer(0.5, world.stop.asked.set).start()
    world.miner().run()
    assert order == [("t2", "finished"), *[("t1", step) for step in STEPS]]


@pytest.mark.parametrize("state", [TaskState.EXPIRED, TaskState.RELEASED])
def test_a_lease_that_ended_while_the_miner_was_down_is_lost(tmp_path: Path, state: TaskState) -> None:
    """It is said, nothing of it is committed, and the next task is taken."""
    world = World(tmp_path, task("t1", state=state), task("t2"))
    world.server.waiting = [world.server.known["t2"]]
    Journal.begin(tmp_path, task("t1"), 63).update(**{step: DONE[step] for step in STEPS[:2]})
    world.miner(once=True).run()
    assert world.journal("t1").record.state == "lost"
    assert any("t1 is lost" in line for line in world.said)
    assert world.journal("t2").record.state == "finished" and world.steps.calls["committed"] == 1


def test_a_lease_lost_at_work_ends_the_work(tmp_path: Path) -> None:
    """LeaseLost from a step's progress: marked, said, and on with the next."""
    world = World(tmp_path, task("t1"), task("t2"))
    world.steps.trouble["published"] = [LeaseLost("the lease of task t1 is lost")]
    world.steps.on_step = lambda name, journal, lease: world.server.known.update(t1=task("t1", state=TaskState.EXPIRED))
    world.miner(once=True).run()
    assert world.journal("t1").record.state == "lost" and world.journal("t1").record.committed is None
    assert world.journal("t2").record.state == "finished"


def test_a_lost_lease_is_never_committed(tmp_path: Path) -> None:
    """The lease is renewed right before the commitment."""
    world = World(tmp_path, task("t1"), task("t2"))

    def expire(name: str, journal: Journal, lease: Any) -> None:
        if (name, journal.id) == ("published", "t1"):
            world.server.known["t1"] = task("t1", state=TaskState.EXPIRED)

    world.steps.on_step = expire
    world.miner(once=True).run()
    assert world.journal("t1").record.state == "lost" and world.journal("t1").record.committed is None


@pytest.mark.parametrize(
    "error",
    [
        HubUnavailable("the Hub does not answer"), Unreachable("no endpoint answers"), RateLimited("too early", 1),
        TaskServerUnavailable("no answer"), refused("commitment-missing", retry_after_s=0.01),
        refused("subnet-unknown", retry_after_s=0.01), ConnectionResetError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("step", ["refined", "committed"])
def test_what_passes_is_waited_for(tmp_path: Path, step: str, error: Exception) -> None:
    """The same step again, as often as it takes; each wait is said."""
    world = World(tmp_path, task("t1"))
    world.steps.trouble[step] = [error] * 3
    world.miner(once=True).run()
    assert world.steps.calls[step] == 4 and world.journal().record.state == "finished"
    assert sum("again in" in line for line in world.said) == 3


def test_a_source_that_cannot_be_read_is_tried_a_few_times(tmp_path: Path) -> None:
    """Then the task is given back, and the next one taken."""
    world = World(tmp_path, task("t1"), task("t2"))
    world.steps.trouble["refined"] = [SourceError("not found")] * (retrying.TRIES + 1)
    world.miner(once=True).run()
    assert world.journal("t1").record.state == "failed" and world.server.known["t1"].state is TaskState.RELEASED
    assert world.journal("t2").record.state == "finished"


def test_a_bug_ends_its_task_and_leaves_a_traceback(tmp_path: Path) -> None:
    """An error that nobody foresaw is the task's, as far as the loop can know."""
    world = World(tmp_path, task("t1"), task("t2"))
    world.steps.trouble["refined"] = [ZeroDivisionError("oh")]
    world.miner(once=True).run()
    assert "ZeroDivisionError: oh" in (tmp_path / "tasks" / "t1" / "error.txt").read_text()
    assert world.journal("t2").record.state == "finished"


def test_three_failed_tasks_in_a_row_need_a_person(tmp_path: Path) -> None:
    """Something is wrong here, not with the tasks."""
    world = World(tmp_path, *[task(f"t{n}") for n in range(5)])
    world.steps.trouble["refined"] = [RunError("30 of 30 pages failed")] * 5
    with pytest.raises(NeedsPerson, match="3 tasks in a row failed, the last one: 30 of 30 pages failed"):
        world.miner().run()
    assert world.steps.calls["refined"] == 3 and world.server.calls["release"] == 3


@pytest.mark.parametrize("error", [HubError("no right to write"), NotRegistered("no seat"), refused("not-registered")])
def test_what_a_person_must_mend_ends_the_miner_and_keeps_the_task(tmp_path: Path, error: Exception) -> None:
    """Exit code 78; the same command goes on afterwards."""
    world = World(tmp_path, task("t1"))
    world.steps.trouble["published"] = [error]
    with pytest.raises(NeedsPerson, match="Nothing is lost") as raised:
        world.miner().run()
    assert raised.value.exit_code == 78
    world.miner(once=True).run()
    assert world.steps.calls == {"refined": 1, "published": 2, "committed": 1, "finished": 1}


def test_no_work_is_waited_for_as_the_server_says(tmp_path: Path) -> None:
    """It asks again when told, says so once, and goes on at once when there is work."""
    world = World(tmp_path, task("t1"))
    late = world.server.waiting
    world.server.waiting, world.server.known = [], {}

    def comes() -> None:
        wait_for(lambda: world.server.calls["lease"] == 3)
        world.server.known.update(t1=late[0])
        world.server.waiting.append(late[0])

    threading.Thread(target=comes, daemon=True).start()
    world.miner(once=True).run()
    assert 3 <= world.server.calls["lease"] < 20
    assert sum("Waiting to get a task" in line for line in world.said) == 1


def test_a_wrong_subnet_is_seen_at_the_start(tmp_path: Path) -> None:
    """A miner of subnet 250 asks no server of subnet 63 for work."""
    world = World(tmp_path, task("t1"), netuid=250)
    with pytest.raises(NeedsPerson, match="--netuid 63"):
        world.miner().run()
    assert not world.server.calls["lease"]


def test_other_hotkeys_journals_are_left_alone(tmp_path: Path) -> None:
    """A work folder may have served another key."""
    world = World(tmp_path, task("t2"))
    Journal.begin(tmp_path, task("t1", hotkey="5Other"), 63)
    world.miner(once=True).run()
    assert world.journal("t1").record.open and world.journal("t2").record.state == "finished"


def test_a_failed_task_that_is_given_again_is_given_back_again(tmp_path: Path) -> None:
    """Its release was not heard; it is not tried twice."""
    world = World(tmp_path, task("t1"), task("t2"))
    world.steps.trouble["refined"] = [RunError("bad")]
    world.server.trouble["release"] = [TaskServerUnavailable("no answer")]
    world.miner(once=True).run()
    assert world.server.known["t1"].state is TaskState.RELEASED
    assert world.journal("t2").record.state == "finished" and world.steps.calls["refined"] == 2


def test_hand_back_releases_what_is_not_committed(tmp_path: Path) -> None:
    """With a journal or without; a committed task is for finishing."""
    world = World(tmp_path, *[task(f"t{n}") for n in range(3)])
    world.server.waiting = []
    Journal.begin(tmp_path, task("t0"), 63)
    Journal.begin(tmp_path, task("t1"), 63).update(**{step: DONE[step] for step in STEPS[:3]})
    world.miner().hand_back()
    states = {id: one.state.value for id, one in world.server.known.items()}
    assert states == {"t0": "released", "t1": "leased", "t2": "released"}
    assert world.journal("t0").record.state == "released"


def test_work_is_kept_until_a_verdict(tmp_path: Path) -> None:
    """A judged task's files go, its journal stays; scores are said."""
    world = World(tmp_path, task("t1"), task("t2"), task("t3"))
    world.miner(once=True).run()
    assert world.journal("t1").dataset.exists()
    world.server.judge("t1", "no_evidence")
    world.miner(once=True).run()
    assert world.journal("t1").dataset.exists()
    world.server.judge("t1")
    world.miner(once=True).run()
    assert not world.journal("t1").dataset.exists() and world.journal("t2").dataset.exists()
    assert any("verdict pass of validator" in line for line in world.said)


def test_keep_throws_the_oldest_away_and_never_an_unfinished_one(tmp_path: Path) -> None:
    """The limit counts closed tasks without a verdict."""
    world = World(tmp_path, *[task(f"t{n}") for n in range(4)])
    for _ in range(3):
        world.miner(once=True).run()
    Journal.begin(tmp_path, task("t9", hotkey="5Other"), 63).dataset.mkdir()
    world.miner(once=True, keep_bytes=2500).run()
    kept = sorted(path.parent.name for path in (tmp_path / "tasks").glob("*/dataset"))
    assert kept == ["t2", "t3", "t9"]
    assert len(list((tmp_path / "tasks").glob("*/journal.json"))) == 5
