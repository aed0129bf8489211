"""What the doctor looks at: settings, flags, and what several checks ask for but one fetches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from finest.chain.options import ChainOptions
from finest.settings import Settings

if TYPE_CHECKING:
    from finest.chain.subnet import Chain
    from finest.chain.view import SubnetView
    from finest.tasks.models import ServerInfo

T = TypeVar("T")
Role = Literal["miner", "validator"]

VIEW_S = 25.0
"""Deadline of the subnet's view: under 5 s on a good line, and one connection may have to be replaced."""
SERVER_S = 10.0
"""Deadline of the task server's answer, which is made of what it holds in memory."""


class Once(Generic[T]):
    """A value that is fetched when it is first asked for; whoever asks meanwhile waits. An error is kept as well."""

    def __init__(self, fetch: Callable[[], T]) -> None:
        self._fetch, self._lock = fetch, threading.Lock()
        self.value: T | None = None
        self._error: Exception | None = None

    def __call__(self) -> T:
        with self._lock:
            if self.value is None and self._error is None:
                try:
                    self.value = self._fetch()
                except Exception as error:  # noqa: BLE001 - raised again for each check that asks
                    self._error = error
            if self.value is None:
                raise self._error or RuntimeError("nothing was fetched")
            return self.value


@dataclass(frozen=True, slots=True)
class Answer:
    """What the task server says of itself, and when it said so by this machine's clock."""

    info: ServerInfo
    asked_at_s: float
    answered_at_s: float

    @property
    def ahead_s(self) -> float:
        """How far this machine's clock is at least ahead of the server's; 0 where that spoke between question and
        answer.
        """
        if self.info.time_s < self.asked_at_s:
            return self.asked_at_s - self.info.time_s
        return min(0.0, self.answered_at_s - self.info.time_s)


@dataclass
class Subject:
    """One set-up. Nothing is fetched before a check asks."""

    settings: Settings
    chain_options: ChainOptions
    role: Role = "miner"
    repo: str | None = None
    """`--hf-repo`, with its owner or without."""
    work: Path = Path("finest-work")
    executor: str = "local"
    recipe: str = "fineweb"
    workers: int | None = None
    """As many as the miner would start, None: as the machine has processors; verdicts at a time of a validator."""
    database: str | None = None
    """`--database` of a validator; None: a file in its work folder."""
    chain: Once[Chain] = field(init=False)
    view: Once[SubnetView] = field(init=False)
    server: Once[Answer] = field(init=False)
    hub_user: Once[dict[str, Any]] = field(init=False)
    """The Hub's answer to `whoami`; it holds no token."""

    def __post_init__(self) -> None:
        self.chain = Once(self._open_chain)
        self.view = Once(lambda: self.chain().view())
        self.server = Once(self._ask_server)
        self.hub_user = Once(_whoami)

    @property
    def command(self) -> str:
        """What the role's work is started with."""
        return {"miner": "finest mine", "validator": "finest validate"}[self.role]

    def full_repo(self) -> str:
        """`owner/name`; the Hub is asked for the owner where none is named."""
        repo = self.repo or ""
        return repo if "/" in repo else f"{self.hub_user()['name']}/{repo}"

    def close(self) -> None:
        """End the connection to the chain, if there is one."""
        if self.chain.value is not None:
            self.chain.value.close()

    def _open_chain(self) -> Chain:
        from finest.chain.subnet import Chain

        return Chain(self.chain_options, read_deadline_s=VIEW_S)

    def _ask_server(self) -> Answer:
        from finest.tasks.client import TaskServer

        server = TaskServer(self.settings.api_url or "", None, deadline_s=SERVER_S)
        try:
            asked_at_s = time.time()
            info = server.info()
            return Answer(info, asked_at_s, time.time())
        finally:
            server.close()


def _whoami() -> dict[str, Any]:
    from finest.dataset.permissions import whoami

    return whoami()
