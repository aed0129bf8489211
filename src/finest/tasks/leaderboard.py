"""What anybody may see at a glance: statistics, leaderboard, the newest tasks. Read at once, at most every few seconds.

Counting a hundred thousand WARCs for each visitor would make the server slow for those who work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.tasks.models import Leader, Statistics, Task, TaskState

if TYPE_CHECKING:
    from finest.tasks.store import Store

FRESH_S = 5.0
"""Less than a block."""
REST = 20.0
"""With 50,000 finished tasks it takes some tenths of a second: more than a twentieth of the time it may not."""
MOST_LEADERS = 256
"""The seats of a subnet."""
NEWEST = 30


@dataclass(frozen=True, slots=True)
class Board:
    """The state of things at one block."""

    statistics: Statistics
    leaders: list[Leader]
    leased: list[Task]
    finished: list[Task]


def read_board(store: Store, block: int) -> Board:
    """Ask the database; blocking."""
    return Board(
        statistics=store.statistics(block),
        leaders=store.leaderboard(MOST_LEADERS),
        leased=store.tasks(block, state=TaskState.LEASED, limit=NEWEST).tasks,
        finished=store.tasks(block, state=TaskState.FINISHED, limit=NEWEST).tasks,
    )
