"""The public log: numbered in the order of what happened, covered by hashes, and checked by anybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from finest.chain.commitments import CommitReceipt
from finest.chain.payload import Anchor, decode_anchor
from finest.errors import VerifyError
from finest.tasks import event_log
from finest.tasks import store as store_module
from finest.tasks.anchor import anchor_if_due
from finest.tasks.assignment import NO_ROOT, UNDRAWN, root_after
from finest.tasks.check_log import LogSummary, Seen, check_log, read_seen, write_seen
from finest.tasks.client import TaskServer
from finest.tasks.event_log import FIRST_HEAD, head_after
from finest.tasks.models import LogEntry, Rules, ScoreRequest
from finest.tasks.store import Store
from finest.tasks.tables import events
from tests.tasks.live_server import SERVER, serving
from tests.tasks.samples import CRAWL, paths, published

FAIL = ScoreRequest(verdict="fail", score=0.0)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "NUMBER_EVERY_S", -1.0)


def entries(store: Store) -> list[LogEntry]:
    """The whole log, in pages of three."""
    found: list[LogEntry] = []
    after: int | None = 0
    while after is not None:
        page = store.log(after, 3)
        found += page.entries
        after = page.next
    return found


def work(store: Store) -> None:
    """Two miners: leases that are renewed, released, finished, failed and expired."""
    store.add_warcs(CRAWL, paths(12))
    one, two = store.lease("5Alice", 4, 100), store.lease("5Bob", 2, 101)
    store.renew("5Alice", one.id, 150)
    store.finish("5Alice", one.id, **published(), block=160)
    store.report("5Validator", one.id, FAIL, 170)
    store.release("5Bob", two.id, 171)
    store.lease("5Bob", 4, 172)
    store.expire(10_000)


def test_a_log_tells_what_happened(store: Store) -> None:
    """Every event has its number and a hash over all before it, and a lease says what its WARCs follow from."""
    work(store)
    log = entries(store)
    assert [entry.what for entry in log] == [
        "imported", "leased", "leased", "renewed", "finished", "scored", "reopened", "released", "leased", "expired",
    ]  # fmt: skip
    assert [entry.number for entry in log] == list(range(1, 11))
    assert log[0].head == head_after(FIRST_HEAD, log[0].model_dump())
    root = root_after(NO_ROOT, paths(12))
    assert log[0].detail == {"crawl": CRAWL, "warcs": 12, "new": 12, "root": root}
    assert log[2].detail == {
        "crawl": CRAWL, "warcs": store.task(str(log[2].task_id), 101).warcs, "asked": 2, "redundancy": 1, "number": 1,
        "seen_block": 101, "beacon_block": 0, "beacon": UNDRAWN.hash, "expires_block": 1901,
        "price": 1.0,
    }  # fmt: skip
    summary = check_log(log, Seen())
    assert (summary.entries, summary.head, summary.block) == (10, log[-1].head, 10_000)
    assert check_log(log, Seen(4, log[3].head)).events["leased"] == 3


def test_an_empty_log_is_one(store: Store) -> None:
    """A server that has leased nothing yet has nothing to hide."""
    assert check_log(entries(store), Seen()) == LogSummary()


def test_events_of_many_writers_are_numbered_once_and_in_the_order_of_their_causes(store: Store) -> None:
    """Six miners that take each other's WARCs while two readers number what they wrote."""
    store.add_warcs(CRAWL, paths(8))

    def mine(name: str) -> None:
        for turn in range(6):
            try:
                task = store.lease(name, 2, 100 + turn)
            except store_module.leases.Problem:
                continue
            store.release(name, task.id, 100 + turn)

    def read() -> None:
        for _ in range(10):
            store.log(0, 1)

    threads = [threading.Thread(target=mine, args=(f"5Miner{number}",)) for number in range(6)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = entries(store)
    assert check_log(log, Seen()).events["leased"] == check_log(log, Seen()).events["released"] >= 6


Change = Callable[[list[dict[str, Any]]], object]
REWRITTEN: dict[str, tuple[Change, str]] = {
    "a score is changed": (lambda log: log[5]["detail"].update(verdict="pass"), "rewritten"),
    "a lease is given to a friend": (lambda log: log[2].update(hotkey="5Friend"), "rewritten|belongs to"),
    "an event is left out": (lambda log: log.pop(5), "rewritten|had 10"),
    "the newest events are left out": (lambda log: log.__delitem__(slice(8, None)), "had 10"),
    "an event is made up": (lambda log: log.insert(6, dict(log[5])), "rewritten"),
    "a WARC is leased twice": (lambda log: log[2]["detail"].update(warcs=log[1]["detail"]["warcs"][:2]), "which task"),
    "a miner gets its own WARC twice": (
        lambda log: (
            log[2].update(hotkey="5Alice"),
            log[2]["detail"].update(warcs=log[1]["detail"]["warcs"][:1], redundancy=2),
        ),
        "another task of the same miner",
    ),
    "a finish follows a release": (lambda log: log[7].update(what="renewed"), "rewritten"),
    "a lease expires early": (lambda log: log[9].update(block=200), "before its end"),
    "a task is scored unfinished": (lambda log: log[5].update(task_id=log[2]["task_id"]), "is scored while it is"),
    "a stranger releases a task": (lambda log: log[7].update(hotkey="5Eve"), "belongs to 5Bob"),
    "a list is no list": (lambda log: log[1]["detail"].update(warcs=7), "no server writes"),
    "a number is none": (lambda log: log[8]["detail"].update(redundancy=None), "redundancy"),
    "half a character": (lambda log: log[4]["detail"].update(repo="\ud800"), "no valid text"),
}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[LogEntry]:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('log') / 'tasks.db'}", Rules())
    work(store)
    log = entries(store)
    store.close()
    return log


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_server_that_rewrites_its_history_is_found_out(name: str, honest: list[LogEntry]) -> None:
    """Even if it computes all hashes anew: someone has seen the old head, or the new story contradicts itself."""
    change, says = REWRITTEN[name]
    log = [entry.model_dump() for entry in honest]
    change(log)
    head = FIRST_HEAD
    for number, entry in enumerate(log, 1):
        entry["number"] = number
        try:
            head = entry["head"] = head_after(head, entry)
        except UnicodeEncodeError:
            break
    with pytest.raises(VerifyError, match=says):
        check_log([LogEntry.model_construct(**entry) for entry in log], Seen(10, honest[-1].head))


def test_an_entry_that_is_changed_alone_does_not_have_its_hash(honest: list[LogEntry]) -> None:
    """Whoever reads one log needs no earlier head for this."""
    log = [entry.model_copy(deep=True) for entry in honest]
    log[5].detail["score"] = 1.0
    with pytest.raises(VerifyError, match="entry 6 of the log does not have the hash"):
        check_log(log, Seen())
    with pytest.raises(VerifyError, match="entry 3 of the log follows entry 1"):
        check_log([honest[0], *honest[2:]], Seen())


def test_what_was_seen_is_remembered(tmp_path: Path, honest: list[LogEntry]) -> None:
    """The next check compares; a damaged file is no reason to forget in silence."""
    place = tmp_path / "logs" / "server.json"
    assert read_seen(place) == Seen()
    write_seen(place, check_log(honest, Seen()))
    assert read_seen(place) == Seen(10, honest[-1].head)
    place.write_text("{}")
    with pytest.raises(VerifyError, match="is damaged"):
        read_seen(place)


def test_events_of_earlier_versions_are_numbered(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches, in the order in which they were written."""
    monkeypatch.setattr(event_log, "NUMBER_BATCH", 2)
    store = Store.open(sqlite_url, Rules())
    work(store)
    earlier = sa.update(events).where(events.c.what != "imported").values(detail={})
    store._database.write(lambda connection: connection.execute(earlier))
    summary = check_log(entries(store), Seen())
    assert (summary.entries, summary.without_warcs) == (10, 3)
    store.close()


class MadeChain:
    """The chain's part of anchoring, block by block."""

    def __init__(self) -> None:
        self.now, self.written = 10, list[tuple[Anchor, int]]()
        self.hotkey = SERVER

    def block(self) -> int:
        return self.now

    def anchor(self, hotkey: str) -> tuple[Anchor, int] | None:
        assert hotkey == SERVER.address
        return self.written[-1] if self.written else None

    def commit(self, line: str) -> CommitReceipt:
        anchor = decode_anchor(line)
        assert anchor
        self.written.append((anchor, self.now))
        return CommitReceipt(line, self.now, sent=True)


def test_the_newest_entry_is_anchored_once_a_day(sqlite_url: str) -> None:
    """Nothing while the log is empty or has not grown, and no second time within a day."""
    store, chain = Store.open(sqlite_url, Rules()), MadeChain()
    assert anchor_if_due(store, chain) is None
    work(store)
    newest = entries(store)[-1]
    assert anchor_if_due(store, chain) == Anchor(newest.number, newest.head)
    chain.now += 7200
    assert anchor_if_due(store, chain) is None
    store.lease("5Carol", 1, 20_000)
    chain.now -= 1
    assert anchor_if_due(store, chain) is None
    chain.now += 1
    assert anchor_if_due(store, chain) == store.log_head() == Anchor(11, entries(store)[-1].head)
    assert check_log(entries(store), *(Seen(one.number, one.head) for one, _ in chain.written)).entries == 11
    with pytest.raises(VerifyError, match="on the chain"):
        check_log(entries(store), Seen(9, "0" * 64, "on the chain at block 10"))
    store.close()


@pytest.mark.parametrize("text", ["fdlog1:0#" + "a" * 64, "fdlog1:1#" + "A" * 64, "fdlog1:1#aa", "fd1:x", None, 7])
def test_other_lines_are_no_anchors(text: object) -> None:
    """Whatever a hotkey may have committed."""
    assert decode_anchor(text) is None
    assert decode_anchor(Anchor(12, "a" * 64).line) == Anchor(12, "a" * 64)


@pytest.fixture
def address(sqlite_url: str) -> Iterator[str]:
    store = Store.open(sqlite_url, Rules())
    work(store)
    with serving(store, Rules()) as server:
        yield server.url
    store.close()


@pytest.mark.slow
def test_anybody_checks_a_server(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command's own words, over HTTP, without a wallet."""
    from finest.cli.tasks import tasks

    monkeypatch.setenv("API_URL", address)
    monkeypatch.setenv("FINEST_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    tasks(["verify"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "verified: 10 entries up to block 10,000" in said
    assert "3 leases got the WARCs that follow from the beacon and the lists" in said
    tasks(["verify"], standalone_mode=False)
    assert "the 10 entries of the last check are unchanged" in capsys.readouterr().out
    server = TaskServer(address, None)
    assert [entry.number for entry in server.log()] == list(range(1, 11))
    assert server.warcs_of(CRAWL) == paths(12)
    server.close()
