"""How far do two equally good recipes lie apart by chance? `python -m bench.contest_noise --warc A.warc.gz B.warc.gz`.

The pages that recipe `fineweb` keeps are dealt by hosts into a pool and held-out text, anew for each world. Two recipes
of equal quality keep two independent random draws of the pool. Each fold of the pool trains one model for each recipe,
as a round of the contest does (`finest.contest.measure`). The results are the difference that both recipes show, the
spread between the folds and the error over the held-out documents: bench/results/contest_noise.json, from which
`finest.contest.decision` has its smallest error and bench/contest.py draws its noise.

`--planted` compares the random draw with a worse recipe, whose pages have a menu around a tenth of their lines.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from finest.recipe.quality_model import QualityModel
from finest.recipe.quality_model.place import shipped_path
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.validator.quality.heldout import MAX_CHARS
from finest.validator.quality.paired import Documents
from finest.validator.quality.pieces import pool_of
from finest.validator.quality.sample import Duplicates, host_of, judged, shortened
from finest.validator.quality.tier import Tier, tier_of
from finest.warc.slices import Slice
from finest.warc.source import inspect

FOLDS = 3
HELDOUT_BYTES = 400_000
SHARES = (0.05, 0.2, 0.6)
MENU = [
    "Home",
    "About",
    "us",
    "Contact",
    "Log",
    "in",
    "Sign",
    "up",
    "Read",
    "more",
    "Share",
    "Next",
    "page",
    "Cookies",
    "Privacy",
    "Terms",
    "Help",
]


class Page(NamedTuple):
    host: str
    text: str
    edu: int


class Difference(NamedTuple):
    """One comparison of two recipes."""

    tier: int
    arms: str
    target: str
    share: float
    world: int
    tokens: int
    difference: float
    """Bits per byte of the second recipe minus those of the first; the mean over the folds."""
    by_fold: list[float]
    document_error: float
    """Standard error over the held-out documents."""
    documents: int


def kept_pages(warcs: Sequence[str]) -> list[Page]:
    """Return the pages that recipe `fineweb` keeps, but for near-duplicates."""
    recipe, pages, duplicates = load_recipe("fineweb"), [], Duplicates()
    edu = QualityModel.load(shipped_path("edu"))
    for source in map(inspect, warcs):
        for record, verdict in judged(source, Slice(0, 0, 0, source.size_bytes), recipe, default_cache()):
            if verdict.text and not duplicates.has(verdict.signature):
                pages.append(Page(host_of(record.url), verdict.text, edu.score(verdict.text).raw))
    return pages


def drawn(pages: Sequence[Page], share: float, name: str) -> list[str]:
    """Return the texts of an independent random draw of the pages."""
    limit = int(share * 2**64)
    return [
        page.text
        for page in pages
        if int.from_bytes(hashlib.sha256(f"{name} {page.text[:500]}".encode()).digest()[:8], "big") < limit
    ]


def best(pages: Sequence[Page], share: float) -> list[str]:
    """Return the texts with the highest scores of the model `edu`."""
    ordered = sorted(pages, key=lambda page: -page.edu)
    return [page.text for page in ordered[: int(share * len(ordered))]]


def with_menus(texts: Sequence[str], seed: int) -> list[str]:
    """Return the texts with a menu after a tenth of their lines."""
    rng = random.Random(seed)

    def menu(line: str) -> str:
        return f"{line}\n{' '.join(rng.sample(MENU, len(MENU)))}" if rng.random() < 0.3 else line

    return ["\n".join(map(menu, text.split("\n"))) for text in texts]


def compared(
    pages: Sequence[Page], arms: str, target: str, share: float, world: int, tier: Tier, most: int
) -> Difference:
    """Train on both recipes in each fold and compare them."""
    rng = random.Random(world)
    hosts = sorted({page.host for page in pages})
    rng.shuffle(hosts)
    held = set(hosts[: len(hosts) // 4])
    median = float(np.median([page.edu for page in pages]))
    known = [p.text[:MAX_CHARS] for p in pages if p.host in held and (target == "web" or p.edu >= median)]
    documents = Documents.of(shortened(known, HELDOUT_BYTES if tier.number == 1 else 100_000, str(world)))
    differences, tokens = [], []
    for fold in range(FOLDS):
        mine = [page for page in pages if page.host not in held and hash_of(page.host) % FOLDS == fold]
        one = drawn(mine, share, f"{world} one")
        other = {
            "equal": lambda mine=mine: drawn(mine, share, f"{world} other"),
            "menus": lambda one=one: with_menus(one, world),
            "edu": lambda mine=mine: best(mine, share),
        }[arms]()
        pools = [pool_of(one), pool_of(other)]
        budget = min(most, *(int(0.95 * pool.tokens) for pool in pools))
        tokens.append(budget)
        bits = [documents.bits(tier, pool.draw(budget, world), "", lambda _: None) for pool in pools]
        differences.append(bits[1] - bits[0])
    found = np.array(differences)
    total = documents.sizes.sum()
    by_fold = found.sum(axis=1) / total
    mean = found.mean(axis=0)
    rest = mean - mean.sum() / total * documents.sizes
    count = len(documents.sizes)
    error = float(np.sqrt((rest**2).sum() * count / (count - 1)) / total)
    return Difference(
        tier.number, arms, target, share, world, int(np.mean(tokens)), float(by_fold.mean()),
        [round(float(one), 6) for one in by_fold], round(error, 6), count,
    )  # fmt: skip


def hash_of(host: str) -> int:
    """Return a number that is the same in every process."""
    return int.from_bytes(hashlib.sha256(host.encode()).digest()[:8], "big")


def main() -> None:
    """Measure, print each comparison, and save all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warc", nargs="+", required=True)
    parser.add_argument("--tier", type=int, choices=(1, 2), default=1)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--arms", nargs="+", default=("equal", "menus", "edu"))
    parser.add_argument("--targets", nargs="+", default=("web", "edu"))
    parser.add_argument("--tokens", type=int, default=400_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    pages, tier = kept_pages(args.warc), tier_of(args.tier)
    print(f"{len(pages)} pages, {len({page.host for page in pages})} hosts", flush=True)
    rows = []
    for arms in args.arms:
        for target in args.targets:
            for share in args.shares:
                for world in range(args.worlds):
                    rows.append(compared(pages, arms, target, share, world, tier, args.tokens))
                    print(rows[-1], flush=True)
                    if args.json:
                        args.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
