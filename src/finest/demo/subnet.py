"""Run a whole subnet on one machine: a devnet, a task server and miners, each in its own process.

    with Subnet(folder, miners=("alice", "bob")) as subnet:
        miner = subnet.mine("alice", "--once")
        miner.wait()
        subnet.tasks()

The processes run the ordinary commands; only their environment selects the devnet.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

import requests

from finest.chain.options import ChainOptions
from finest.chain.subnet import Chain
from finest.devnet.crawl import CRAWL
from finest.devnet.devnet import Devnet
from finest.devnet.processes import free_port
from finest.devnet.wallets import DevnetWallet, make_wallet
from finest.errors import DevnetError, TaskServerError
from finest.tasks.client import TaskServer
from finest.tasks.models import Leader, TaskPage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finest.tasks.models import Task

SERVER = "server"
"""The task server's wallet."""
START_S = 60.0
"""Longest wait for the task server to respond; it needs about two seconds."""
STOP_S = 20.0
POLL_S = 0.1


class Subnet:
    """A devnet with wallets, and a task server that leases its crawl, or the WARCs in a list; a context manager."""

    def __init__(
        self, folder: Path, miners: Sequence[str], *, cache: Path | None = None, rules: Sequence[str] = (),
        work: str | Path = CRAWL,
    ) -> None:  # fmt: skip
        self.folder = folder.expanduser().absolute()
        self.devnet = Devnet(self.folder / "devnet", users=miners, cache=cache)
        self.wallets: dict[str, DevnetWallet] = {}
        self.api_url = f"http://127.0.0.1:{free_port()}"
        self._miners, self._rules, self._work = tuple(miners), tuple(rules), work
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Subnet:
        self.devnet.__enter__()
        try:
            for name in (SERVER, *self._miners):
                self.add_wallet(name)
            self.run("tasks", "import", self._work)
            self.serve()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            stop(process)
        self.devnet.__exit__()

    def add_wallet(self, name: str, *, validator: bool = False) -> DevnetWallet:
        """Create a wallet that is registered on the subnet."""
        made = make_wallet(self.devnet.chain, self.folder / "wallets", name, validator=validator)
        self.wallets[name] = made
        return made

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment for a process of `name`: the devnet's, the task server's address and its own token."""
        own = {
            "API_URL": self.api_url,
            "API_HOTKEY": self.wallets[SERVER].hotkey_ss58,
            "DATABASE_URL": f"sqlite:///{self.folder / 'tasks.db'}",
            "HF_TOKEN": self.devnet.tokens.get(name, ""),
        }
        return self.devnet.process_environment() | own

    def start(self, name: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start `finest ARGUMENTS` as `name`, in its own folder; both outputs are in `stdout`.

        In its own folder it does not read the caller's `.env`, and in its own session it does not receive a Ctrl-C
        meant for the caller.
        """
        return self._start(name, arguments, environment, subprocess.PIPE)

    def run(self, *arguments: object, name: str = SERVER) -> str:
        """Run `finest ARGUMENTS` to its end and return its output; raise DevnetError if it fails."""
        done = subprocess.run(  # noqa: S603 - our own command
            command(*arguments), env=self.environment(name), cwd=self._home(name), text=True, capture_output=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise DevnetError(f"finest {' '.join(map(str, arguments))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def serve(self) -> subprocess.Popen[str]:
        """Start the task server and wait until it responds."""
        log = self._home(SERVER) / "serve.log"
        port = self.api_url.rpartition(":")[2]
        arguments = ("serve", "--port", port, *self.wallets[SERVER].flags, *self._rules)
        with log.open("a") as out:
            process = self._start(SERVER, arguments, {}, out)
        self._wait_for_server(process, log)
        return process

    def mine(self, name: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start a miner with its own wallet and its own work folder."""
        flags = (*self.wallets[name].flags, "--hf-repo", f"{name}/web")
        return self.start(name, "mine", *flags, *arguments, **environment)

    def validate(self, name: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start a validator with its own wallet (`add_wallet(name, validator=True)`)."""
        return self.start(name, "validate", *self.wallets[name].flags, *arguments, **environment)

    def weights(self, name: str) -> dict[str, float]:
        """Return that validator's weights on the chain by hotkey, as fractions of 1."""
        with Chain(ChainOptions.resolve(self.environment(name))) as chain:
            return chain.weights(self.wallets[name].hotkey_ss58)

    def tasks(self) -> list[Task]:
        """Return the server's tasks from its public API (at most 100)."""
        answer = requests.get(f"{self.api_url}/v1/tasks", params={"limit": "100"}, timeout=START_S)
        return TaskPage.model_validate_json(answer.content).tasks

    def leaderboard(self) -> list[Leader]:
        """Return the miners, best first, from the server's public API."""
        answer = requests.get(f"{self.api_url}/v1/leaderboard", timeout=START_S)
        return [Leader.model_validate(leader) for leader in answer.json()]

    def page(self) -> str:
        """Return the HTML of the task server's page."""
        return requests.get(self.api_url, timeout=START_S).text

    def _start(
        self, name: str, arguments: Sequence[object], environment: dict[str, str], out: int | IO[str]
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command(*arguments), env=self.environment(name) | environment, cwd=self._home(name), text=True,
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def _home(self, name: str) -> Path:
        home = self.folder / name
        home.mkdir(parents=True, exist_ok=True)
        return home

    def _wait_for_server(self, process: subprocess.Popen[str], log: Path) -> None:
        server, deadline = TaskServer(self.api_url, None, deadline_s=2.0), time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                server.info()
                return
            except TaskServerError:
                time.sleep(POLL_S)
        raise DevnetError(f"the task server does not answer at {self.api_url}; see {log}")


def command(*arguments: object) -> list[str]:
    """Return the command `finest ARGUMENTS` for this Python's own installation."""
    return [sys.executable, "-m", "finest.cli", *map(str, arguments)]


def stop(process: subprocess.Popen[str], sent: signal.Signals = signal.SIGTERM) -> None:
    """End a process that `Subnet` started, and all processes in its group."""
    for signal_ in (sent, signal.SIGKILL):
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal_)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            continue
    if process.stdout:
        process.stdout.close()
