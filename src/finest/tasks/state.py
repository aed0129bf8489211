"""Server state: the parts of the application that its routes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import Request

    from finest.tasks.authority import Authority
    from finest.tasks.leaderboard import Dashboard
    from finest.tasks.metrics import Metrics
    from finest.tasks.models import Rules
    from finest.tasks.shared_read import SharedRead
    from finest.tasks.signed_requests import RequestExecutor
    from finest.tasks.store import Store


@dataclass(frozen=True, slots=True)
class ServerState:
    """The parts of one application, made once by app.create_app."""

    store: Store
    rules: Rules
    authority: Authority
    executor: RequestExecutor
    metrics: Metrics
    dashboard: SharedRead[Dashboard]
    database_check: SharedRead[str]
    """Reason why the database cannot be written to; an empty string if it can."""
    hub: str
    on_close: tuple[Callable[[], None], ...]


def server_state(request: Request) -> ServerState:
    """The ServerState of the application that answers this request."""
    parts: ServerState = request.app.state.server
    return parts
