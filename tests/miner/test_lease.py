"""The lease: renewed while work goes on; lost, and it says so."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from finest.errors import LeaseLost, TaskServerUnavailable
from finest.miner import lease as leases
from finest.miner.lease import Lease
from finest.tasks.models import TaskState
from tests.miner.world import TaskServerOf, refused, task, wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "MIN_WAIT_S", 0.01)


def lease(server: TaskServerOf, path: Path, life_blocks: int = 10, said: list[str] | None = None) -> Lease:
    """A lease of blocks of 0.05 s."""
    one = task(expires_block=10 + life_blocks)
    server.known["t1"] = one
    return Lease(server, one, 0.05, path, (said if said is not None else []).append)


def test_it_is_renewed_at_a_third_of_its_life(tmp_path: Path) -> None:
    """A life of a second is renewed some three times in a second, and never lost."""
    server = TaskServerOf()
    began_s = time.monotonic()
    with lease(server, tmp_path, life_blocks=20) as kept:
        wait_for(lambda: server.calls["renew"] == 3)
        kept.check()
    assert server.calls["renew"] <= 1 + 4.5 * (time.monotonic() - began_s)


def test_it_is_renewed_no_more_when_the_work_is_done(tmp_path: Path) -> None:
    """The thread ends with the context."""
    server = TaskServerOf()
    with lease(server, tmp_path):
        pass
    before = server.calls["renew"]
    time.sleep(0.4)
    assert server.calls["renew"] <= before + 1


@pytest.mark.parametrize("name", ["lease-expired", "task-closed", "not-yours", "not-found"])
def test_a_refusal_that_means_lost_is_heard_at_once(tmp_path: Path, name: str) -> None:
    """The next check raises; it is said once."""
    server, said = TaskServerOf(), []
    with lease(server, tmp_path, said=said) as kept:
        server.trouble["renew"] = [refused(name, "somebody else has it")]
        wait_for(lambda: said)
        with pytest.raises(LeaseLost, match="The lease of task t1 is lost: somebody else has it"):
            kept.check()
    assert sum("the work on it stops" in line for line in said) == 1


def test_a_task_that_is_no_longer_leased_is_lost(tmp_path: Path) -> None:
    """A server that answers with the expired task says the same."""
    server = TaskServerOf()
    with lease(server, tmp_path) as kept:
        server.renew = lambda task_id: task(state=TaskState.EXPIRED)  # type: ignore[method-assign]
        with pytest.raises(LeaseLost, match="it is expired"):
            kept.renew()


def test_an_outage_shorter_than_the_lease_costs_nothing(tmp_path: Path) -> None:
    """It is tried again, sooner than before, and said when it begins and when it ends."""
    server, said = TaskServerOf(), []
    with lease(server, tmp_path, life_blocks=20, said=said) as kept:
        server.trouble["renew"] = [TaskServerUnavailable("no answer")] * 2
        wait_for(lambda: len(said) == 2)
        kept.check()
    assert ["could not be renewed" in line for line in said] == [True, False] and "renewed again" in said[1]


def test_an_outage_longer_than_the_lease_costs_nothing(tmp_path: Path) -> None:
    """The server extends leases by an outage, so only its word ends one; meanwhile it is not asked too often."""
    server, said = TaskServerOf(), []
    with lease(server, tmp_path, life_blocks=6, said=said) as kept:
        server.down = True
        wait_for(lambda: kept.away and not kept.left_s)
        kept.check()
        asked = server.calls["renew"]
        time.sleep(0.3)
        assert server.calls["renew"] <= asked + 1, "what was waiting when the lease ended"
        server.down = False
        kept.renew()
        kept.check()
        server.trouble["renew"] = [refused("lease-expired")]
        with pytest.raises(LeaseLost, match="is lost"):
            kept.renew()
    assert "the work goes on" in said[0]


def test_a_lease_that_may_not_be_renewed_ends_by_the_clock(tmp_path: Path) -> None:
    """A server that answers is not away: a hotkey without a seat gets no more time."""
    server = TaskServerOf()
    server.trouble["renew"] = [refused("not-registered")] * 1000
    with lease(server, tmp_path, life_blocks=6) as kept:
        time.sleep(1.0)
        with pytest.raises(LeaseLost, match="could not be renewed until it expired"):
            kept.check()


def test_a_finished_task_needs_no_renewal(tmp_path: Path) -> None:
    """It has no end any more."""
    server = TaskServerOf()
    with lease(server, tmp_path, life_blocks=4) as kept:
        server.known["t1"] = task(state=TaskState.FINISHED)
        wait_for(lambda: server.calls["renew"])
        time.sleep(0.3)
        kept.check()
    assert server.calls["renew"] == 1
