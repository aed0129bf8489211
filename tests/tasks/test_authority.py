"""Who may do what by the server's view of the subnet: how old it may be, and what must stand on the chain."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import pytest

from finest.chain import view as chain_view
from finest.chain.errors import Unreachable
from finest.chain.payload import encode
from finest.chain.view import SubnetView
from finest.tasks import authority
from finest.tasks.models import Rules
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from tests.tasks.api_calls import ALICE, BOB, LINE, PUBLISHED, RULES, lease, made, problem
from tests.tasks.live_server import MadeSubnet, Server, serving, wait_for
from tests.tasks.samples import CRAWL, REVISION, paths

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_reads")]


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize("rules", [Rules(lease_blocks=10)])
def test_an_expired_lease_is_lost(store: Store, rules: Rules) -> None:
    """A finish after expiry says both blocks; the WARCs are given out again."""
    store.add_warcs(CRAWL, paths(2))
    with serving(store, rules, made(ALICE, BOB)) as server:
        task = lease(server, warcs=2)
        server.subnet.block += 11
        wait_for(lambda: server.ask("GET", "/v1/info").json()["block"] == server.subnet.block)
        late = server.ask("POST", f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=ALICE)
        assert problem(late) == "lease-expired"
        assert str(task["expires_block"]) in late.json()["detail"]
        assert server.subnet.reads == 0
        assert lease(server, BOB)["warcs"] == task["warcs"]


def test_a_view_that_is_too_old_authorises_nobody(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails closed: health, leases, finishes; what was seen before can still be read."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(8))
    ahead_s = 0.0
    monkeypatch.setattr(chain_view, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead_s))
    with serving(store, RULES, made(ALICE), view_max_age_s=600.0) as server:
        task = lease(server)
        server.subnet.away = True
        ahead_s = 601.0
        assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=ALICE)) == "subnet-unknown"
        answer = server.ask("GET", "/v1/health")
        assert answer.status_code == 503
        assert (answer.json()["ok"], answer.json()["database"]) == (False, True)
        assert server.ask("GET", f"/v1/tasks/{task['id']}").status_code == 200
        assert "The server leases no tasks" in server.ask("GET", "/").text
    store.close()


def test_the_clock_of_an_old_view_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lease ends by blocks that the server only guesses, while nobody may renew it; nor does a wrong guess last."""
    monkeypatch.setattr(authority, "MIN_REFRESH_S", 0.01)
    subnet = MadeSubnet(block_time_s=12.0)

    async def blocks() -> list[int]:
        rights, seen = authority.Authority(subnet, RULES, max_age_s=600.0), []
        for subnet.block, subnet.age_s in ((1000, 3600.0), (1010, 24.0)):
            await rights._views.get(0.0)
            seen.append(rights.block)
        await rights.close()
        return seen

    assert asyncio.run(blocks()) == [1050, 1012]


@pytest.mark.usefixtures("quick_looks")
def test_it_starts_without_the_chain(sqlite_url: str) -> None:
    """Health says what is missing; as soon as the chain answers all is well."""
    store = Store.open(sqlite_url, RULES)
    with serving(store, RULES, MadeSubnet(away=True)) as server:
        assert server.ask("GET", "/v1/health").status_code == 503
        assert problem(server.ask("GET", "/v1/info")) == "subnet-unknown"
        assert server.ask("GET", "/").status_code == 200
        server.subnet.away = False
        wait_for(lambda: server.ask("GET", "/v1/health").status_code == 200)
    store.close()


def test_a_hotkey_that_registered_just_now_is_accepted(sqlite_url: str) -> None:
    """A hotkey without a seat is looked for in a newer view before it is refused."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(8))
    with serving(store, RULES) as server:
        assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=ALICE)) == "not-registered"
        server.subnet.register(ALICE)
        assert lease(server)["hotkey"] == ALICE.address
    store.close()


def test_a_finish_needs_its_commitment(server: Server) -> None:
    """Exactly the line, under the caller's hotkey, from no earlier than the lease; and few reads for many askers."""
    task = lease(server)
    target = f"/v1/tasks/{task['id']}/finish"
    assert problem(server.ask("POST", target, PUBLISHED, by=ALICE)) == "commitment-missing"
    server.subnet.commit(BOB, LINE)
    server.subnet.commit(ALICE, encode("alice/web", REVISION, "0" * 64))
    assert problem(server.ask("POST", target, PUBLISHED, by=ALICE)) == "commitment-missing"
    server.subnet.commit(ALICE, LINE, block=task["leased_block"] - 100)
    reads = server.subnet.reads
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.ask("POST", target, PUBLISHED, by=ALICE), range(8)))
    assert {problem(answer) for answer in answers} == {"commitment-missing"}
    assert server.subnet.reads - reads <= 2
    server.subnet.commit(ALICE, LINE)
    assert server.post(target, PUBLISHED, by=ALICE)["state"] == "finished"


def test_without_the_chain_leases_refer_to_the_last_beacon(monkeypatch: pytest.MonkeyPatch) -> None:
    """And to the block at which it was read, so that the log says so; a new block without its hash changes nothing."""
    monkeypatch.setattr(authority, "MIN_REFRESH_S", 0.0)
    subnet = MadeSubnet(block=1000)

    async def bases() -> list[tuple[int, int]]:
        rights, seen = authority.Authority(subnet, RULES), []
        with pytest.raises(Problem, match="view of the subnet has never been read"):
            _ = rights.lease_basis
        for subnet.block, subnet.away in ((1000, False), (1200, True), (1200, False)):
            with suppress(Unreachable):
                view = SubnetView(63, subnet.block, 360, "", 12.0, (), time.monotonic(), {})
                await rights._read_beacon(view)
                await rights._views.get(0.0)
            seen.append((rights._basis.seen_block, rights._basis.beacon.block) if rights._basis else (0, 0))
        await rights.close()
        return seen

    assert asyncio.run(bases()) == [(1000, 720), (1000, 720), (1200, 1080)]
