"""Collusion alone: validators who pay friends that do no work, by their share of the stake.

The weights of honest validators are drawn around the miners' work, as independent audits give them; the rest is the
chain's epoch, for 256 neurons. No queue is needed, so many shares of the stake can be tried.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from bench.subnet.chain import Seats
from bench.subnet.settings import FULL, TEMPO

STAKES = (0.1, 0.2, 0.3, 0.4, 0.45, 0.55)
EPOCHS = 40
FRIENDS = 19
"""A tenth of the miners."""
NOISE = 0.1
"""Relative error of a validator's weight, as an audit sample leaves it."""


@dataclass(frozen=True, slots=True)
class Collusion:
    """What colluders with a share of the stake get."""

    stake: float
    friends_pay: float
    """Share of the miners' emission for friends that do no work."""
    dividends: float
    """The colluders' dividends per stake."""
    honest_dividends: float


def collude(stake: float, seed: int) -> Collusion:
    """Run some epochs with colluders of a share of the stake."""
    draw = random.Random(seed)
    kinds = {"honest": 64 - FULL.validators["colluding"], "colluding": FULL.validators["colluding"]}
    setting = replace(FULL, validators=kinds, colluding_stake=stake)
    hotkeys = [f"m{number}" for number in range(192)]
    work = {hotkey: draw.gammavariate(4, 1) for hotkey in hotkeys[FRIENDS:]}
    seats = Seats.make(setting, hotkeys, draw)
    friends_pay = colluders = honest = 0.0
    for number in range(1, EPOCHS + 1):
        for uid, kind in enumerate(seats.kinds):
            estimate = {hotkey: value * draw.gauss(1, NOISE) for hotkey, value in work.items()}
            shares = dict.fromkeys(hotkeys[:FRIENDS], 1.0) if kind == "colluding" else estimate
            seats.set_weights(uid, shares, number * TEMPO)
        outcome = seats.epoch(number * TEMPO)
        whole = sum(outcome.server_emission)
        friends_pay += sum(outcome.server_emission[64 : 64 + FRIENDS]) / whole / EPOCHS
        paid = dict.fromkeys(kinds, 0)
        for kind, rao in zip(seats.kinds, outcome.validator_emission, strict=False):
            paid[kind] += rao
        colluders += paid["colluding"] / sum(paid.values()) / stake / EPOCHS
        honest += paid["honest"] / sum(paid.values()) / (1 - stake) / EPOCHS
    return Collusion(stake, round(friends_pay, 4), round(colluders, 4), round(honest, 4))


def table(found: list[Collusion]) -> str:
    """Return the figures as Markdown."""
    rows = ["| stake of colluders | pay of friends without work | colluders' dividends per stake | honest ones' |"]
    rows.append("|---|---|---|---|")
    rows += [
        f"| {one.stake:.0%} | {one.friends_pay:.1%} | {one.dividends:.2f} | {one.honest_dividends:.2f} |"
        for one in found
    ]
    return "\n".join(rows)
