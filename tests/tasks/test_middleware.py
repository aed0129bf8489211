"""What is around every request: its limits, the answer to a failure of the server's own, the log line, the metrics."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from finest.tasks import http_timeouts, middleware
from finest.tasks.proxies import LOOPBACK, Proxies
from finest.tasks.rate_limits import RateLimits, network
from finest.tasks.store import Store
from tests.tasks.api_calls import ALICE, BOB, PUBLISHED, RULES, lease, made, problem
from tests.tasks.live_server import MadeSubnet, Server, serving, wait_for
from tests.tasks.samples import CRAWL, paths

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_reads")]


def test_large_bodies_are_not_read(server: Server) -> None:
    """64 kB are the limit, declared or not; what is declared larger is not even waited for."""
    answer = server.ask("POST", "/v1/tasks/lease", by=ALICE, data=b"x" * (64 * 1024 + 1))
    assert problem(answer) == "body-too-large"
    host, _, port = server.url.partition("//")[2].partition(":")
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    for head, body in ((b"Transfer-Encoding: chunked", chunk * 66), (b"Content-Length: 10000000", b"")):
        with socket.create_connection((host, int(port)), timeout=60) as line:
            line.sendall(b"POST /v1/tasks/lease HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body)
            assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_slow_and_oversized_request_heads_are_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server refuses an endless head and closes a connection without one, but not one with a running request."""
    monkeypatch.setattr(http_timeouts, "HEAD_TIMEOUT_S", 1.0)
    host, _, port = server.url.partition("//")[2].partition(":")
    for sent, answer in (
        (b"", b""), (b"GET / HT", b""), (b"GET /v1/info HTTP/1.1\r\nHost: x\r\n", b""),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000, b"HTTP/1.1 400 "),
    ):  # fmt: skip
        with socket.create_connection((host, int(port)), timeout=60) as line:
            line.sendall(sent)
            assert line.recv(13) == answer
    subnet, target = server.subnet, f"/v1/tasks/{lease(server)['id']}/finish"
    monkeypatch.setattr(subnet, "commitments", lambda: time.sleep(1.5) or MadeSubnet.commitments(subnet))
    assert problem(server.ask("POST", target, PUBLISHED, by=ALICE)) == "commitment-missing"


def test_a_server_error_reveals_no_details(server: Server, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """What broke is logged under the request's id; the caller gets the id alone."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(server.store, "task", broken)
    answer = server.ask("GET", "/v1/tasks/" + "0" * 32)
    assert problem(answer) == "server-error"
    assert "hunter2" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.json()["detail"]
    assert "hunter2" in caplog.text


def test_a_database_that_is_away_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """It meets every request: its own word is logged for each, and no traceback."""

    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", None, Exception("connection refused\nIs it running?"))

    monkeypatch.setattr(server.store, "task", away)
    assert problem(server.ask("GET", "/v1/tasks/" + "0" * 32)) == "server-error"
    (record,) = [one for one in caplog.records if one.name == middleware.__name__]
    assert record.getMessage().endswith("failed: connection refused")
    assert record.exc_info is None


def test_a_database_that_is_away_is_unhealthy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, with no word of the database's."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(server.store._database, "free_bytes", broken)
    answer = server.ask("GET", "/v1/health")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the database does not answer"


def test_rates_are_limited(sqlite_url: str) -> None:
    """By hotkey once it has proved itself, by address always; a replay costs its victim nothing."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(8))
    with serving(store, RULES, made(ALICE, BOB), rates=RateLimits(per_hotkey=3, per_address=10)) as server:
        answers = [server.ask("POST", "/v1/tasks/lease", {}, by=ALICE) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert problem(answers[-1]) == "rate-limited"
        assert lease(server, BOB)["hotkey"] == BOB.address
        forged = {"X-Forwarded-For": "1.2.3.4"}
        assert [server.ask("GET", "/v1/info", headers=forged).status_code for _ in range(6)][-1] == 429
    store.close()


def test_addresses_behind_a_proxy(sqlite_url: str) -> None:
    """Only what the proxy itself wrote, the last one, is believed."""
    store = Store.open(sqlite_url, RULES)
    with serving(store, RULES, rates=RateLimits(per_address=2), proxies=Proxies.of(LOOPBACK)) as server:
        for number in range(3):
            headers = {"X-Forwarded-For": f"9.9.9.{number}, 1.2.3.4"}
            status = server.ask("GET", "/v1/info", headers=headers).status_code
        assert status == 429
        assert server.ask("GET", "/v1/info", headers={"X-Forwarded-For": "5.6.7.8"}).status_code == 200
    store.close()


def test_a_subscriber_counts_once() -> None:
    """IPv6 is counted by the /64 that a subscriber has."""
    assert network("2001:db8::1") == network("2001:db8::2:3") != network("2001:db8:1::1")
    assert network("1.2.3.4") == "1.2.3.4"
    assert network("fe80::1%eth0") == "fe80::/64"
    assert network(":nonsense:") == ":nonsense:"


def test_requests_are_logged(server: Server, caplog: Any) -> None:
    """One line a request, without query, body and signature."""
    caplog.set_level("INFO", logger="finest.access")
    lease(server)
    server.ask("GET", f"/v1/tasks?hotkey={ALICE.address}")
    wait_for(lambda: len([one for one in caplog.records if one.name == "finest.access"]) >= 2)
    first, second = [one for one in caplog.records if one.name == "finest.access"][:2]
    assert (first.method, first.path, first.status, first.hotkey) == ("POST", "/v1/tasks/lease", 200, ALICE.address)
    assert (second.path, second.hotkey, second.problem) == ("/v1/tasks", None, None)


def test_metrics(server: Server) -> None:
    """Requests by route and status, leases, and what the database holds; one label for all tasks."""
    task = lease(server)
    server.ask("GET", f"/v1/tasks/{task['id']}")
    server.ask("PROPFIND", "/v1/tasks")
    text = server.ask("GET", "/metrics").text
    assert 'finest_requests_total{method="POST",route="/v1/tasks/lease",status="200"} 1.0' in text
    assert 'finest_requests_total{method="GET",route="/v1/tasks/{task_id}",status="200"} 1.0' in text
    assert 'method="OTHER"' in text
    assert "PROPFIND" not in text
    assert "finest_leases_total 1.0" in text
    assert f'finest_warcs{{crawl="{CRAWL}",state="leased"}} 4.0' in text
    assert "finest_subnet_age_seconds" in text
