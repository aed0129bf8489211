"""A validator as a process on a subnet of its own: what is committed becomes verdicts and weights, whatever happens."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

from finest.validator.evidence import is_signed, read_evidence

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet
    from finest.validator.models import Evidence

PATIENCE_S = 120.0
QUICK = ("--rows", "8", "--windows", "4", "--tokens", "10000")
"""An audit of some seconds."""


@pytest.fixture(scope="module")
def subnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subnet]:
    """Alice has finished two tasks and replaced her first line on the chain, Bob one, before any validator is there."""
    from finest.demo.subnet import Subnet

    with Subnet(tmp_path_factory.mktemp("subnet"), ("alice", "bob")) as up:
        up.devnet.chain.set_hyperparameter("WeightsSetRateLimit", 0)
        up.add_wallet("judge", validator=True)
        up.add_wallet("watcher")
        for names in (("alice", "bob"), ("alice",)):
            for miner in [up.mine(name, "--once", "--warcs", "1", "--cpus_per_task", "1") for name in names]:
                said, _ = miner.communicate(timeout=PATIENCE_S)
                assert miner.returncode == 0, said
        yield up


class Validator:
    """`finest validate`, and what it says."""

    def __init__(self, subnet: Subnet, name: str, *arguments: str) -> None:
        self.process = subnet.start(name, "validate", *subnet.wallets[name].flags, *QUICK, *arguments)
        self._lines: list[str] = []
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def _hear(self) -> None:
        assert self.process.stdout
        self._lines.extend(iter(self.process.stdout.readline, ""))

    def said(self) -> str:
        return "".join(self._lines)

    def wait_until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, self.said()
            assert self.process.poll() is None, self.said()
            time.sleep(0.05)

    def wait_until_said(self, words: str) -> None:
        self.wait_until(lambda: words in self.said())

    def ended(self) -> int:
        status = self.process.wait(PATIENCE_S)
        self._hearing.join(5)
        assert "Traceback" not in self.said(), self.said()
        return status

    def stop(self) -> float:
        """Seconds that it takes to end on SIGTERM; none of its processes is left."""
        begun = descendants(self.process.pid)
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.ended() == 128 + signal.SIGTERM
        took_s = time.monotonic() - began_s
        assert [pid for pid in begun if is_alive(pid)] == []
        return took_s


def descendants(pid: int) -> list[int]:
    found = [one for task in Path(f"/proc/{pid}/task").iterdir() for one in _children(pid, task.name)]
    return found + [one for child in found for one in descendants(child)]


def _children(pid: int, task: str) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def work(subnet: Subnet, name: str) -> Path:
    return subnet.folder / name / "finest-validator"


def queue(subnet: Subnet, statement: str) -> list[Any]:
    """Of the judge's queue; what is changed is committed."""
    with closing(sqlite3.connect(work(subnet, "judge") / "validator.db", timeout=60)) as database, database:
        return database.execute(statement).fetchall()


def later(subnet: Subnet) -> None:
    """The wait for what was put off is over."""
    queue(subnet, "UPDATE validator_submissions SET due_s = 0 WHERE verdict IS NULL")


def verdicts(subnet: Subnet) -> dict[str, list[str]]:
    """By miner, what the task server knows of its finished tasks."""
    found: dict[str, list[str]] = {"alice": [], "bob": []}
    for task in subnet.tasks():
        name = next(name for name in found if subnet.wallets[name].hotkey_ss58 == task.hotkey)
        found[name] += [score.verdict for score in task.scores]
    return found


def records(subnet: Subnet, name: str) -> dict[str, Evidence]:
    """A validator's evidence, by line."""
    found = [read_evidence(path) for path in sorted((work(subnet, name) / "evidence").glob("*.json"))]
    return {str(one.subject.submission.line): one for one in found}


def weights(subnet: Subnet) -> dict[int, int]:
    """The judge's, by uid, as the chain has them."""
    import bittensor as bt

    async def ask() -> Any:
        async with bt.Subtensor(subnet.devnet.chain.endpoint) as client:
            return await client.query(("SubtensorModule", "Weights"), [63, subnet.wallets["judge"].uid])

    return dict(asyncio.run(ask()) or [])


@pytest.mark.nightly
def test_a_verdict_for_every_line(subnet: Subnet) -> None:
    """Stopped in mid-verdict, without the Hub, without the task server: each line has one verdict, all are paid."""
    stopped_in_the_middle(subnet)
    with_trouble(subnet)
    nothing_is_judged_twice(subnet)
    assert_records_hold(subnet)


def stopped_in_the_middle(subnet: Subnet) -> None:
    """A Hub that says nothing: SIGTERM ends the verdict at once, and it is as if it had never begun."""
    from finest.devnet.hub.faults import Fault

    subnet.devnet.hub.add_faults(Fault(path="/api/datasets/", stall_s=30, times=5))
    judge = Validator(subnet, "judge")
    judge.wait_until_said("Judging ")
    judge.wait_until(lambda: len(descendants(judge.process.pid)) >= 1)
    assert judge.stop() < 10
    assert "3 new submissions to judge" in judge.said()
    assert queue(subnet, "SELECT count(*), sum(tries), count(verdict) FROM validator_submissions") == [(3, 0, 0)]
    subnet.devnet.hub.forget()


def with_trouble(subnet: Subnet) -> None:
    """Bob's repository is refused, then the task server is away: neither is his fault, and both pass."""
    from finest.devnet.hub.faults import Fault

    subnet.devnet.hub.add_faults(Fault(path="/api/datasets/bob/", status=403, times=1000))
    judge = Validator(subnet, "judge")
    judge.wait_until(lambda: verdicts(subnet)["alice"] == ["pass", "pass"])
    judge.wait_until_said("no verdict yet")
    assert verdicts(subnet)["bob"] == []
    subnet.devnet.hub.forget()
    server = next(one for one in subnet._processes if "serve" in one.args)
    server.send_signal(signal.SIGTERM)
    server.wait(PATIENCE_S)
    later(subnet)
    judge.wait_until_said("does not answer")
    subnet.serve()
    judge.wait_until(lambda: (later(subnet), verdicts(subnet)["bob"] == ["pass"])[1])
    uids = {name: subnet.wallets[name].uid for name in ("alice", "bob")}
    judge.wait_until(lambda: weights(subnet).keys() == set(uids.values()))
    found = weights(subnet)
    assert found[uids["alice"]] > found[uids["bob"]] > 0
    assert judge.stop() < 10


def nothing_is_judged_twice(subnet: Subnet) -> None:
    """Started again, it finds nothing to do but to set weights."""
    before = records(subnet, "judge")
    judge = Validator(subnet, "judge", "--once")
    assert judge.ended() == 0
    assert "Judging" not in judge.said()
    assert "Weights of 2 hotkeys set" in judge.said()
    assert (records(subnet, "judge"), verdicts(subnet)) == (before, {"alice": ["pass", "pass"], "bob": ["pass"]})


def assert_records_hold(subnet: Subnet) -> None:
    """Signed; of the hash that the task server was told; the same to somebody else, and scored by `finest score`."""
    found = records(subnet, "judge")
    lines = {str(task.commitment) for task in subnet.tasks() if task.commitment}
    assert (found.keys(), len(found)) == (lines, 3)
    assert all(is_signed(one) and 0.3 < (one.total or 0) < 1 for one in found.values())
    told = {score.evidence_sha256 for task in subnet.tasks() for score in task.scores}
    paths = sorted((work(subnet, "judge") / "evidence").glob("*.json"))
    from finest.validator.evidence import evidence_hash

    assert told == {evidence_hash(read_evidence(path)) for path in paths}
    said = json.loads(subnet.run("score", *paths, "--json", name="alice"))
    assert [one["score"] for one in said.values()] == [read_evidence(path).total for path in paths]
    assert "2 passed" not in subnet.run("score", "--work", work(subnet, "judge"), name="alice")
    process = subnet.start("alice", "audit", "--replay", paths[0], FINEST_CACHE=str(subnet.folder / "other-cache"))
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "same result: pass" in said) == (0, True), said


@pytest.mark.nightly
def test_a_watcher_judges_alone(subnet: Subnet, postgres_url: str) -> None:
    """On PostgreSQL, without a permit: it looks at other rows, reports nothing, sets no weights, and says so."""
    before = verdicts(subnet)
    watcher = Validator(subnet, "watcher", "--once", "--database", postgres_url)
    assert watcher.ended() == 0, watcher.said()
    assert "has no validator permit on subnet 63" in watcher.said()
    assert watcher.said().count("does not take the verdict") == 1
    assert "weights could not be set" in watcher.said()
    assert verdicts(subnet) == before
    ours, theirs = records(subnet, "watcher"), records(subnet, "judge")
    assert ours.keys() == {str(task.commitment) for task in subnet.tasks() if task.commitment}
    assert {one.verdict for one in ours.values()} == {"pass"}
    for line in ours.keys() & theirs.keys():
        assert ours[line].subject.seed != theirs[line].subject.seed
        assert [row.number for row in ours[line].rows] != [row.number for row in theirs[line].rows]
    said = json.loads(subnet.run("score", "--database", postgres_url, "--json", name="watcher"))
    assert (said["waiting"], said["verdicts"]) == (0, {"pass": 3})


@pytest.mark.nightly
def test_it_stops_though_the_chain_hangs(subnet: Subnet) -> None:
    """SIGTERM in the middle of a read that nobody answers: the process ends, and so do the connections."""
    judge = Validator(subnet, "judge")
    judge.wait_until_said("Weights of")
    subnet.devnet.chain.set_faults(stall_s=60.0)
    try:
        time.sleep(3.0)  # a look is due each 1.25 s: by now one hangs
        assert judge.stop() < 20
    finally:
        subnet.devnet.chain.set_faults(stall_s=0.0)
