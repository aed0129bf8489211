"""An outage of the task server costs no miner its lease: open leases get as many blocks more, and the log says so."""

from __future__ import annotations

import pytest

from finest.tasks.check_log import Seen, check_log
from finest.tasks.models import Rules, TaskState
from finest.tasks.outages import AWAY_BLOCKS
from finest.tasks.store import Store
from tests.tasks.api_calls import ALICE, RULES, lease, made
from tests.tasks.live_server import serving, wait_for
from tests.tasks.samples import CRAWL, paths, published
from tests.tasks.test_assignment import beacon_at, lists_of, log_of

DAY = 7200


def test_open_leases_end_later_by_the_time_of_the_outage(store: Store) -> None:
    """Renewals and promptness too; a lease that had ended before is not given back to its miner."""
    store.add_warcs(CRAWL, paths(12))
    ended, task = store.lease("5Alice", 4, 100), store.lease("5Bob", 4, 1000, beacon=beacon_at(1000))
    assert store.note_alive(1950) == 0
    assert store.note_alive(1950 + DAY) == 1
    now = store.task(task.id, 1950 + DAY)
    assert (now.state, now.expires_block, now.due_block) == (TaskState.LEASED, 2800 + DAY, 2800 + DAY)
    assert store.task(ended.id, 1950 + DAY).state is TaskState.EXPIRED
    assert store.renew("5Bob", task.id, 2000 + DAY).expires_block == 3800 + DAY
    assert store.finish("5Bob", task.id, **published(), block=3000 + DAY).state is TaskState.FINISHED
    log = log_of(store)
    assert check_log(log, Seen(), lists=lists_of(store)).events["renewed"] == 2
    told = next(entry for entry in log if entry.what == "renewed")
    assert told.detail == {"expires_block": 2800 + DAY, "away_from": 1950, "away_to": 1950 + DAY}


def test_a_server_at_work_extends_nothing(store: Store) -> None:
    """Nor does a short pause, a process that lags behind another one, or a chain that begins anew."""
    store.add_warcs(CRAWL, paths(4))
    task = store.lease("5Alice", 4, 100)
    for block in (100, 100 + AWAY_BLOCKS, 90 + AWAY_BLOCKS, 100 + 2 * AWAY_BLOCKS, 100 + 2 * AWAY_BLOCKS, 3, 9):
        assert store.note_alive(block) == 0
    assert store.task(task.id, 100).expires_block == task.expires_block


@pytest.mark.slow
@pytest.mark.usefixtures("quick_reads", "quick_looks")
def test_a_server_that_starts_after_a_day_keeps_the_leases(sqlite_url: str) -> None:
    """Before it answers anybody; the same after a day without the chain."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(8))
    subnet = made(ALICE)
    with serving(store, RULES, subnet) as server:
        task = lease(server)
        wait_for(lambda: store.note_alive(subnet.block) == 0)
    subnet.block += DAY
    with serving(store, RULES, subnet) as server:
        again = server.post(f"/v1/tasks/{task['id']}/renew", by=ALICE)
        assert (again["state"], again["expires_block"]) == ("leased", again["block"] + RULES.lease_blocks)
        subnet.away = True
        subnet.block += DAY
        subnet.away = False
        wait_for(lambda: server.ask("GET", "/v1/info").json()["block"] == subnet.block)
        assert server.ask("GET", f"/v1/tasks/{task['id']}").json()["state"] == "leased"
    store.close()


@pytest.mark.parametrize("rules", [Rules(lease_blocks=10)])
def test_a_lease_that_was_not_open_in_the_outage_expires(store: Store) -> None:
    """Its WARCs are leased again as ever."""
    store.add_warcs(CRAWL, paths(4))
    task = store.lease("5Alice", 4, 100)
    store.note_alive(111)
    store.note_alive(111 + DAY)
    assert store.lease("5Bob", 4, 111 + DAY).warcs == task.warcs
