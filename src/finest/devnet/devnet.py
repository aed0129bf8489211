"""A devnet: the external services on loopback (a bucket, its files over HTTP, the Hub and the chain) in one folder.

with Devnet(folder) as devnet:
    subprocess.run([...], env=devnet.process_environment())

FOLDER/devnet.json      its ports and secrets, readable only by its owner
FOLDER/bucket/          the objects, as plain files
FOLDER/hub/, chain/     the data of those services
FOLDER/run/, logs/      locks, process ids and logs of its processes
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
"""Tries to start the services. Another program may take a port between its choice and its use, but if three tries in a
row fail, the reason is another one."""

START_S: dict[Service, float] = {"bucket": 60.0, "crawl": 60.0, "hub": 60.0, "chain": 240.0}
"""Longest wait for a service to respond. On an idle machine nanio needs 0.7 s and the chain 3 s, but the chain's first
start fetches the runtime's metadata, which takes half a minute on a fast connection."""

QUIET_S = 5.0
"""Seconds after which `say` reports which service the devnet is waiting for."""

SLOW: dict[Service, str] = {"chain": "its first start fetches the metadata of the chain's runtime"}
"""Reasons why a service may start slowly."""

TOKENS_S = 10.0
"""Longest wait for the Hub's tokens once it listens."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The status of one service."""

    name: Service
    up: bool
    address: str
    pid: int | None
    problem: str | None = None
    """Why it is not up, from its own log where possible."""


class Devnet:
    """A devnet in `folder`. As a context manager it is up inside the block and down after it.

    `services` selects the services to start; `users` are the Hub's users, each with a token, and `environment` contains
    the first one's token; `cache` holds the chain's metadata. Inside the context manager, or with `tied`, the services
    end when this process ends.
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
        """Start the devnet; if a requested service does not start, stop all of them and raise DevnetError."""
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
        """Start the services that are not running; a service that fails to start does not prevent the others.

        `say` is called with the reason if a service takes long.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone():
            self._prepare()
            self._start(say)
            if self._processes["bucket"].alive:
                self._fill()
        return self.status()

    def down(self) -> list[str]:
        """Stop all services; return the names of those that were running."""
        if not self.exists:
            return []
        with self._alone():
            return [name for name, process in self._processes.items() if process.stop()]

    def remove(self) -> list[str]:
        """Stop the devnet and delete all its data; raise DevnetError if the folder is not a devnet."""
        read_state(self.folder)
        stopped = self.down()
        shutil.rmtree(self.folder)
        return stopped

    def status(self) -> list[ServiceStatus]:
        """Return the status of each service; raise DevnetError if there is no devnet."""
        state = self.state
        return [self._status(name, state) for name in self._services]

    @property
    def exists(self) -> bool:
        """Whether there is a devnet in the folder, up or down."""
        return (self.folder / NAME).exists()

    @property
    def state(self) -> State:
        """The contents of `devnet.json`."""
        return read_state(self.folder)

    @property
    def tokens(self) -> dict[str, str]:
        """The Hub's users and their tokens; empty if the Hub never ran."""
        path = self.folder / TOKENS
        return json.loads(path.read_bytes()) if path.exists() else {}

    @property
    def bucket(self) -> Bucket:
        """The bucket and its credentials."""
        state = self.state
        return Bucket(state.address("bucket"), state.keys)

    @property
    def crawl(self) -> CrawlDriver:
        """The driver of the HTTP server for the bucket's files: its address, faults and requests."""
        return CrawlDriver(self.state.address("crawl"))

    @property
    def hub(self) -> HubDriver:
        """The driver of the Hub: its address, its users' tokens, its faults and requests."""
        return HubDriver(self.state.address("hub"), self.tokens)

    @property
    def chain(self) -> ChainDriver:
        """The driver of the chain: its address, and the changes that tests make to it."""
        return ChainDriver(self.state.address("chain"))

    def environment(self, *, s3: bool = True) -> dict[str, str]:
        """Return the variables that make any program use this devnet; without `s3`, it reads Common Crawl over HTTP."""
        state = self.state
        return devnet_environment(self.folder, state, self.tokens.get(state.users[0]), s3=s3)

    def process_environment(self, base: Mapping[str, str] | None = None, *, s3: bool = True) -> dict[str, str]:
        """Return a program's whole environment: `base` (default: this process's) without the variables in `UNSET`, plus
        the devnet's.
        """
        kept = {k: v for k, v in (os.environ if base is None else base).items() if k not in UNSET}
        return kept | self.environment(s3=s3)

    def _prepare(self) -> None:
        """Create `devnet.json`, or assign new ports to services that are down and whose port is taken."""
        if not self.exists:
            write_state(self.folder, new_state(self._netuid))
        state = self.state
        ports = {name: self._port(name, port) for name, port in state.ports.items()}
        users = list(dict.fromkeys([*self._users, *state.users]))
        if set(users) != set(state.users):
            self._processes["hub"].stop()  # the Hub creates tokens when it starts
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
        """Start all services at once, then wait for each; if one found its port taken, start it on another port."""
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
        """Wait for the service; return whether it came up in time."""
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
        """Hold the lock that prevents other processes from starting or stopping services of this folder."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
