"""What the application was made of, for its routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import Request

    from finest.tasks.authority import Authority
    from finest.tasks.leaderboard import Board
    from finest.tasks.metrics import Metrics
    from finest.tasks.models import Rules
    from finest.tasks.shared_read import Fresh
    from finest.tasks.signed_requests import Desk
    from finest.tasks.store import Store


@dataclass(frozen=True, slots=True)
class Served:
    """What the routes work with."""

    store: Store
    rules: Rules
    authority: Authority
    desk: Desk
    metrics: Metrics
    board: Fresh[Board]
    database_works: Fresh[str]
    """What keeps the database from its work; empty where nothing does."""
    hub: str
    closing: tuple[Callable[[], None], ...]


def served(request: Request) -> Served:
    """The parts of the application that answers this request."""
    parts: Served = request.app.state.served
    return parts
