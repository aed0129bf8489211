"""The public dashboard: statistics, leaderboard and the newest tasks, read together at most every few seconds.

Counting a hundred thousand WARCs for each visitor would slow the server down for the miners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.tasks.models import Leader, Statistics, Task, TaskState

if TYPE_CHECKING:
    from finest.tasks.store import Store

DASHBOARD_MAX_AGE_S = 5.0
"""Age up to which a dashboard is shown again: less than one block."""
DASHBOARD_PAUSE_FACTOR = 20.0
"""A dashboard is reused for at least 20 times as long as reading it took, so reading takes at most a twentieth of the
time. With 50,000 finished tasks one read takes some tenths of a second."""
MAX_LEADERS = 256
"""The number of neurons that a subnet can have."""
NEWEST = 30


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Statistics, leaderboard and newest tasks at one block."""

    statistics: Statistics
    leaders: list[Leader]
    leased: list[Task]
    finished: list[Task]


def read_dashboard(store: Store, block: int) -> Dashboard:
    """Read the dashboard from the database; blocking."""
    return Dashboard(
        statistics=store.statistics(block),
        leaders=store.leaderboard(MAX_LEADERS),
        leased=store.tasks(block, state=TaskState.LEASED, limit=NEWEST).tasks,
        finished=store.tasks(block, state=TaskState.FINISHED, limit=NEWEST).tasks,
    )
