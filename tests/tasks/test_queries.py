"""Attacks on the reading side: what is not read, read too much, or only held open costs neither memory nor a lease."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from finest.tasks import http_timeouts, rate_limits, signed_requests
from finest.tasks.connections import ConnectionLimits
from finest.tasks.models import ScoreRequest, TaskPage
from finest.tasks.proxies import LOOPBACK, Proxies
from finest.tasks.queries import MAX_SCORES, PAGE_BYTES
from finest.tasks.rate_limits import READ_BURST_S, RateLimiter, RateLimits
from finest.tasks.store import Store
from tests.tasks.api_calls import ALICE, RULES, lease, made, problem
from tests.tasks.live_server import Server, serving, wait_for
from tests.tasks.samples import CRAWL, paths, published

TASKS = 40
NOTE = "\u2603" * 400
"""1.2 kB of UTF-8."""
PAGE = "/v1/tasks?limit=200"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of finished tasks of 64 WARCs, each with long notes of eight validators."""
    file = tmp_path_factory.mktemp("full") / "tasks.db"
    store = Store.open(f"sqlite:///{file}", RULES)
    store.add_warcs(CRAWL, paths(65 * TASKS))
    score = ScoreRequest(verdict="pass", score=0.5, evidence_sha256="a" * 64, note=NOTE)
    for number in range(TASKS):
        miner = f"5Miner{number}"
        task = store.lease(miner, 64, 1000)
        store.finish(miner, task.id, block=1000, **published(number))
        for validator in range(8):
            store.report(f"5Validator{validator:037d}", task.id, score, 1000)
    store.close()
    return file


@pytest.fixture
def server(full: Path) -> Iterator[Server]:
    store = Store.open(f"sqlite:///{full}", RULES)
    with serving(store, RULES, made(ALICE)) as running:
        yield running
    store.close()


def address(server: Server) -> tuple[str, int]:
    host, _, port = server.url.partition("//")[2].partition(":")
    return host, int(port)


def connect(server: Server, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(address(server), timeout=60, source_address=(source, 0))


def sources() -> Iterator[str]:
    """Addresses of this machine, all of them another asker's."""
    return (f"127.0.{a}.{b}" for a, b in itertools.product(range(1, 250), range(1, 250)))


def rss_bytes() -> int:
    """Of this process, which serves."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.nightly
def test_pages_are_cut_by_bytes(server: Server) -> None:
    """However long tasks and notes are, a page is 256 KiB at the most, and its cursor leads to every task."""
    seen, after = [], ""
    while after is not None:
        answer = server.ask("GET", PAGE + (f"&after={after}" if after else ""))
        assert len(answer.content) <= PAGE_BYTES
        page = TaskPage.model_validate_json(answer.content)
        assert page.tasks
        seen += page.tasks
        after = page.next
    assert len({task.id for task in seen}) == len(seen) == TASKS
    assert {len(task.scores) for task in seen} == {8}
    assert {score.note for task in seen for score in task.scores} == {""}
    one = server.ask("GET", f"/v1/tasks/{seen[0].id}").json()
    assert {score["note"] for score in one["scores"]} == {NOTE}


@pytest.mark.nightly
def test_a_task_of_thousands_of_scores(full: Path) -> None:
    """Whoever had a permit once may have scored it; the newest are shown."""
    store = Store.open(f"sqlite:///{full}", RULES)
    store.add_warcs("CC-MAIN-2024-10", paths(1, "CC-MAIN-2024-10"))
    task = store.lease("5Popular", 1, 1000, crawl="CC-MAIN-2024-10")
    store.finish("5Popular", task.id, block=1000, **published(10**6))
    score = ScoreRequest(verdict="fail", score=0.0, note=NOTE)
    for number in range(MAX_SCORES + 20):
        store.report(f"5Validator{number:037d}", task.id, score, 1000 + number)
    shown = store.task(task.id, 2000).scores
    assert [one.block for one in shown] == list(range(1020, 1000 + MAX_SCORES + 20))
    store.close()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.nightly
def test_readers_that_do_not_read(server: Server) -> None:
    """A hundred connections that ask for ten pages each and read none: a page or two is held for each, and no more."""
    server.ask("GET", PAGE)
    before = rss_bytes()
    with ExitStack() as open_:
        for _, source in zip(range(100), sources(), strict=False):
            line = open_.enter_context(connect(server, source))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 10)
        assert lease(server)["state"] == "leased"
        assert len(server.connections) >= 100  # it waited for none of them
        assert rss_bytes() - before < 100 * 3 * PAGE_BYTES


def test_clients_that_do_not_read_are_disconnected(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Its connection is ended while it still has not read; who reads slowly is answered to the end."""
    monkeypatch.setattr(http_timeouts, "WRITE_TIMEOUT_S", 0.5)
    held = server.connections
    asked = f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 4  # more than the kernel buffers
    with connect(server, "127.0.1.1") as deaf, connect(server, "127.0.1.2") as slow:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(asked)
        wait_for(lambda: len(held) == 2)
        slow.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        wait_for(lambda: len(held) <= 1)
        answer = b""
        while part := slow.recv(16_384):
            answer += part
            time.sleep(0.01)
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["tasks"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_idle_connections_are_evicted_for_new_ones(full: Path) -> None:
    """Many of one address are refused in words; of many addresses the ones that have been idle longest make room."""
    store = Store.open(f"sqlite:///{full}", RULES)
    with (
        serving(store, RULES, made(ALICE), connection_limits=ConnectionLimits(total=60, per_address=20)) as server,
        ExitStack() as open_,
    ):
        lines = [open_.enter_context(connect(server, "127.0.1.1")) for _ in range(30)]
        refused = lines[-1].recv(4096).decode()
        assert refused.startswith("HTTP/1.1 429 ")
        assert "Retry-After: 2" in refused
        assert "20 open connections" in refused
        assert lease(server)["state"] == "leased"
        for _, source in zip(range(200), sources(), strict=False):
            open_.enter_context(connect(server, source))
        assert lease(server)["state"] == "leased"
        assert len(server.connections) <= 60
    store.close()


def test_connections_with_slow_bodies_are_evicted(full: Path) -> None:
    """A request whose body does not come is no work of the server's: it makes room like an idle one."""
    store = Store.open(f"sqlite:///{full}", RULES)
    with (
        serving(store, RULES, made(ALICE), connection_limits=ConnectionLimits(total=40, per_address=20)) as server,
        ExitStack() as open_,
    ):
        for _, source in zip(range(80), sources(), strict=False):
            line = open_.enter_context(connect(server, source))
            line.sendall(b"POST /v1/tasks/lease HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert lease(server)["state"] == "leased"
    store.close()


def test_a_full_server_answers_503(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every connection has a request in work, one more hears 503 and when to come again."""
    store = Store.open(f"sqlite:///{full}", RULES)
    with (
        serving(store, RULES, made(ALICE), connection_limits=ConnectionLimits(total=2, per_address=20)) as server,
        ExitStack() as open_,
    ):
        monkeypatch.setattr(http_timeouts.LimitedHttpProtocol, "idle_since_s", None)
        for _ in range(2):
            open_.enter_context(connect(server))
        wait_for(lambda: len(server.connections) == 2)
        answer = server.ask("GET", "/v1/info")
        assert problem(answer) == "overloaded"
    store.close()


def test_reading_is_paid_for_by_size(full: Path) -> None:
    """Who has read what an address may waits, and says so; a lease of the same address, and others' reading, do not."""
    store = Store.open(f"sqlite:///{full}", RULES)
    rates = RateLimits(per_address=10**6, read_bytes_s=16 * 1024)
    with serving(store, RULES, made(ALICE), rates=rates, proxies=Proxies.of(LOOPBACK)) as server:
        mine = {"X-Forwarded-For": "1.2.3.4"}
        answers = [server.ask("GET", PAGE, headers=mine) for _ in range(6)]
        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        assert problem(answers[-1]) == "rate-limited"
        assert "16 KiB a second" in answers[-1].json()["detail"]
        forged = {"X-Forwarded-For": "9.9.9.9, 1.2.3.4"}
        assert server.ask("GET", PAGE, headers=forged).status_code == 429
        assert server.ask("GET", PAGE, headers={"X-Forwarded-For": "1.2.3.5"}).status_code == 200
        assert server.ask("GET", "/v1/health", headers=mine).status_code == 200
        assert server.ask("POST", "/v1/tasks/lease", {}, by=ALICE, headers=mine).status_code == 200
    store.close()


def test_the_read_budget_refills_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the second, never beyond what can be saved; addresses that read little are forgotten first."""
    clock = [0.0]
    monkeypatch.setattr(rate_limits.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(rate_limits, "MAX_REMEMBERED_READERS", 10)
    counting = RateLimiter(RateLimits(read_bytes_s=100))
    counting.has_read("1.1.1.1", 100 * READ_BURST_S + 500)
    with pytest.raises(rate_limits.Problem) as refused, counting.reading("1.1.1.1"):
        pass
    assert refused.value.retry_after_s == 5.0
    for number in range(30):
        counting.has_read(f"2.2.2.{number}", 1)
    with pytest.raises(rate_limits.Problem), counting.reading("1.1.1.1"):
        pass
    assert len(counting._owed) <= 11
    clock[0] = 5.5
    with counting.reading("1.1.1.1"):
        pass


def test_waiting_readers_do_not_delay_leases(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all readers' threads are stuck a lease goes through, and readers too many are told to come again."""
    monkeypatch.setattr(signed_requests, "MAX_WAITING_READERS", 0)
    assert problem(server.ask("GET", PAGE)) == "overloaded"
    assert lease(server)["state"] == "leased"


PROXIES = Proxies.of((*LOOPBACK, "10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "1.2.3.4, 10.0.0.7", "1.2.3.4"),
        ("127.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
        ("127.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "9.9.9.9, nonsense", "127.0.0.1"),
        ("127.0.0.1", "10.0.0.1, " * 100, "127.0.0.1"),
        ("8.8.8.8", "1.2.3.4", "8.8.8.8"),
        ("::1", "1.2.3.4", "1.2.3.4"),
    ],
)
def test_a_forged_forwarded_for(peer: str, forwarded: str, client: str) -> None:
    """Only what a trusted proxy wrote counts: the last address that is not a proxy's own."""
    assert PROXIES.client(peer, forwarded) == client


def test_nobody_is_a_proxy_unless_named() -> None:
    """Without proxies every peer is its own client."""
    assert Proxies().client("127.0.0.1", "1.2.3.4") == "127.0.0.1"
