"""The chain's side of the simulation: seats, stakes, and the devnet's own epoch each tempo."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.subnet.settings import Setting
from finest.devnet.chain.epoch import Neurons, Outcome, Row, Rules, epoch
from finest.devnet.chain.fixed_point import U16_MAX

RAO_AN_EPOCH = 295_201_647_360
"""What a subnet divides among miners and validators in a tempo of 360 blocks: 0.82 of a coin a block."""
DISHONEST = ("colluding", "lazy", "copier")


@dataclass(slots=True)
class Seats:
    """The subnet's seats: validators first, then miners."""

    kinds: list[str]
    """Kind of each validator, by uid."""
    stakes: list[int]
    hotkeys: list[str]
    """Hotkey of each miner; its uid is the index plus the number of validators."""
    registered_at: list[int]
    weights: dict[int, Row] = field(default_factory=dict)
    weighed_at: list[int] = field(default_factory=list)
    bonds: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    bonded_at: int = 1
    history: list[dict[str, float]] = field(default_factory=list)
    """The consensus after each epoch, by hotkey."""

    @classmethod
    def make(cls, setting: Setting, hotkeys: Sequence[str], draw: random.Random) -> Seats:
        kinds = [kind for kind, number in setting.validators.items() for _ in range(number)]
        raw = [draw.lognormvariate(0, 1) for _ in kinds]
        shares = {
            "colluding": setting.colluding_stake, "lazy": setting.lazy_stake, "copier": setting.copier_stake,
        }  # fmt: skip
        rest = 1 - sum(shares[kind] for kind in set(kinds) & shares.keys())
        stakes = []
        for kind, one in zip(kinds, raw, strict=True):
            like = [kind] if kind in shares else [other for other in kinds if other not in shares]
            whole = sum(value for other, value in zip(kinds, raw, strict=True) if other in like)
            stakes.append(round(one / whole * shares.get(kind, rest) * 1e15))
        count = len(kinds) + len(hotkeys)
        return cls(kinds, stakes, list(hotkeys), [0] * count, weighed_at=[0] * count)

    def uid(self, hotkey: str) -> int:
        """Return a miner's uid."""
        return len(self.kinds) + self.hotkeys.index(hotkey)

    def registrations(self) -> dict[str, int]:
        """Return the block at which each miner's hotkey registered."""
        return dict(zip(self.hotkeys, self.registered_at[len(self.kinds) :], strict=True))

    def replace(self, old: str, new: str, block: int) -> None:
        """Register a new hotkey on the seat of an old one."""
        uid = self.uid(old)
        self.hotkeys[uid - len(self.kinds)] = new
        self.registered_at[uid] = block

    def set_weights(self, validator: int, shares: Mapping[str, float], block: int) -> None:
        """Set a validator's weights, in steps of a 65,535th of the highest, as the SDK does."""
        top = max(shares.values(), default=0.0)
        if top <= 0:
            return
        uids = {hotkey: len(self.kinds) + index for index, hotkey in enumerate(self.hotkeys)}
        row = [(uids[hotkey], round(share / top * U16_MAX)) for hotkey, share in shares.items() if hotkey in uids]
        self.weights[validator] = [(uid, weight) for uid, weight in row if weight]
        self.weighed_at[validator] = block

    def epoch(self, block: int) -> Outcome:
        """Run the epoch."""
        empty = [0] * len(self.hotkeys)
        validators = len(self.kinds)
        neurons = Neurons(
            stake_rao=[*self.stakes, *empty], permit=[True] * validators + [False] * len(self.hotkeys),
            active=[True] * (validators + len(self.hotkeys)), registered_at=self.registered_at, weights=self.weights,
            weighed_at=self.weighed_at, bonds=self.bonds, bonded_at=self.bonded_at,
        )  # fmt: skip
        outcome = epoch(neurons, Rules(), RAO_AN_EPOCH)
        self.bonds, self.bonded_at = outcome.bonds, block + 1
        self.history.append(dict(zip(self.hotkeys, map(float, outcome.consensus[validators:]), strict=True)))
        return outcome
