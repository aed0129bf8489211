"""The API as its callers see it: who may do what, and every way in which it says no."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest
from sqlalchemy.exc import OperationalError

from finest.chain.payload import encode
from finest.chain.wallet import Hotkey
from finest.tasks import authority, frame, heads
from finest.tasks.models import Rules
from finest.tasks.problems import KINDS, ProblemName
from finest.tasks.store import Store
from finest.tasks.throttle import Rates, network
from tests.tasks.served import CRAWL, REVISION, ROOT, MadeSubnet, Server, hotkey, paths, serving

pytestmark = pytest.mark.slow

ALICE, BOB, EVE = hotkey("Alice"), hotkey("Bob"), hotkey("Eve")
VALIDATOR, POOR = hotkey("Validator"), hotkey("Poor")
RULES = Rules(min_validator_stake=100.0, tasks_per_window=3)
PUBLISHED = {"repo": "alice/web", "revision": REVISION, "root": ROOT}
LINE = encode(**PUBLISHED)


@pytest.fixture
def server(store: Store) -> Iterator[Server]:
    """A server with two miners and two validators, one of them poor, on each kind of database."""
    store.add_warcs(CRAWL, paths(40))
    subnet = MadeSubnet()
    subnet.register(ALICE, BOB)
    subnet.register(VALIDATOR, permit=True, stake=100.0)
    subnet.register(POOR, permit=True, stake=99.0)
    with serving(store, RULES, subnet) as server:
        yield server


@pytest.fixture
def rules() -> Rules:
    return RULES


@pytest.fixture(autouse=True)
def _quick_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "ANEW_S", 0.1)
    monkeypatch.setattr(authority, "LINES_EVERY_S", 0.2)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The subnet is looked at ten times a second."""
    monkeypatch.setattr(authority, "LONGEST_LOOK_S", 0.1)
    monkeypatch.setattr(authority, "SHORTEST_LOOK_S", 0.1)


def problem(answer: Any) -> str:
    """The name of the problem, whose shape is checked."""
    said = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    name = said["type"].removeprefix("/problems/")
    assert said["status"] == answer.status_code == KINDS[name].status
    assert said["detail"]
    assert ("Retry-After" in answer.headers) == KINDS[name].may_pass == ("retry_after_s" in said)
    return str(name)


def made(*miners: Hotkey) -> MadeSubnet:
    """A subnet on which these have seats."""
    subnet = MadeSubnet()
    subnet.register(*miners)
    return subnet


def lease(server: Server, by: Hotkey = ALICE, **body: Any) -> Any:
    return server.post("/v1/tasks/lease", body, by=by)


def finished(server: Server, by: Hotkey = ALICE) -> Any:
    task = lease(server, by)
    server.subnet.commit(by, LINE)
    return server.post(f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=by)


def test_the_way_of_a_task(server: Server) -> None:
    """Leased, renewed, committed, finished, scored; then it is found by its commitment, and counted."""
    task = lease(server, warcs=3)
    assert (task["state"], task["hotkey"], task["warcs"]) == ("leased", ALICE.address, paths(3))
    assert server.post(f"/v1/tasks/{task['id']}/renew", by=ALICE)["id"] == task["id"]
    server.subnet.commit(ALICE, LINE)
    done = server.post(f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=ALICE)
    assert (done["state"], done["commitment"]) == ("finished", LINE)
    score = {"verdict": "pass", "score": 0.75, "note": "fine"}
    scored = server.post(f"/v1/tasks/{task['id']}/scores", score, by=VALIDATOR)
    assert [(one["validator"], one["score"]) for one in scored["scores"]] == [(VALIDATOR.address, 0.75)]
    found = server.ask("GET", f"/v1/tasks/by-commitment?hotkey={ALICE.address}&line={LINE.replace('#', '%23')}")
    assert found.json() == scored == server.ask("GET", f"/v1/tasks/{task['id']}").json()
    assert server.ask("GET", "/v1/leaderboard").json()[0]["mean_score"] == 0.75
    statistics = server.ask("GET", "/v1/statistics").json()
    assert statistics["crawls"] == [{"crawl": CRAWL, "warcs": 40, "open": 37, "leased": 0, "finished": 3}]
    assert [one["id"] for one in server.ask("GET", "/v1/tasks?state=finished").json()["tasks"]] == [task["id"]]


def test_everything_may_be_said_twice(server: Server) -> None:
    """A lost answer is asked for again, and nothing is done twice; not even when the chain has moved on."""
    task = lease(server)
    assert lease(server)["id"] == task["id"]
    server.subnet.commit(ALICE, LINE)
    one = server.post(f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=ALICE)
    server.subnet.lines = []
    assert server.post(f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=ALICE) == one
    given_back = lease(server, BOB)
    for _ in range(2):
        assert server.post(f"/v1/tasks/{given_back['id']}/release", by=BOB)["state"] == "released"


def test_info_says_whom_to_sign_for(server: Server) -> None:
    """Hotkey, rules and clock are public."""
    said = server.ask("GET", "/v1/info").json()
    assert Rules(**said["rules"]) == RULES
    assert abs(said["time_s"] - time.time()) < 60
    assert server.ask("POST", "/v1/tasks/lease", {}, by=ALICE, receiver=said["hotkey"]).status_code == 200


def test_nobody_acts_without_a_signature(server: Server) -> None:
    """Every call that changes something is refused unsigned, and signed for another server."""
    task = lease(server)["id"]
    score = {"verdict": "pass", "score": 1}
    for target, body in (
        ("/v1/tasks/lease", {}), (f"/v1/tasks/{task}/renew", None), (f"/v1/tasks/{task}/finish", PUBLISHED),
        (f"/v1/tasks/{task}/release", None), (f"/v1/tasks/{task}/scores", score),
    ):  # fmt: skip
        answer = server.ask("POST", target, body)
        assert problem(answer) == "not-authenticated"
        assert answer.json()["reason"] == "missing"
        elsewhere = server.ask("POST", target, body, by=ALICE, receiver=BOB.address)
        assert elsewhere.json()["reason"] == "wrong-receiver"


def test_a_replayed_request_is_refused(server: Server) -> None:
    """The database remembers signatures; a body that was not signed is refused too."""
    from finest.chain.auth import sign_request
    from tests.tasks.served import SERVER

    headers = sign_request(ALICE, method="POST", target="/v1/tasks/lease", body=b"{}", receiver=SERVER.address)
    assert server.ask("POST", "/v1/tasks/lease", {}, headers=headers).status_code == 200
    assert server.ask("POST", "/v1/tasks/lease", {}, headers=headers).json()["reason"] == "replayed"
    changed = server.ask("POST", "/v1/tasks/lease", {}, by=ALICE, data=b'{"warcs":64}')
    assert changed.json()["reason"] == "bad-signature"
    query = server.ask("POST", "/v1/tasks/lease?x=1", {}, headers=headers)
    assert query.json()["reason"] == "bad-signature"


def test_only_seats_and_validators_act(server: Server) -> None:
    """A stranger gets no task, a miner scores nothing, a permit without the stake neither."""
    assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=EVE)) == "not-registered"
    task = finished(server)
    score = {"verdict": "fail", "score": 0}
    for caller, expected in ((EVE, "not-registered"), (BOB, "not-a-validator"), (POOR, "not-a-validator")):
        assert problem(server.ask("POST", f"/v1/tasks/{task['id']}/scores", score, by=caller)) == expected


def test_problems_of_tasks(server: Server) -> None:
    """Each state of a task refuses what it does not allow, by name."""
    task = lease(server)

    def ask(verb: str, body: Any = None, by: Any = ALICE, of: str = task["id"]) -> str:
        return problem(server.ask("POST", f"/v1/tasks/{of}/{verb}", body, by=by))

    assert ask("renew", by=BOB) == ask("release", by=BOB) == ask("finish", PUBLISHED, by=BOB) == "not-yours"
    assert ask("renew", of="0" * 32) == "not-found"
    assert ask("scores", {"verdict": "pass", "score": 1}, by=VALIDATOR) == "not-finished"
    server.subnet.commit(ALICE, LINE)
    server.post(f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=ALICE)
    assert ask("finish", {**PUBLISHED, "root": "0" * 64}) == "already-finished"
    other = lease(server)["id"]
    server.post(f"/v1/tasks/{other}/release", by=ALICE)
    assert ask("renew", of=other) == "task-closed"
    server.post(f"/v1/tasks/{lease(server)['id']}/release", by=ALICE)
    assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=ALICE)) == "window-full"
    assert problem(server.ask("POST", "/v1/tasks/lease", {"crawl": "CC-MAIN-1999-01"}, by=BOB)) == "not-found"
    lease(server, BOB, warcs=64)
    assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=VALIDATOR)) == "no-work"


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize("rules", [Rules(lease_blocks=10)])
def test_an_expired_lease_is_lost(store: Store, rules: Rules) -> None:
    """A finish after expiry says both blocks; the WARCs are given out again."""
    store.add_warcs(CRAWL, paths(2))
    with serving(store, rules, made(ALICE, BOB)) as server:
        task = lease(server, warcs=2)
        server.subnet.block += 11
        _wait_for(lambda: server.ask("GET", "/v1/info").json()["block"] == server.subnet.block)
        late = server.ask("POST", f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=ALICE)
        assert problem(late) == "lease-expired"
        assert str(task["expires_block"]) in late.json()["detail"]
        assert server.subnet.reads == 0
        assert lease(server, BOB)["warcs"] == task["warcs"]


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


def test_a_long_name_cuts_the_root(server: Server) -> None:
    """The line is what fits on the chain; the task keeps the whole root."""
    published = {**PUBLISHED, "repo": "a" * 24 + "/" + "b" * 25}
    task = lease(server)
    server.subnet.commit(ALICE, encode(**published))
    done = server.post(f"/v1/tasks/{task['id']}/finish", published, by=ALICE)
    assert (done["root"], len(done["commitment"])) == (ROOT, 128)


def test_a_view_that_is_too_old_lets_nobody_act(sqlite_url: str) -> None:
    """It fails closed: health, leases, finishes; what was seen before can still be read."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(8))
    with serving(store, RULES, made(ALICE), subnet_too_old_s=1.5) as server:
        task = lease(server)
        server.subnet.away = True
        time.sleep(1.6)
        assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=ALICE)) == "subnet-unknown"
        answer = server.ask("GET", "/v1/health")
        assert answer.status_code == 503
        assert (answer.json()["ok"], answer.json()["database"]) == (False, True)
        assert server.ask("GET", f"/v1/tasks/{task['id']}").status_code == 200
        assert "No task can be had" in server.ask("GET", "/").text
    store.close()


def test_the_clock_of_an_old_view_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lease ends by blocks that the server only guesses, while nobody may renew it; nor does a wrong guess last."""
    monkeypatch.setattr(authority, "SHORTEST_LOOK_S", 0.01)
    subnet = MadeSubnet(block_time_s=12.0)

    async def blocks() -> list[int]:
        rights, seen = authority.Authority(subnet, RULES, too_old_s=600.0), []
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
        _wait_for(lambda: server.ask("GET", "/v1/health").status_code == 200)
    store.close()


def test_who_registered_just_now_is_found(sqlite_url: str) -> None:
    """A hotkey without a seat is looked for in a newer view before it is refused."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(8))
    with serving(store, RULES) as server:
        assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=ALICE)) == "not-registered"
        server.subnet.register(ALICE)
        assert lease(server)["hotkey"] == ALICE.address
    store.close()


def test_strangers_leave_no_trace(server: Server, store: Store) -> None:
    """Who has no seat writes nothing to the database, however it signs."""
    assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=EVE)) == "not-registered"
    assert store.tasks(10**6, hotkey=EVE.address).tasks == []


def test_large_bodies_are_not_read(server: Server) -> None:
    """64 kB are the limit, declared or not; what is declared larger is not even waited for."""
    answer = server.ask("POST", "/v1/tasks/lease", by=ALICE, data=b"x" * (64 * 1024 + 1))
    assert problem(answer) == "body-too-large"
    host, _, port = server.url.partition("//")[2].partition(":")
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    for head, body in ((b"Transfer-Encoding: chunked", chunk * 66), (b"Content-Length: 10000000", b"")):
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(b"POST /v1/tasks/lease HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body)
            assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_heads_have_an_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that never ends is refused, one that never comes is hung up on, and a request in work is not."""
    monkeypatch.setattr(heads, "HEAD_S", 0.3)
    host, _, port = server.url.partition("//")[2].partition(":")
    for sent, answer in (
        (b"", b""), (b"GET / HT", b""), (b"GET /v1/info HTTP/1.1\r\nHost: x\r\n", b""),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000, b"HTTP/1.1 400 "),
    ):  # fmt: skip
        with socket.create_connection((host, int(port)), timeout=30) as line:
            line.sendall(sent)
            assert line.recv(13) == answer
    subnet, target = server.subnet, f"/v1/tasks/{lease(server)['id']}/finish"
    monkeypatch.setattr(subnet, "commitments", lambda: time.sleep(0.6) or MadeSubnet.commitments(subnet))
    assert problem(server.ask("POST", target, PUBLISHED, by=ALICE)) == "commitment-missing"


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"{", "JSON"), (b"[" * 60_000, "JSON"), (b"", "body"), (b'{"warcs":0}', "warcs"), (b'{"warcs":65}', "warcs"),
     (b'{"hotkey":"5x"}', "hotkey"), (b'{"crawl":"a\\u0000b"}', "crawl"), (b'{"crawl":"\\ud800"}', "crawl"),
     (b'{"warcs":' + b"9" * 5000 + b"}", "JSON"), (b"\xff\xfe", "JSON")],
)  # fmt: skip
def test_requests_that_make_no_sense(server: Server, body: bytes, says: str) -> None:
    """422 with the place of the mistake, and nothing of what was sent."""
    answer = server.ask("POST", "/v1/tasks/lease", by=ALICE, data=body)
    assert problem(answer) == "invalid-request"
    assert says in answer.json()["detail"]


def test_scores_keep_to_their_range(server: Server) -> None:
    """No score that is no number, no note with control characters."""
    task = finished(server)["id"]
    for bad in (
        {"score": 1.1}, {"score": "NaN"}, {"score": float("nan")}, {"score": float("-inf")}, {"score": True},
        {"score": "0.5"}, {"note": "a\x00b"}, {"note": "x" * 401}, {"note": "\ud800"}, {"verdict": "maybe"},
    ):  # fmt: skip
        answer = server.ask("POST", f"/v1/tasks/{task}/scores", {"verdict": "pass", "score": 1} | bad, by=VALIDATOR)
        assert problem(answer) == "invalid-request"


def test_a_repository_that_cannot_be_committed(server: Server) -> None:
    """A name that no line can hold is refused before the chain is asked."""
    task = lease(server)["id"]
    answer = server.ask("POST", f"/v1/tasks/{task}/finish", {**PUBLISHED, "repo": "../../etc"}, by=ALICE)
    assert problem(answer) == "invalid-request"


def test_addresses_and_methods_that_are_none(server: Server) -> None:
    """404 and 405 are problems like all others."""
    assert problem(server.ask("GET", "/v1/nothing")) == "not-found"
    assert problem(server.ask("GET", "/v1/tasks/" + "0" * 32)) == "not-found"
    answer = server.ask("DELETE", "/v1/tasks/lease")
    assert problem(answer) == "method-not-allowed"
    assert answer.headers["Allow"] == "POST"


def test_every_problem_is_explained(server: Server) -> None:
    """The `type` of each problem leads to a page."""
    for name in get_args(ProblemName):
        page = server.ask("GET", f"/problems/{name}")
        assert page.status_code == 200
        assert KINDS[name].title.replace("'", "&#39;") in page.text
    assert problem(server.ask("GET", "/problems/none")) == "not-found"


def test_a_failure_tells_nothing(server: Server, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
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
    (record,) = [one for one in caplog.records if one.name == frame.__name__]
    assert record.getMessage().endswith("failed: connection refused")
    assert record.exc_info is None


def test_a_database_that_is_away_is_unhealthy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, with no word of the database's."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(server.store, "tasks", broken)
    answer = server.ask("GET", "/v1/health")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the database does not answer"


def test_rates_are_limited(sqlite_url: str) -> None:
    """By hotkey once it has proved itself, by address always; a replay costs its victim nothing."""
    store = Store.open(sqlite_url, RULES)
    store.add_warcs(CRAWL, paths(8))
    with serving(store, RULES, made(ALICE, BOB), rates=Rates(per_hotkey=3, per_address=10)) as server:
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
    with serving(store, RULES, rates=Rates(per_address=2), behind_proxy=True) as server:
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
    _wait_for(lambda: len([one for one in caplog.records if one.name == "finest.access"]) >= 2)
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


@pytest.mark.parametrize("rules", [Rules()])
def test_a_thousand_requests_of_two_hundred_miners(store: Store, rules: Rules) -> None:
    """At once: nobody is refused or failed, each miner has one task, and no WARC is in two."""
    miners = [hotkey(f"Miner{number}") for number in range(200)]
    store.add_warcs(CRAWL, paths(900))
    got: dict[str, set[str]] = {miner.address: set() for miner in miners}
    warcs: dict[str, str] = {}
    guard, start = threading.Lock(), threading.Barrier(50)

    def ask(share: int) -> None:
        start.wait()
        for number in range(share * 20, share * 20 + 20):
            task = lease(server, miners[number % 200])
            with guard:
                got[task["hotkey"]].add(task["id"])
                for path in task["warcs"]:
                    assert warcs.setdefault(path, task["id"]) == task["id"]

    with serving(store, rules, made(*miners)) as server:
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(ask, range(50)))
    assert all(len(tasks) == 1 for tasks in got.values())
    assert len(warcs) == 800


def _wait_for(condition: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
