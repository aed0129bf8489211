"""Miners, task server, chain and Hub as processes, and what can go wrong between them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet

LEASE_BLOCKS = 120
"""Half a minute on the devnet's chain (four blocks a second): time to restart a miner, and a lease that can end."""
SLACK_S = 2.0
PATIENCE_S = 600.0
LONGEST_LINE = 128
STEPS = ("leased", "refined", "published", "committed")


@pytest.fixture
def subnet(tmp_path: Path) -> Iterator[Subnet]:
    from finest.demo.subnet import Subnet

    with Subnet(tmp_path, ("alice", "bob", "carol"), rules=("--lease-blocks", str(LEASE_BLOCKS))) as up:
        up.devnet.chain.set_hyperparameter("Tempo", 10_000)  # one epoch, so that its bytes count all commitments
        yield up


@pytest.mark.nightly
def test_every_warc_is_refined_and_committed_once(subnet: Subnet) -> None:
    """One miner is killed at each step, one has no Hub for a while, one loses its lease: nothing lost or doubled."""
    with Gate(subnet.devnet.hub.endpoint) as gate:
        carol = Miner(subnet, "carol")
        lost = carol.wait_for_task()
        carol.freeze()
        bob = Miner(subnet, "bob", HF_ENDPOINT=gate.address)
        killed_at_each_step(subnet, "alice")
        bob.wait_until(lambda: "no answer" in bob.said())
        gate.open()
        wait_until(lambda: state_of(subnet, lost) == "expired")
        time.sleep(SLACK_S)  # until the miner's own clock says so too
        carol.thaw()
        alice = Miner(subnet, "alice")
        wait_until(lambda: len(finished_warcs(subnet)) == 4, (alice, bob, carol))
        wait_until(lambda: "lost" in carol.said())
        for miner in (alice, bob, carol):
            miner.stop()
    assert_nothing_is_doubled(subnet)


def assert_nothing_is_doubled(subnet: Subnet) -> None:
    """Every WARC in one finished task; one revision, one commitment of each task.

    A lease can be lost on a busy machine after its dataset was published, or even committed: then the server gives its
    WARCs out again, and a revision (a commitment) is left that belongs to no finished task. So a miner has one of each
    for each task that it finished, and at most one more for each that it lost.
    """
    tasks = list(subnet.tasks())
    done = [task for task in tasks if task.state.value == "finished"]
    assert Counter(warc for task in done for warc in task.warcs).most_common(1)[0][1] == 1
    assert len({task.revision for task in done}) == len(done)
    for name in ("alice", "bob", "carol"):
        hotkey = subnet.wallets[name].hotkey_ss58
        mine = [task for task in done if task.hotkey == hotkey]
        lost = sum(task.hotkey == hotkey and task.state.value == "expired" for task in tasks)
        made = revisions(subnet, name)
        assert {task.revision for task in mine} <= set(made), name
        assert len(mine) <= len(made) <= len(mine) + lost, name
        size = sum(_charged(task.commitment or "") for task in mine)
        assert size <= committed_bytes(subnet, name) <= size + lost * _charged("x" * LONGEST_LINE), name


def _charged(line: str) -> int:
    """What a commitment counts against a hotkey's bytes: no less than 100."""
    return max(100, len(line))


def killed_at_each_step(subnet: Subnet, name: str) -> None:
    """Kill a miner as soon as its journal shows a step, and start it again, up to the last step but one."""
    for step in STEPS:
        miner = Miner(subnet, name, "--once")
        miner.wait_for_step(step)
        miner.kill()


class Miner:
    """`finest mine`, and what it says and writes down."""

    def __init__(self, subnet: Subnet, name: str, *arguments: str, **environment: str) -> None:
        self.subnet, self.name = subnet, name
        self.process = subnet.mine(name, "--warcs", "1", "--cpus_per_task", "1", *arguments, **environment)
        self._lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        self._lines.extend(iter(self.process.stdout.readline, ""))

    def said(self) -> str:
        return "".join(self._lines)

    def journals(self) -> list[Any]:
        folder = self.subnet.folder / self.name / "finest-work" / "tasks"
        return [json.loads(path.read_bytes()) for path in folder.glob("*/journal.json")]

    def steps(self) -> set[str]:
        return {step for journal in self.journals() for step in STEPS if journal[step]}

    def wait_for_task(self) -> str:
        self.wait_until(lambda: bool(self.journals()))
        return str(self.journals()[0]["task"]["id"])

    def wait_for_step(self, step: str) -> None:
        self.wait_until(lambda: step in self.steps())

    def wait_until(self, true: Callable[[], bool]) -> None:
        wait_until(true, (self,))

    def freeze(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(300)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(300) is not None


class Gate:
    """A port that leads nowhere until it is opened."""

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition("/")[2].partition(":")
        self._target = (host, int(port))
        self._sockets = [socket.socket()]
        self._sockets[0].bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._sockets[0].getsockname()[1]}"

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def open(self) -> None:
        self._sockets[0].listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed at the end
            while True:
                near, _ = self._sockets[0].accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # either side may be gone
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def wait_until(true: Callable[[], bool], miners: tuple[Miner, ...] = ()) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        said = "\n".join(f"--- {miner.name}: {miner.said()[-2000:]}" for miner in miners)
        assert time.monotonic() < deadline, said
        assert all(miner.process.poll() is None for miner in miners), said
        time.sleep(0.02)


def state_of(subnet: Subnet, task_id: str) -> str:
    return next(task.state.value for task in subnet.tasks() if task.id == task_id)


def finished_warcs(subnet: Subnet) -> list[str]:
    return [warc for task in subnet.tasks() if task.state.value == "finished" for warc in task.warcs]


def revisions(subnet: Subnet, name: str) -> list[str]:
    """The commits that put a dataset into a miner's repository."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=subnet.devnet.hub.endpoint, token=subnet.devnet.tokens[name])
    if not api.repo_exists(f"{name}/web", repo_type="dataset"):
        return []
    commits = api.list_repo_commits(f"{name}/web", repo_type="dataset")
    return [one.commit_id for one in commits if "root" in one.title]


def committed_bytes(subnet: Subnet, name: str) -> int:
    """What the chain has counted for a hotkey's commitments in this epoch."""
    import bittensor as bt

    async def ask() -> Any:
        async with bt.Subtensor(subnet.devnet.chain.endpoint) as client:
            return await client.query(("Commitments", "UsedSpaceOf"), [63, subnet.wallets[name].hotkey_ss58])

    return int((asyncio.run(ask()) or {}).get("used_space", 0))
