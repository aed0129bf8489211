"""The client: what the server says arrives, what passes is waited out, and nothing but its own errors comes out."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from bittensor import http_auth

from finest.errors import TaskServerError, TaskServerUnavailable, UsageError
from finest.retry import Policy
from finest.tasks import client as client_module
from finest.tasks import transport
from finest.tasks.client import TaskServer
from finest.tasks.models import Rules, ScoreRequest, ServerInfo, TaskState
from finest.tasks.store import Store
from finest.tasks.transport import Refused
from tests.tasks.api_calls import ALICE, EVE, LINE, VALIDATOR
from tests.tasks.live_server import SERVER, MadeSubnet, Server, serving
from tests.tasks.samples import CRAWL, REVISION, ROOT, paths

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, quick_reads: None) -> None:
    monkeypatch.setattr(transport, "RETRY", Policy(first_s=0.05, cap_s=8.0))
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server(sqlite_url: str) -> Iterator[Server]:
    store = Store.open(sqlite_url, Rules())
    store.add_warcs(CRAWL, paths(16))
    subnet = MadeSubnet()
    subnet.register(ALICE)
    subnet.register(VALIDATOR, permit=True, stake=1.0)
    with serving(store, Rules(), subnet) as server:
        yield server
    store.close()


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def scripted(answer: Callable[[str, str], Answer]) -> Iterator[str]:
    """An HTTP server that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            status, headers, body = answer(self.command, self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def info(hotkey: str = SERVER.address) -> bytes:
    said = ServerInfo(version="1", hotkey=hotkey, netuid=63, block=1, block_time_s=12.0, time_s=0.0, rules=Rules())
    return said.model_dump_json().encode()


def problem(name: str, status: int, **more: Any) -> Answer:
    body = {"type": f"/problems/{name}", "title": "t", "status": status, "detail": "d", **more}
    return status, {"Content-Type": "application/problem+json"}, json.dumps(body).encode()


def test_every_call(server: Server) -> None:
    """The way of a task, by the client's verbs."""
    miner, judge = TaskServer(server.url, ALICE), TaskServer(server.url, VALIDATOR)
    task = miner.lease(2)
    assert miner.lease(4, besides=task.id).id != task.id
    assert miner.renew(task.id).id == task.id
    server.subnet.commit(ALICE, LINE)
    done = miner.finish(task.id, "alice/web", REVISION, ROOT)
    assert (done.state, done.commitment) == (TaskState.FINISHED, LINE)
    judge.report(task.id, ScoreRequest(verdict="pass", score=0.5))
    assert judge.task_by_commitment(ALICE.address, LINE).scores[0].score == 0.5
    assert miner.task(task.id).id == task.id
    other = miner.lease(1)
    assert miner.release(other.id).state is TaskState.RELEASED
    assert {one.id for one in miner.tasks_of(ALICE.address)} == {task.id, other.id}
    assert TaskServer(server.url + "/", None).info().netuid == 63
    miner.close()
    judge.close()


def test_all_tasks_come_page_by_page(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, those in one state alone, whatever is added meanwhile; nothing more is asked than is read."""
    monkeypatch.setattr(client_module, "PAGE", 2)
    miner = TaskServer(server.url, ALICE)
    ids = []
    for _ in range(5):
        ids.append(miner.lease(1).id)
        miner.release(ids[-1])
    open_one = miner.lease(1)
    found = miner.tasks(TaskState.RELEASED)
    first = [next(found).id for _ in range(2)]
    miner.release(open_one.id)
    assert first + [one.id for one in found] == ids[::-1]
    assert list(miner.tasks(TaskState.EXPIRED)) == []
    assert next(miner.tasks(TaskState.RELEASED)).id == open_one.id
    miner.close()


def listed(*ids: str, after: str | None) -> Answer:
    said = {"id": "", "hotkey": ALICE.address, "state": "finished", "crawl": CRAWL, "warcs": [], "block": 1}
    said |= {"leased_block": 1, "expires_block": 2}
    return 200, {}, json.dumps({"tasks": [{**said, "id": one} for one in ids], "next": after}).encode()


def test_pages_that_are_cut_short_are_followed() -> None:
    """A hotkey's newest tasks come from as many pages as it takes; a page of none is no end either."""
    asked: list[str] = []

    def answer(_: str, target: str) -> Answer:
        asked.append(target)
        return (listed("c", "b", after="b"), listed(after="a"), listed("0", after=None))[len(asked) - 1]

    with scripted(answer) as url:
        assert [task.id for task in TaskServer(url, None).tasks_of(ALICE.address, 20)] == ["c", "b", "0"]
        assert len(asked) == 3


def test_a_page_that_is_too_long_is_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older server's page of hundreds of notes is not read, and halved until it is; a single task ends the list."""
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 10_000)
    sizes: list[int] = []

    def answer(_: str, target: str) -> Answer:
        sizes.append(int(target.partition("limit=")[2].partition("&")[0]))
        return (200, {}, b" " * 20_000) if sizes[-1] > 50 else listed("a", after=None)

    with scripted(answer) as url:
        assert [task.id for task in TaskServer(url, None).tasks(TaskState.FINISHED)] == ["a"]
        assert sizes == [200, 100, 50]
    with (
        scripted(lambda *_: (200, {}, b" " * 20_000)) as url,
        pytest.raises(transport.AnswerTooLong, match="10,000 bytes"),
    ):
        list(TaskServer(url, None).tasks(TaskState.FINISHED))


@pytest.mark.parametrize("after", ["a", "b", "~~"])
def test_a_list_without_an_end(after: str) -> None:
    """A server whose cursor does not move on is left, with an error that names it."""
    with scripted(lambda *_: listed("a", after=after)) as url, pytest.raises(TaskServerError, match="without an end"):
        list(TaskServer(url, None).tasks(TaskState.FINISHED))


def test_a_refusal_has_its_name(server: Server) -> None:
    """What the server refuses is raised with the problem's name and details."""
    with pytest.raises(Refused) as no:
        TaskServer(server.url, EVE).lease(1)
    assert (no.value.name, no.value.details.status, no.value.may_pass) == ("not-registered", 403, False)
    with pytest.raises(Refused, match="another hotkey") as no:
        TaskServer(server.url, VALIDATOR).release(TaskServer(server.url, ALICE).lease(1).id)
    assert no.value.name == "not-yours"


def test_a_commitment_that_comes_late_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that passes within a block is waited out."""
    monkeypatch.setattr(transport, "_asked_s", lambda no: 0.2 if no.name == "commitment-missing" else None)
    said: list[str] = []

    def commit(line: str) -> None:
        said.append(line)
        server.subnet.commit(ALICE, LINE)

    miner = TaskServer(server.url, ALICE, say=commit)
    task = miner.lease(1)
    assert miner.finish(task.id, "alice/web", REVISION, ROOT).state is TaskState.FINISHED
    assert len(said) == 1
    assert "commitment-missing" in said[0]


def test_the_wrong_server_is_not_told_anything(server: Server) -> None:
    """Where the hotkey is pinned, a server with another one gets no signed request."""
    pinned = TaskServer(server.url, ALICE, receiver=EVE.address)
    with pytest.raises(UsageError, match="API_HOTKEY"):
        pinned.lease(1)
    assert server.store.tasks(0).tasks == []
    assert TaskServer(server.url, ALICE, receiver=SERVER.address).lease(1).hotkey == ALICE.address


def test_a_server_that_is_away_is_named() -> None:
    """Unreachable for the whole deadline: the URL, and what to check."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said: list[str] = []
        with pytest.raises(TaskServerUnavailable, match=url):
            TaskServer(url, ALICE, deadline_s=0.5, say=said.append).lease(1)
    assert said


def test_a_restart_is_survived() -> None:
    """A server that comes back within the deadline answers; each try is signed anew, so none is a replay."""
    failures = iter([503, 502, 500])

    def answer(_method: str, path: str) -> Answer:
        if path == "/v1/info":
            return 200, {}, info()
        status = next(failures, None)
        if status:
            return status, {}, b"<html>bad gateway</html>"
        return problem("no-work", 409, retry_after_s=600)

    with scripted(answer) as url, pytest.raises(Refused) as no:
        TaskServer(url, ALICE, deadline_s=30).lease(1)
    assert no.value.name == "no-work"
    assert no.value.details.retry_after_s == 600


def test_long_waits_are_the_callers() -> None:
    """A refusal that lasts is raised at once; the caller decides."""
    asked: list[str] = []

    def answer(_method: str, path: str) -> Answer:
        asked.append(path)
        status, headers, body = problem("window-full", 429)
        return (200, {}, info()) if path == "/v1/info" else (status, headers | {"Retry-After": "3600"}, body)

    with scripted(answer) as url, pytest.raises(Refused) as no:
        TaskServer(url, ALICE).lease(1)
    assert no.value.details.retry_after_s == 3600
    assert asked == ["/v1/info", "/v1/tasks/lease"]


def test_a_request_that_came_twice_is_made_again() -> None:
    """A proxy or a database that repeats a request has its answer refused as a replay; the next try is signed anew."""
    answers = iter([problem("not-authenticated", 401, reason="replayed"), problem("not-yours", 403)])

    def answer(method: str, target: str) -> Answer:
        return (200, {}, info()) if target == "/v1/info" else next(answers)

    with scripted(answer) as url, pytest.raises(Refused, match="not-yours"):
        TaskServer(url, ALICE).renew("0" * 32)


def test_a_wrong_clock_is_reported(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """How many seconds, and the command that mends it."""
    late = partial(http_auth.sign, nonce_ns=time.time_ns() - 95 * 10**9)
    monkeypatch.setattr(http_auth, "sign", late)
    with pytest.raises(Refused, match=r"9[56] s ago.*timedatectl"):
        TaskServer(server.url, ALICE).lease(1)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b""), (200, {}, b"{}"), (200, {}, b"[1]"), (200, {}, b"\xff\x00"), (200, {}, b"[" * 100_000),
        (200, {"Content-Encoding": "gzip"}, b"no gzip"), (200, {"Content-Length": "100"}, b"short"),
        (204, {}, b""), (302, {"Location": "http://127.0.0.1:1/"}, b""), (418, {}, b"teapot"), (404, {}, b"<html>"),
        (401, {}, b'{"type":"/problems/none","title":"","status":401,"detail":"\x1b[2J"}'),
        (403, {}, b'{"type":5}'), (200, {}, b"x" * (9 * 1024 * 1024)), (429, {"Retry-After": "x"}, b""),
        (503, {"Retry-After": "-1"}, b""), (409, {}, b"null"),
    ],
    ids=lambda answer: f"{answer[0]}-{answer[2][:12]!r}",
)  # fmt: skip
def test_nonsense_is_a_task_servers_error(answer: Answer) -> None:
    """Whatever comes back, the caller sees a TaskServerError in one line."""
    with scripted(lambda _method, _path: answer) as url:
        server = TaskServer(url, ALICE, deadline_s=0.4)
        for call in (server.info, lambda: server.lease(1), lambda: server.task("1"), lambda: server.tasks_of("5x")):
            with pytest.raises(TaskServerError) as error:
                call()
            assert "\n" not in str(error.value)
            assert "\x1b" not in str(error.value)


def test_a_silent_server_ends_at_the_deadline() -> None:
    """A server that takes connections and says nothing is given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(TaskServerUnavailable):
            TaskServer(f"http://127.0.0.1:{silent.getsockname()[1]}", None, deadline_s=0.5).info()
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "url", [None, "", "finest.example", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://u:p@x",
            "http://x/api", "http://x?a=b", "http://[::1"],
)  # fmt: skip
def test_an_invalid_address_is_refused(url: str | None) -> None:
    """Said before anything is sent, by the setting's name, without what a URL may hide."""
    with pytest.raises(UsageError, match="API_URL") as error:
        TaskServer(url, None)
    assert "u:p" not in str(error.value)
    if not url:
        assert ".env" in str(error.value)


def test_plain_http_is_warned_of() -> None:
    """Anywhere but on loopback."""
    said: list[str] = []
    for url in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://example.org"):
        TaskServer(url, None, say=said.append)
    assert said == []
    TaskServer("http://example.org", None, say=said.append)
    assert "https" in said[0]


def test_bad_arguments_are_the_callers_mistake(server: Server) -> None:
    """Nothing is sent that the server must refuse; a call that signs needs a hotkey."""
    miner = TaskServer(server.url, ALICE)
    for call in (
        lambda: miner.lease(0),
        lambda: miner.lease(1, crawl="../x"),
        lambda: miner.finish("1", "alice/web", "main", ROOT),
        lambda: TaskServer(server.url, None).lease(1),
    ):
        with pytest.raises(UsageError):
            call()


def test_threads_share_a_client(server: Server) -> None:
    """Renewals come from another thread than the work."""
    miner = TaskServer(server.url, ALICE)
    task, errors = miner.lease(1), []

    def renew() -> None:
        try:
            for _ in range(10):
                miner.renew(task.id)
        except TaskServerError as error:
            errors.append(error)

    threads = [threading.Thread(target=renew) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
