"""What a validator gains that reads nothing, by the share of canaries and of lazy stake: dividends of the real epoch.

    python -m bench.subnet.canaries            prints the table; --save writes bench/results/canaries.json

Three kinds of lazy validators are tried. `unread` passes every task of every miner unread. `adopting` is the more
dangerous one: it passes unread the tasks for which it is drawn, and takes everything else from what others report. Both
set the product's weights otherwise, payments for canaries included. `copying` reports nothing, and sets the newest
consensus that commit-reveal shows it, that of the epoch before last; until there is one, it adopts. Panels are drawn by
the product's committee, and
payments are the product's (finest.validator.loop.canaries); the epoch is the devnet's, in the chain's own numbers.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.subnet.chain import Seats
from bench.subnet.outcomes import GARBAGE, HONEST, audit
from bench.subnet.settings import FULL, TEMPO
from bench.subnet.task import sha
from finest.validator.loop.canaries import Canary, earned, with_payments
from finest.validator.loop.committee import committee

RESULTS = Path(__file__).resolve().parents[1] / "results" / "canaries.json"
SHARES, STAKES = (0.05, 0.07, 0.09), (0.05, 0.2, 0.4)
EPOCHS = 16
MINERS, VALIDATORS = 192, 64
TASKS = 4
"""Tasks of a hotkey a day."""
NOISE = 0.02
"""Relative difference between the weights of two honest validators: most verdicts are adopted and so the same."""
LAZY = ("unread", "adopting", "copying")
HIDDEN = 1
"""Epochs for which commit-reveal hides weights: a validator sees the consensus of the epoch before last."""


@dataclass(frozen=True, slots=True)
class Laziness:
    """What lazy validators lose."""

    kind: str
    share: float
    """Canaries' share of the hotkeys, and so of the tasks."""
    stake: float
    """Share of the stake that is lazy."""
    consensus_alone: float
    """Lost share of an honest validator's income per stake, without payments for canaries."""
    with_payments: float
    """The same with them."""
    honest_paid: float
    """Payments of an honest validator, as a share of its dividends."""


class Panels:
    """A day's canary tasks, their panels, and what each validator reported on them."""

    def __init__(self, seats: Seats, kind: str, hotkeys: Sequence[str], day: int, draw: random.Random) -> None:
        self.names = [f"v{uid}" for uid in range(len(seats.kinds))]
        self.stakes = dict(zip(self.names, map(float, seats.stakes), strict=True))
        kinds = dict(zip(self.names, seats.kinds, strict=True))
        self.canaries: list[Canary] = []
        self.seen: dict[str, set[str]] = {hotkey: set() for hotkey in hotkeys}
        """Validators that were drawn for a bad task of a hotkey."""
        bad: dict[str, bool] = {}
        for hotkey in hotkeys:
            for task in range(TASKS):
                is_bad = draw.random() < 0.5
                bad[hotkey] = bad.get(hotkey, False) or is_bad
                line = f"{day} {hotkey} {task}"
                members = committee("0x" + sha(line), line, self.stakes)
                self.seen[hotkey] |= set(members) if is_bad else set()
                verdicts = {
                    name: _verdict(kind if kinds[name] == "lazy" else "honest", is_bad, draw) for name in members
                }
                self.canaries.append(Canary(line, is_bad, verdicts))
        self.bad: Mapping[str, bool] = bad


def _verdict(kind: str, is_bad: bool, draw: random.Random) -> str:
    if kind == "copying":
        return "no_evidence"
    return "pass" if kind in LAZY else audit(GARBAGE if is_bad else HONEST, 4, 100, 1800, draw).verdict


def laziness(kind: str, share: float, stake: float, seed: int, *, epochs: int = EPOCHS) -> Laziness:
    """Run some epochs with and without payments; return what the lazy validators lose."""
    lost = {pays: _income(kind, share, stake, seed, epochs, pays=pays) for pays in (False, True)}
    alone, paid = (1 - lazy / honest for lazy, honest, _ in (lost[False], lost[True]))
    return Laziness(kind, share, stake, round(alone, 4), round(paid, 4), round(lost[True][2], 4))


def _income(
    kind: str, share: float, stake: float, seed: int, epochs: int, *, pays: bool
) -> tuple[float, float, float]:  # fmt: skip
    """Return the income per stake of lazy and of honest validators, and the honest ones' payments by dividends."""
    draw = random.Random(f"{kind} {share} {stake} {seed}")
    lazy = max(1, round(VALIDATORS * stake))
    setting = replace(FULL, validators={"honest": VALIDATORS - lazy, "lazy": lazy}, lazy_stake=stake)
    hotkeys = [f"m{number}" for number in range(MINERS)]
    seats = Seats.make(setting, hotkeys, draw)
    planted = hotkeys[: round(share * MINERS)]
    work = {hotkey: draw.gammavariate(4, 1) for hotkey in hotkeys}
    income, fees, dividends = {"honest": 0.0, "lazy": 0.0}, 0.0, 0.0
    recent: list[Canary] = []
    consensus: list[list[int]] = []
    for number in range(1, epochs + 1):
        panels = Panels(seats, kind, planted, number, draw)
        recent = (recent + panels.canaries)[-7 * len(panels.canaries) :]
        points = earned(recent) if pays else {}
        for uid, who in enumerate(seats.kinds):
            found = {}
            if who == "lazy" and kind == "copying":
                found = _copied(consensus, panels.names, hotkeys)
            if not found:
                found = _weights(who, kind, panels.names[uid], work, panels, draw)
                found = with_payments(found, points, panels.stakes)
            _set(seats, uid, found, panels.names, number * TEMPO)
        outcome = seats.epoch(number * TEMPO)
        consensus.append(outcome.consensus)
        for uid, who in enumerate(seats.kinds):
            income[who] += outcome.validator_emission[uid] + outcome.server_emission[uid]
            if who == "honest":
                fees += outcome.server_emission[uid]
                dividends += outcome.validator_emission[uid]
    return income["lazy"] / stake, income["honest"] / (1 - stake), fees / dividends


def _weights(
    who: str, kind: str, name: str, work: Mapping[str, float], panels: Panels, draw: random.Random
) -> dict[str, float]:  # fmt: skip
    """Return the weights of one validator: a hotkey that was found to forge has none for the day."""
    if who == "honest":
        return {one: 0.0 if panels.bad.get(one) else value * draw.gauss(1, NOISE) for one, value in work.items()}
    if kind == "unread":
        return dict(work)
    # `adopting` takes others' fails for what they are; it is wrong only about what it alone was asked.
    return {
        one: 0.0 if panels.bad.get(one) and len(panels.seen[one] - {name}) else value for one, value in work.items()
    }


def _copied(consensus: Sequence[Sequence[int]], names: Sequence[str], hotkeys: Sequence[str]) -> dict[str, float]:
    """Return the newest consensus that is revealed, on miners and on validators; nothing before the first."""
    if len(consensus) <= HIDDEN:
        return {}
    shares = consensus[-1 - HIDDEN]
    return {name: float(share) for name, share in zip((*names, *hotkeys), shares, strict=True) if share}


def _set(seats: Seats, uid: int, found: Mapping[str, float], names: Sequence[str], block: int) -> None:
    """Set the weights of a validator, those on validators too."""
    top = max(found.values())
    uids = {name: index for index, name in enumerate(names)}
    uids |= {hotkey: len(names) + index for index, hotkey in enumerate(seats.hotkeys)}
    row = [(uids[name], round(value / top * 65_535)) for name, value in found.items()]
    seats.weights[uid] = [(other, weight) for other, weight in row if weight and other != uid]
    seats.weighed_at[uid] = block


def table(found: Sequence[Laziness]) -> str:
    """Return the figures as Markdown."""
    rows = [
        "| lazy validators | canaries | lazy stake | loss by consensus alone | with payments | paid to an honest one |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {one.kind} | {one.share:.0%} | {one.stake:.0%} | {one.consensus_alone:.1%} | {one.with_payments:.1%} | "
        f"{one.honest_paid:.1%} |"
        for one in found
    ]
    return "\n".join(rows)


def main() -> None:
    """Print the table of all shares and stakes."""
    parser = argparse.ArgumentParser(prog="python -m bench.subnet.canaries", description=__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--save", action="store_true", help="write bench/results/canaries.json")
    args = parser.parse_args()
    cases = [(kind, share, stake) for kind in LAZY for share in SHARES for stake in STAKES]
    found = [laziness(*case, seed=1, epochs=args.epochs) for case in cases]
    print(table(found))
    if args.save:
        RESULTS.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
