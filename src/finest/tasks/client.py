"""The task server's client: what miners and validators call. (Contract; the body is being written.)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.errors import TaskServerError
from finest.tasks.models import ScoreRequest, ServerInfo, Task
from finest.tasks.problems import ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.chain.wallet import Hotkey


class Refused(TaskServerError):
    """The server answered, and said no. `name` is one of problems.KINDS."""

    def __init__(self, name: str, details: ProblemDetails) -> None:
        super().__init__(details.detail)
        self.name, self.details = name, details


class TaskServer:
    """One task server, asked in the name of one hotkey. Blocking; safe to use from any thread."""

    def __init__(
        self, url: str, hotkey: Hotkey | None, *, receiver: str | None = None, deadline_s: float = 60.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None: ...  # fmt: skip

    def info(self) -> ServerInfo: ...  # type: ignore[empty-body]
    def lease(self, warcs: int, *, crawl: str | None = None, besides: str | None = None) -> Task: ...  # type: ignore[empty-body]
    def renew(self, task_id: str) -> Task: ...  # type: ignore[empty-body]
    def finish(self, task_id: str, repo: str, revision: str, root: str) -> Task: ...  # type: ignore[empty-body]
    def release(self, task_id: str) -> Task: ...  # type: ignore[empty-body]
    def report(self, task_id: str, score: ScoreRequest) -> Task: ...  # type: ignore[empty-body]
    def task(self, task_id: str) -> Task: ...  # type: ignore[empty-body]
    def task_by_commitment(self, hotkey: str, line: str) -> Task: ...  # type: ignore[empty-body]
    def tasks_of(self, hotkey: str, limit: int = 20) -> list[Task]: ...  # type: ignore[empty-body]
    def close(self) -> None: ...
