"""The inputs of the doctor's checks: settings, flags, and shared values that are fetched once."""

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
"""Timeout for the subnet's view: it takes under 5 s on a good connection, which may have to be replaced once."""
SERVER_S = 10.0
"""Timeout for the task server's answer, which comes from its memory."""


class Once(Generic[T]):
    """A value that is fetched on first use; concurrent callers wait for it. An error is kept and raised again."""

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
    """The task server's information about itself, with the local times of the request and the answer."""

    info: ServerInfo
    asked_at_s: float
    answered_at_s: float

    @property
    def ahead_s(self) -> float:
        """Minimum seconds by which this machine's clock is ahead of the server's (negative: behind).

        It is 0 if the server's time is between request and answer.
        """
        if self.info.time_s < self.asked_at_s:
            return self.asked_at_s - self.info.time_s
        return min(0.0, self.answered_at_s - self.info.time_s)


@dataclass
class Subject:
    """The set-up to check. Nothing is fetched until a check needs it."""

    settings: Settings
    chain_options: ChainOptions
    role: Role = "miner"
    repo: str | None = None
    """`--hf-repo`, with or without its owner."""
    work: Path = Path("finest-work")
    executor: str = "local"
    recipe: str = "fineweb"
    workers: int | None = None
    """Workers of a miner (None: one per processor), or parallel verdicts of a validator."""
    database: str | None = None
    """`--database` of a validator; None means a file in its work folder."""
    chain: Once[Chain] = field(init=False)
    view: Once[SubnetView] = field(init=False)
    server: Once[Answer] = field(init=False)
    hub_user: Once[dict[str, Any]] = field(init=False)
    """The Hub's answer to `whoami`, which does not contain the token."""

    def __post_init__(self) -> None:
        self.chain = Once(self._open_chain)
        self.view = Once(lambda: self.chain().view())
        self.server = Once(self._ask_server)
        self.hub_user = Once(_whoami)

    @property
    def command(self) -> str:
        """The command that starts the role's work."""
        return {"miner": "finest mine", "validator": "finest validate"}[self.role]

    def full_repo(self) -> str:
        """Return `owner/name`; asks the Hub for the owner if `--hf-repo` names none."""
        repo = self.repo or ""
        return repo if "/" in repo else f"{self.hub_user()['name']}/{repo}"

    def close(self) -> None:
        """Close the connection to the chain, if it is open."""
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
