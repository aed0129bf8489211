"""The strategies of miners: what each leases, how well it works, and what it does afterwards."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.subnet.outcomes import COPIED, EMPTY, FORGED, GARBAGE, HONEST, Delivery
from bench.subnet.settings import DAY, LEASED_WARCS, Setting

LARGE = 4
"""How many times a small miner's work a large one does."""
HOTKEYS_OF_ONE = 4
"""Hotkeys of one operator, who does as much as one large miner."""
CYCLE = 4
"""Tasks after which each strategy begins anew."""
BLOCKS_A_WARC = 35
"""Blocks that refining and publishing a WARC take: seven minutes on one core."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a miner does with one lease."""

    warcs: int
    delivery: Delivery = HONEST
    work: float = 1.0
    """Honest work per WARC: 1 is refining it as the recipe says."""
    finishes: bool = True
    wait_blocks: int = 0
    """Blocks for which a finished dataset is held back."""
    deleted_after: int | None = None
    """Blocks after publishing at which the dataset is deleted."""

    @property
    def blocks(self) -> int:
        """Blocks from the lease to the commitment."""
        return max(10, round(self.warcs * self.work * BLOCKS_A_WARC)) + self.wait_blocks


@dataclass(slots=True)
class Miner:
    """One seat of a miner. A hotkey that is given up is replaced by the operator's next."""

    operator: str
    strategy: str
    tasks_a_day: float
    hotkey: str
    open_task: str | None = None
    """The last task that it leased; the server gives another one besides it."""
    leased: int = 0
    """Number of leases so far. It begins anywhere in `CYCLE`, so that those who change from task to task do not do so
    in step: in ten days the sizes of the first tasks would decide the pay for the work."""

    def job(self, draw: random.Random) -> Job:
        """Choose what to do with the next lease."""
        self.leased += 1
        return _JOBS.get(self.strategy, _honest)(self.leased, draw)


def _honest(_number: int, _draw: random.Random) -> Job:
    return Job(LEASED_WARCS)


def _empty(number: int, _draw: random.Random) -> Job:
    """Hide three large empty tasks behind each small honest one."""
    return Job(1) if number % 4 == 0 else Job(16, EMPTY, work=0.0)


def _mixed(number: int, _draw: random.Random) -> Job:
    return Job((1, 2, 8, 16)[number % 4])


def _partial(_number: int, _draw: random.Random) -> Job:
    """Work on 60 % of the pages."""
    return Job(LEASED_WARCS, Delivery("honest", recall=0.6), work=0.6)


def _griefer(number: int, _draw: random.Random) -> Job:
    """Burn WARCs: by garbage, or by holding leases without an end."""
    return Job(16, GARBAGE, work=0.0) if number % 2 else Job(16, work=0.0, finishes=False)


def _forger(_number: int, _draw: random.Random) -> Job:
    return Job(LEASED_WARCS, FORGED, work=0.95)


def _hoarder(_number: int, draw: random.Random) -> Job:
    """Hold finished work back for up to three days, to be paid when others are not."""
    return Job(LEASED_WARCS, wait_blocks=draw.randrange(DAY, 3 * DAY))


def _copier(_number: int, _draw: random.Random) -> Job:
    return Job(LEASED_WARCS, COPIED, work=0.0)


def _deleter(_number: int, _draw: random.Random) -> Job:
    """Work honestly, and delete the dataset two days after it was published."""
    return Job(LEASED_WARCS, deleted_after=2 * DAY)


_JOBS = {
    "empty tasks": _empty, "mixed sizes": _mixed, "partial": _partial, "griefer": _griefer, "forger": _forger,
    "re-registrant": _forger, "hoarder": _hoarder, "copier": _copier, "deleter": _deleter,
}  # fmt: skip
_TASKS_A_DAY = {"honest large": LARGE, "many hotkeys": LARGE / HOTKEYS_OF_ONE, "mixed sizes": 1, "empty tasks": 4}


def miners_of(setting: Setting, draw: random.Random) -> list[Miner]:
    """Return all miners of a setting."""
    found = []
    for strategy, number in setting.miners.items():
        hotkeys = HOTKEYS_OF_ONE if strategy == "many hotkeys" else 1
        for index in range(number):
            operator = f"{strategy} {index // hotkeys}"
            hotkey = f"{strategy}/{index}"
            found.append(Miner(operator, strategy, _TASKS_A_DAY.get(strategy, 1), hotkey, leased=draw.randrange(CYCLE)))
    return found


def new_hotkey(miner: Miner) -> None:
    """Give up a miner's hotkey for a new one of the same operator."""
    miner.hotkey += "+"
    miner.open_task = None
