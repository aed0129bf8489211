"""The outside world on loopback: a bucket, its files over HTTP, the Hub and the chain, in one folder.

with Devnet(folder) as devnet:
    subprocess.run([...], env=devnet.process_environment())

FOLDER/devnet.json      what it is: ports and secrets, for its owner alone
FOLDER/bucket/          the objects, as plain files
FOLDER/hub/, chain/     what those services keep
FOLDER/run/, logs/      its processes: locks, process ids, what they said
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.devnet.bucket import Bucket
from finest.devnet.drivers import ChainDriver, CrawlDriver, HubDriver
from finest.devnet.environment import UNSET, devnet_environment
from finest.devnet.processes import POLL_S, ServiceProcess, answers, free_port, is_free
from finest.devnet.serve import TOKENS
from finest.devnet.state import NAME, SERVICES, Service, State, new_state, read_state, write_state
from finest.errors import DevnetError
from finest.settings import default_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

START_TRIES = 3
"""A port may be taken between its choice and its use; three tries in a row fail for another reason."""

START_S: dict[Service, float] = {"bucket": 60.0, "crawl": 60.0, "hub": 60.0, "chain": 240.0}
"""Longest wait for a service to answer. On an idle machine nanio needs 0.7 s and the chain 3 s, but its first start
fetches the runtime's metadata, which takes half a minute on a good line."""

QUIET_S = 5.0
"""After so long a person is told what is waited for."""

SLOW: dict[Service, str] = {"chain": "its first start fetches the metadata of the chain's runtime"}
"""Why a service may take long."""

TOKENS_S = 10.0
"""Longest wait for the Hub's tokens once it listens."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How one service is."""

    name: Service
    up: bool
    address: str
    pid: int | None
    problem: str | None = None
    """Why it is not up, in its own words."""


class Devnet:
    """A devnet in `folder`. As a context manager it is up inside, and its services end with this process at the latest.

    `services` leaves some out; `users` are the Hub's, each with a token, and `environment` holds the first one's;
    `cache` keeps the chain's metadata; `tied` ends the services with this process without a context manager too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        services: Sequence[Service] = SERVICES,
        users: Sequence[str] = (),
        netuid: int = 63,
        cache: Path | None = None,
        tied: bool = False,
    ) -> None:
        self.folder = folder.expanduser().absolute()
        self._services, self._users, self._netuid = tuple(services), list(users), netuid
        self._cache = cache or default_cache()
        self._tied = tied
        self._processes = {name: ServiceProcess(self.folder, name) for name in SERVICES}

    def __enter__(self) -> Devnet:
        """Up; raises DevnetError, with nothing left running, if a service that was asked for is not."""
        self._tied = True
        try:
            failed = [f"{one.name}: {one.problem}" for one in self.up() if not one.up]
            if failed:
                raise DevnetError(f"{self.folder}: " + "; ".join(failed))
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self, say: Callable[[str], None] = lambda _: None) -> list[ServiceStatus]:
        """Start what does not run; what runs is left alone, and what cannot start does not keep the others from it.

        `say` hears why it takes long, if it does.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone():
            self._prepare()
            self._start(say)
            if self._processes["bucket"].alive:
                self._fill()
        return self.status()

    def down(self) -> list[str]:
        """Stop all services; returns the names of those that ran."""
        if not self.exists:
            return []
        with self._alone():
            return [name for name, process in self._processes.items() if process.stop()]

    def remove(self) -> list[str]:
        """Stop it and throw away all that it holds; raises DevnetError if the folder is no devnet's."""
        read_state(self.folder)
        stopped = self.down()
        shutil.rmtree(self.folder)
        return stopped

    def status(self) -> list[ServiceStatus]:
        """How each service is; raises DevnetError where there is no devnet."""
        state = self.state
        return [self._status(name, state) for name in self._services]

    @property
    def exists(self) -> bool:
        """Whether there is a devnet in the folder, up or down."""
        return (self.folder / NAME).exists()

    @property
    def state(self) -> State:
        """What `devnet.json` says."""
        return read_state(self.folder)

    @property
    def tokens(self) -> dict[str, str]:
        """The Hub's users and their tokens; empty where the Hub never ran."""
        path = self.folder / TOKENS
        return json.loads(path.read_bytes()) if path.exists() else {}

    @property
    def bucket(self) -> Bucket:
        """The bucket and its credentials."""
        state = self.state
        return Bucket(state.address("bucket"), state.keys)

    @property
    def crawl(self) -> CrawlDriver:
        """The same files over HTTP: its address, its faults, what it was asked."""
        return CrawlDriver(self.state.address("crawl"))

    @property
    def hub(self) -> HubDriver:
        """The Hub: its address, its users' tokens, its faults, what it was asked."""
        return HubDriver(self.state.address("hub"), self.tokens)

    @property
    def chain(self) -> ChainDriver:
        """The chain: its address, and what tests do to it."""
        return ChainDriver(self.state.address("chain"))

    def environment(self, *, s3: bool = True) -> dict[str, str]:
        """What to set so that any program uses this devnet; without `s3` Common Crawl's files are read over HTTP."""
        state = self.state
        return devnet_environment(self.folder, state, self.tokens.get(state.users[0]), s3=s3)

    def process_environment(self, base: Mapping[str, str] | None = None, *, s3: bool = True) -> dict[str, str]:
        """A program's whole environment: `base` (default: this process's) less what leads away, and the devnet's."""
        kept = {k: v for k, v in (os.environ if base is None else base).items() if k not in UNSET}
        return kept | self.environment(s3=s3)

    def _prepare(self) -> None:
        """Make `devnet.json`, or give services that are down another port where theirs is taken."""
        if not self.exists:
            write_state(self.folder, new_state(self._netuid))
        state = self.state
        ports = {name: self._port(name, port) for name, port in state.ports.items()}
        users = list(dict.fromkeys([*self._users, *state.users]))
        if set(users) != set(state.users):
            self._processes["hub"].stop()  # it makes tokens when it starts
        changed = state.model_copy(update={"ports": ports, "users": users})
        if changed != state:
            write_state(self.folder, changed)

    def _fill(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.bucket.fill()
        except (BotoCoreError, ClientError) as error:
            log = self._processes["bucket"].log
            raise DevnetError(f"the bucket does not take the sample crawl: {error}; see {log}") from error

    def _port(self, name: Service, port: int) -> int:
        return port if self._processes[name].alive or is_free(port) else free_port()

    def _start(self, say: Callable[[str], None]) -> None:
        """Start all at once, then wait for each; one that found its port taken is started again on another."""
        for _ in range(START_TRIES):
            for name in self._services:
                self._processes[name].start(["--cache", str(self._cache)], tied=self._tied)
            ports = self.state.ports
            up = {name: self._wait(name, ports[name], say) for name in self._services}
            if all(up.values()) or not any(answers(ports[name]) for name, is_up in up.items() if not is_up):
                break
            self._prepare()
        if up.get("hub"):
            self._wait_for_tokens()

    def _wait(self, name: Service, port: int, say: Callable[[str], None]) -> bool:
        """Whether the service came up in time."""
        process = self._processes[name]
        if process.wait_until_up(port, QUIET_S):
            return True
        if process.alive:
            say(f"waiting for the {name}; {SLOW.get(name, f'its log is {process.log}')}")
        return process.wait_until_up(port, START_S[name])

    def _wait_for_tokens(self) -> None:
        deadline = time.monotonic() + TOKENS_S
        while not set(self.state.users) <= set(self.tokens) and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _status(self, name: Service, state: State) -> ServiceStatus:
        process = self._processes[name]
        pid, address = process.pid, state.address(name)
        if pid is None:
            return ServiceStatus(name, up=False, address=address, pid=None, problem=self._why_down(process))
        if not answers(state.ports[name]):
            return ServiceStatus(name, up=False, address=address, pid=pid, problem="it runs, but does not answer")
        return ServiceStatus(name, up=True, address=address, pid=pid)

    @staticmethod
    def _why_down(process: ServiceProcess) -> str:
        if not process.was_started:
            return "not started"
        words = process.last_words()
        return f"ended: {words}" if words else "killed, or ended without output"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts or stops services of this folder meanwhile."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
