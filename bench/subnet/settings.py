"""Who takes part in the simulation, how much each does, and what the world does to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

DAY = 7200
"""Blocks of 12 s in a day."""
TEMPO = 360
"""Blocks between two epochs of the main network's subnets."""
LEASED_WARCS = 4
"""WARCs of a task by the product's default."""
REFINE_CPU_S = 420.0
"""CPU seconds to refine one WARC of Common Crawl: seven core-minutes with recipe `fineweb`."""
VERDICT_CPU_S = 65.0
"""CPU seconds of one verdict: the middle of 50 to 80, which a default audit was estimated to take."""

_MINERS = {
    "honest small": 16, "honest large": 4, "many hotkeys": 4, "mixed sizes": 3, "partial": 3, "empty tasks": 3,
    "griefer": 5, "forger": 2, "hoarder": 2, "copier": 2, "deleter": 3, "re-registrant": 3,
}  # fmt: skip
"""A tenth are griefers."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One simulated subnet."""

    name: str
    days: int
    miners: Mapping[str, int]
    """Number of hotkeys by strategy."""
    validators: Mapping[str, int]
    """Number of validators by kind."""
    groups: int = 1
    """Honest validators that have a queue of their own; the others set the weights of one of these."""
    load: float = 0.7
    """Tasks of a day divided by the verdicts that a validator can give in a day."""
    colluding_stake: float = 0.2
    """The colluders' share of the stake."""
    lazy_stake: float = 0.1
    copier_stake: float = 0.1
    weigh_blocks: int = 5 * TEMPO
    """Blocks between two computations of weights; a tempo on the main network, more to save time here."""
    reveal_epochs: int = 1
    """Epochs after which weights are visible to copiers (commit-reveal)."""
    supply: tuple[tuple[int, float], ...] = ((0, 0.3), (0, 2.0), (15, 1.0))
    """Crawls: the day on which each is added, and its WARCs divided by those that honest miners can refine in all days.
    WARCs of the first are leased first; coverage is theirs."""
    outage: tuple[int, int] = (8, 9)
    """First day without the task server, and the day on which it is back."""
    hub_publishes: int = 30
    """Datasets that the Hub takes in a tempo; later ones wait for the next."""
    warm_up_days: int = 5
    """Days at the beginning that no figure of pay counts: a new hotkey is paid less at first."""

    @property
    def neurons(self) -> int:
        """Number of seats."""
        return sum(self.miners.values()) + sum(self.validators.values())


SMALL = Setting(
    "small", days=4, miners={who: max(1, number // 3) for who, number in _MINERS.items()} | {"many hotkeys": 4},
    validators={"honest": 3, "slow": 1, "copier": 1, "lazy": 1, "colluding": 1}, outage=(2, 3),
    supply=((0, 0.3), (0, 4.0)), weigh_blocks=10 * TEMPO, warm_up_days=1,
)  # fmt: skip
"""For the everyday test: a few seconds."""
SHORT = replace(SMALL, name="short", days=10, warm_up_days=4, outage=(6, 7))
"""Ten days of the small setting: six seconds of CPU time a seed."""
STANDARD = Setting(
    "standard", days=30, miners=_MINERS, groups=2,
    validators={"honest": 7, "slow": 1, "copier": 2, "lazy": 2, "colluding": 2},
)  # fmt: skip
"""64 neurons, 14 of them validators: the same shares as in the full setting, a quarter of the size."""
FULL = Setting(
    "full", days=30,
    miners={
        "honest small": 64, "honest large": 14, "many hotkeys": 16, "mixed sizes": 11, "partial": 11, "empty tasks": 11,
        "griefer": 20, "forger": 9, "hoarder": 9, "copier": 9, "deleter": 9, "re-registrant": 9,
    },
    validators={"honest": 36, "slow": 7, "copier": 7, "lazy": 7, "colluding": 7}, hub_publishes=120,
)  # fmt: skip
"""256 neurons, 64 of them validators."""
FULL_SHORT = replace(FULL, name="full-short", days=10, warm_up_days=4, outage=(6, 7))
"""Ten days of the full setting."""
HALF = Setting(
    "half", days=30,
    miners={
        "honest small": 32, "honest large": 7, "many hotkeys": 8, "mixed sizes": 6, "partial": 5, "empty tasks": 5,
        "griefer": 10, "forger": 4, "hoarder": 4, "copier": 5, "deleter": 5, "re-registrant": 5,
    },
    validators={"honest": 18, "slow": 4, "copier": 3, "lazy": 3, "colluding": 4}, hub_publishes=60,
)  # fmt: skip
"""128 neurons, 32 of them validators: the seats that one of two mechanisms has."""
SETTINGS = {one.name: one for one in (SMALL, SHORT, STANDARD, HALF, FULL, FULL_SHORT)}
