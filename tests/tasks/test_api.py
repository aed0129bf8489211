"""The API as its callers see it: who may do what, and every way in which it says no."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest

from finest.chain.auth import sign_request
from finest.chain.payload import encode
from finest.tasks.models import Rules
from finest.tasks.problems import KINDS, ProblemName
from finest.tasks.store import Store
from tests.deep import examples
from tests.tasks.api_calls import (
    ALICE,
    BOB,
    EVE,
    LINE,
    POOR,
    PUBLISHED,
    RULES,
    VALIDATOR,
    finished,
    lease,
    made,
    problem,
)
from tests.tasks.live_server import SERVER, Server, hotkey, serving
from tests.tasks.samples import CRAWL, ROOT, paths

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_reads")]


def test_the_way_of_a_task(server: Server) -> None:
    """Leased, renewed, committed, finished, scored; then it is found by its commitment, and counted."""
    task = lease(server, warcs=3)
    assert (task["state"], task["hotkey"], len(task["warcs"])) == ("leased", ALICE.address, 3)
    assert server.post(f"/v1/tasks/{task['id']}/renew", by=ALICE)["id"] == task["id"]
    server.subnet.commit(ALICE, LINE)
    done = server.post(f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=ALICE)
    assert (done["state"], done["commitment"]) == ("finished", LINE)
    score = {"verdict": "pass", "score": 0.75, "tokens": 4000, "note": "fine"}
    scored = server.post(f"/v1/tasks/{task['id']}/scores", score, by=VALIDATOR)
    assert [(one["validator"], one["score"]) for one in scored["scores"]] == [(VALIDATOR.address, 0.75)]
    found = server.ask("GET", f"/v1/tasks/by-commitment?hotkey={ALICE.address}&line={LINE.replace('#', '%23')}")
    assert found.json() == scored == server.ask("GET", f"/v1/tasks/{task['id']}").json()
    leader = server.ask("GET", "/v1/leaderboard").json()[0]
    assert (leader["mean_score"], leader["paid_tokens"]) == (0.75, 3000)
    statistics = server.ask("GET", "/v1/statistics").json()
    (work,) = statistics["crawls"]
    assert (work["crawl"], work["kind"], work["price"]) == (CRAWL, "crawl", 1.0)
    assert [work[name] for name in ("warcs", "open", "leased", "finished")] == [40, 37, 0, 3]
    assert [one["id"] for one in server.ask("GET", "/v1/tasks?state=finished").json()["tasks"]] == [task["id"]]


def test_every_call_is_idempotent(server: Server) -> None:
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
    headers = sign_request(ALICE, method="POST", target="/v1/tasks/lease", body=b"{}", receiver=SERVER.address)
    assert server.ask("POST", "/v1/tasks/lease", {}, headers=headers).status_code == 200
    assert server.ask("POST", "/v1/tasks/lease", {}, headers=headers).json()["reason"] == "replayed"
    changed = server.ask("POST", "/v1/tasks/lease", {}, by=ALICE, data=b'{"warcs":64}')
    assert changed.json()["reason"] == "bad-signature"
    query = server.ask("POST", "/v1/tasks/lease?x=1", {}, headers=headers)
    assert query.json()["reason"] == "bad-signature"


def test_only_registered_hotkeys_and_validators_may_act(server: Server) -> None:
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


def test_a_long_name_cuts_the_root(server: Server) -> None:
    """The line is what fits on the chain; the task keeps the whole root."""
    published = {**PUBLISHED, "repo": "a" * 24 + "/" + "b" * 25}
    task = lease(server)
    server.subnet.commit(ALICE, encode(**published))
    done = server.post(f"/v1/tasks/{task['id']}/finish", published, by=ALICE)
    assert (done["root"], len(done["commitment"])) == (ROOT, 128)


def test_strangers_leave_no_trace(server: Server) -> None:
    """Who has no seat writes nothing to the database, however it signs."""
    assert problem(server.ask("POST", "/v1/tasks/lease", {}, by=EVE)) == "not-registered"
    assert server.store.tasks(10**6, hotkey=EVE.address).tasks == []


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


@pytest.mark.parametrize("rules", [Rules()])
def test_many_requests_of_many_miners(store: Store, rules: Rules) -> None:
    """Two of each miner, at once: nobody is refused or failed, each has one task, and no WARC is in two."""
    count = examples(40, 200)
    miners = [hotkey(f"Miner{number}") for number in range(count)]
    store.add_warcs(CRAWL, paths(4 * count + 100))
    got: dict[str, set[str]] = {miner.address: set() for miner in miners}
    warcs: dict[str, str] = {}
    guard, start = threading.Lock(), threading.Barrier(count // 4)

    def ask(share: int) -> None:
        start.wait()
        for number in range(share * 8, share * 8 + 8):
            task = lease(server, miners[number % count])
            with guard:
                got[task["hotkey"]].add(task["id"])
                for path in task["warcs"]:
                    assert warcs.setdefault(path, task["id"]) == task["id"]

    with serving(store, rules, made(*miners)) as server:
        with ThreadPoolExecutor(count // 4) as pool:
            list(pool.map(ask, range(count // 4)))
    assert all(len(tasks) == 1 for tasks in got.values())
    assert len(warcs) == 4 * count
