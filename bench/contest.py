"""Does the recipe competition dethrone by chance, find a better recipe, and pay copies? `python -m bench.contest`.

Rounds are simulated and decided by the product's own code (`finest.contest.decision`, `finest.contest.standing`). What
the documents cost is drawn with the spreads that were measured on real pages: between folds and between held-out
documents, for two recipes of equal quality (two independent random draws of what `fineweb` keeps) and for a planted
better one (the same pages without menus). `python -m bench.contest_noise` measures these.

    equal       all entries are as good as the incumbent: how often is it dethroned, per round and track?
    planted     one entry is better by what menus in three tenths of the lines cost: in which round does it win?
    copies      the planted recipe, and others that copy it, earlier losers and the incumbent: what are they paid?
    split       one improvement committed as a whole, or in steps by several hotkeys: what is paid?
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finest.contest.decision import Comparison, compare
from finest.contest.plan import Entry, Plan
from finest.contest.result import PARTS, Document, Measured, Result, Similar
from finest.contest.standing import PAID_BLOCKS, Standing, advance, first_standing, weights

NOISE = Path(__file__).with_name("results") / "contest_noise.json"
OUT = Path(__file__).with_name("results") / "contest.json"
TRACK = 60
ROUND_BLOCKS = 7 * 7200
DOCUMENTS, DOCUMENT_BYTES = 200, 4000
FOLDS = 3
BURN = "owner"


class Noise(NamedTuple):
    """Spreads in bits per byte."""

    fold: float
    """Standard deviation between folds of the difference between two recipes."""
    document: float
    """Standard error of that difference over the held-out documents."""


class Player(NamedTuple):
    """A recipe in a simulated round."""

    name: str
    """Equal names are equal recipes."""
    gain: float = 0.0
    """True bits per byte better than the incumbent of the first round."""
    hotkey: str = ""
    block: int = 1
    copies: str = ""
    """The recipe of which it is a near copy."""
    pages: float = 0.0
    """The part of its tokens that is in pages which the first incumbent keeps too: chance there is common to both."""
    own: Noise = Noise(0.0, 0.0)
    """Spreads of its difference from a recipe that keeps the same pages."""


def measured_noise(arms: str = "equal", share: float = 0.2, target: str = "edu") -> Noise:
    """Return the spreads that were measured with tier 1 on real pages."""
    rows = [row for row in json.loads(NOISE.read_text("utf-8")) if row["tier"] == 1]
    mine = [row for row in rows if (row["arms"], row["share"], row["target"]) == (arms, share, target)]
    fold = statistics.fmean(statistics.variance(row["by_fold"]) for row in mine) ** 0.5
    return Noise(fold, statistics.fmean(row["document_error"] for row in mine))


def simulated(
    players: Sequence[Player], incumbent: Player, number: int, noise: Noise, rng: np.random.Generator
) -> Result:
    """Return a round's result: costs of documents drawn with the true gains and the noise."""
    sizes = np.full(DOCUMENTS, DOCUMENT_BYTES)
    base = rng.normal(2.2, 0.3, DOCUMENTS)
    root = np.sqrt(DOCUMENTS)

    def chance(noise: Noise) -> np.ndarray:
        return rng.normal(0, noise.fold, (FOLDS, 1)) + rng.normal(0, noise.document * root, (1, DOCUMENTS))

    half = Noise(noise.fold / np.sqrt(2), noise.document / np.sqrt(2))  # a difference has the chance of two recipes
    common, drawn = chance(half), dict[str, np.ndarray]()
    for one in (incumbent, *players):
        key = one.copies or one.name
        if key not in drawn:
            mixed = np.sqrt(one.pages) * common + np.sqrt(1 - one.pages) * chance(half) + chance(one.own)
            drawn[key] = (base - one.gain + mixed) * sizes * PARTS
        if one.name not in drawn:
            drawn[one.name] = drawn[key] + rng.normal(0, 0.0005, (FOLDS, 1)) * sizes * PARTS
    entries, everybody = [], (incumbent, *players)
    for one in everybody:
        entry = Entry(
            place=one.name, track=TRACK, hotkey=one.hotkey, block=one.block, incumbent=one is incumbent
        )  # fmt: skip
        bits = tuple(map(tuple, drawn[one.name].astype(np.int64).tolist()))
        hashed = hashlib.sha256(one.name.encode()).hexdigest()
        entries.append(Measured.model_construct(  # unchecked: a checked one takes most of a simulation's time
            entry=entry, recipe=one.name, recipe_hash=hashed, digest=hashed, texts_sha256=hashed, bits=bits
        ))  # fmt: skip
    similar = [
        Similar.model_construct(
            earlier=at, later=place, texts=_texts(other, one), pages=int(PARTS * one.pages * other.pages)
        )
        for place, one in enumerate(everybody)
        for at, other in enumerate(everybody[:place])
    ]
    documents = (Document(sha256="0" * 64, size_bytes=DOCUMENT_BYTES),) * DOCUMENTS
    return Result.model_construct(
        plan=Plan(number=number, seed="00", block=(number + 1) * ROUND_BLOCKS, warcs=("a.warc.gz",)), version="",
        libraries={}, tier=1, parts={}, runs_on={}, windows=(), reference_tokens=1, budgets={TRACK: 1},
        documents=documents, near=0, entries=tuple(entries), similar=tuple(similar),
    )  # fmt: skip


def _texts(one: Player, other: Player) -> int:
    """Return the thousandths of equal texts: a near copy has nearly all of them."""
    return 980 if (one.copies or one.name) == (other.copies or other.name) else 0


class Season:
    """Rounds in a row, decided by the product's code."""

    def __init__(self, noise: Noise, seed: int) -> None:
        self.noise, self.rng = noise, np.random.default_rng(seed)
        self.standing: Standing = first_standing()
        self.incumbent = Player("fineweb", pages=1.0)
        self.number = 0
        self.paid: Counter[str] = Counter()

    def round(self, players: Sequence[Player]) -> str | None:
        """Run a round; return the winner's recipe, or None if the incumbent stays. Counts the pay of the next round."""
        result = simulated(players, self.incumbent, self.number, self.noise, self.rng)
        self.number += 1
        self.standing, found = advance(self.standing, result, f"{self.number}")
        winner = found[0].winner
        if winner is not None:
            self.incumbent = next(one for one in players if one.name == winner.entry.place)
        for hotkey, share in weights(self.standing, result.block, BURN).items():
            self.paid[hotkey] += share * ROUND_BLOCKS / PAID_BLOCKS
        return winner.entry.place if winner else None


def equal(noise: Noise, entries: int, rounds: int, seed: int) -> tuple[int, int]:
    """Return the rounds that dethroned, and all rounds: fresh entries every week, none better than the incumbent."""
    season, dethroned = Season(noise, seed), 0
    for number in range(rounds):
        players = [
            Player(f"r{number}-{one}", season.incumbent.gain, f"h{one}", number * ROUND_BLOCKS + one)
            for one in range(entries)
        ]
        dethroned += season.round(players) is not None
    return dethroned, rounds


def planted(
    noise: Noise, gain: float, own: Noise, seed: int, others: int = 6, rounds: int = 3, pages: float = 1.0
) -> int | None:
    """Return the round in which the better recipe wins, from 1; None if it has not within `rounds`.

    `pages` is the part of its tokens that is in pages of the incumbent.
    """
    season = Season(noise, seed)
    better = Player("better", gain, "planter", 5, pages=pages, own=own)
    for number in range(rounds):
        rest = [Player(f"r{number}-{one}", 0.0, f"h{one}", number * ROUND_BLOCKS + one) for one in range(others)]
        if season.round([better, *rest]) == "better":
            return number + 1
    return None


def copies(noise: Noise, gain: float, own: Noise, seed: int, rounds: int = 6) -> Counter[str]:
    """Return what each hotkey is paid, where copiers follow the planted recipe as soon as they can see it."""
    season = Season(noise, seed)
    better = Player("better", gain, "planter", 5, pages=1.0, own=own)
    for number in range(rounds):
        block = number * ROUND_BLOCKS + 100
        same = Player("better", gain, "same recipe", block, pages=1.0, own=own)
        near = Player(f"better-{number}", gain, "near copy", block + 1, copies="better", pages=1.0, own=own)
        comment = Player("fineweb", 0.0, "incumbent again", block + 2)
        season.round([*([better] if season.incumbent.name != "better" else []), same, near, comment])
    return season.paid


def split(noise: Noise, gain: float, own: Noise, seed: int, steps: int, rounds: int = 12) -> float:
    """Return what an operator is paid for one improvement, committed whole or in steps by several hotkeys."""
    season, at = Season(noise, seed), 0
    for number in range(rounds):
        step = Player(
            f"step-{at + 1}", gain * (at + 1) / steps, f"mine-{at}", number * ROUND_BLOCKS + 1, pages=1.0, own=own
        )
        if at < steps and season.round([step]) is not None:
            at += 1
        elif at >= steps:
            season.round([])
    return sum(paid for hotkey, paid in season.paid.items() if hotkey.startswith("mine"))


def comparison_error(noise: Noise, seed: int) -> Comparison:
    """Return one comparison of two equal recipes, to check the simulated noise against the measured one."""
    result = simulated([Player("a")], Player("b"), 0, noise, np.random.default_rng(seed))
    sizes = np.array([document.size_bytes for document in result.documents], np.float64)
    return compare(result.entries[1], result.entries[0], sizes, 0.0)


def main() -> None:
    """Simulate, print a table, and save the figures with --save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=500, help="rounds a seed of the scenario without a better recipe")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    menus = measured_noise("menus", 0.6)
    gain = statistics.fmean(
        row["difference"] for row in json.loads(NOISE.read_text("utf-8"))
        if (row["tier"], row["arms"], row["share"]) == (1, "menus", 0.6)
    )  # fmt: skip
    found: dict[str, object] = {"seeds": args.seeds, "planted_gain_bpb": round(gain, 4)}
    for name, noise in {"20 %": measured_noise(share=0.2), "60 %": measured_noise(share=0.6)}.items():
        rows: dict[str, object] = {"fold_bpb": round(noise.fold, 4), "document_bpb": round(noise.document, 4)}
        for entries in (1, 8, 32):
            counts = [equal(noise, entries, args.rounds // args.seeds, seed) for seed in range(args.seeds)]
            rows[f"dethroned_by_chance_{entries}"] = [sum(one for one, _ in counts), sum(all_ for _, all_ in counts)]
        wins = [planted(noise, gain, menus, seed) for seed in range(args.seeds)]
        rows["planted_wins_in_round"] = wins
        rows["planted_wins_with_half_of_the_pages"] = [
            planted(noise, gain, menus, seed, pages=0.5) for seed in range(args.seeds)
        ]
        paid = [copies(noise, gain, menus, seed) for seed in range(args.seeds)]
        rows["paid"] = {
            hotkey: round(statistics.fmean(one[hotkey] for one in paid), 4)
            for hotkey in ("planter", "same recipe", "near copy", "incumbent again")
        }
        rows["paid_split"] = {
            steps: round(statistics.fmean(split(noise, 2 * gain, menus, seed, steps) for seed in range(args.seeds)), 4)
            for steps in (1, 2, 4)
        }
        found[name] = rows
        print(name, json.dumps(rows, indent=1), flush=True)
    if args.save:
        OUT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
