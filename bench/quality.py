"""Does the quality measure rank data sets of known order right? `python -m bench.quality --warc A.warc.gz B.warc.gz`.

The pages of the WARCs are judged once. For each seed hosts are dealt anew into a task and held-out text, six data sets
of known order are made of the task's pages, and each is measured as a validator measures a submission:

    reference > 10 % boilerplate > 30 % boilerplate > raw text > shuffled words > other language

Two more have to be worse than the reference: every row twice (half of the rows), a tenth of the rows ten times. What
the extractor gives without any filter is only told: it is usually worse, but where nearly all pages are articles the
filters have little to take away. 20 seeds with the defaults take some 8 CPU minutes. `--tier 2` asks the small Llama;
docs/concepts/scoring.md has what that costs on a CPU.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finest.pipeline.outcome import peak_rss_bytes
from finest.recipe.reasons import stage_of
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.tasks.reference import REFERENCE_RECIPE
from finest.validator.quality.heldout import MAX_CHARS, anchors
from finest.validator.quality.paired import Quality, measure
from finest.validator.quality.pieces import Pieces
from finest.validator.quality.sample import NOT_RAW, Duplicates, host_of, judged, shortened, visible_text
from finest.validator.quality.tier import N_GRAMS, Tier, Told, tier_of
from finest.warc.slices import Slice
from finest.warc.source import inspect

ORDER = ("reference", "10 % boilerplate", "30 % boilerplate", "raw text", "shuffled words", "other language")
"""Best first."""
WORSE = ("rows twice", "rows ten times")
"""Worse than the reference."""
TOLD = ("no filters",)
"""Of no order that is known beforehand."""
CHARS_PER_TOKEN = 3.3


@dataclass(frozen=True, slots=True)
class Judged:
    """A page: its verdict's stage, the text that is kept, the text as the filters saw it, all visible text."""

    host: str
    stage: str
    kept: str | None
    extracted: str
    visible: str

    @property
    def boilerplate(self) -> str:
        """Lines of the page that the extractor left out."""
        return "\n".join(line for line in self.visible.split("\n") if line.strip() not in self.extracted)


@dataclass(frozen=True, slots=True)
class Task:
    """What one seed makes of the pages."""

    datasets: dict[str, list[str]]
    raw: list[str]
    heldout: list[str]


def judge_all(warcs: Sequence[str]) -> list[Judged]:
    """The pages of those WARCs, but for near-duplicates of kept ones."""
    recipe, pages, duplicates = load_recipe(REFERENCE_RECIPE), [], Duplicates()
    for location in warcs:
        source = inspect(location)
        whole = Slice(0, 0, 0, source.size_bytes)
        for record, verdict in judged(source, whole, recipe, default_cache()):
            if not duplicates.has(verdict.signature):
                visible = visible_text(record.page(), recipe)
                pages.append(Judged(host_of(record.url), stage_of(verdict.reason), verdict.text, verdict.seen, visible))
    return pages


def deal(pages: Sequence[Judged], seed: int, tokens: int, heldout_bytes: int) -> Task:
    """A task of about so many reference tokens, and held-out text from other hosts."""
    rng = random.Random(seed)
    hosts = sorted({page.host for page in pages})
    rng.shuffle(hosts)
    others = set(hosts[: len(hosts) * 2 // 5])
    heldout = [page.kept[:MAX_CHARS] for page in pages if page.kept and page.host in others]
    mine = [page for page in pages if page.host not in others]
    rng.shuffle(mine)
    task, chars = [], 0
    for page in mine:
        if chars >= tokens * CHARS_PER_TOKEN:
            break
        task.append(page)
        chars += len(page.kept or "")
    raw = [page.visible for page in task if page.stage not in NOT_RAW]
    return Task(datasets_of(task, mine, rng), raw, shortened(heldout, heldout_bytes, str(seed)) + anchors())


def datasets_of(task: Sequence[Judged], pages: Sequence[Judged], rng: random.Random) -> dict[str, list[str]]:
    """The data sets that somebody could submit for the task."""
    reference = [page.kept for page in task if page.kept]
    boilerplate = [page.boilerplate for page in task if page.kept]
    size = sum(map(len, reference))

    def part(texts: list[str], share: float) -> list[str]:
        return shortened(texts, int(size * share), str(rng.random()))

    return {
        "reference": reference,
        "10 % boilerplate": part(reference, 0.9) + part(boilerplate, 0.1),
        "30 % boilerplate": part(reference, 0.7) + part(boilerplate, 0.3),
        "raw text": [page.visible for page in task if page.stage not in NOT_RAW],
        "shuffled words": [" ".join(rng.sample(words, len(words))) for words in map(str.split, reference)],
        "other language": part([page.visible for page in pages if page.stage in {"gate", "language"}], 1),
        "no filters": [page.extracted for page in task if page.extracted and page.stage not in NOT_RAW],
        "rows twice": part(reference, 0.5) * 2,
        "rows ten times": part(reference, 0.1) * 10,
    }


class Remembering:
    """A tier that fits nothing twice: the reference and raw text are the same for all data sets of a task."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self.number, self.tokens, self.parts, self.runs_on = tier.number, tier.tokens, tier.parts, tier.runs_on
        self._known: dict[bytes, NDArray[np.float64]] = {}
        self.fits, self.cpu_s = 0, 0.0

    def nats(self, training: Pieces, heldout: Pieces, name: str, told: Told) -> NDArray[np.float64]:
        """As the tier has it."""
        key = hashlib.sha256(training.grams.tobytes() + b"|" + heldout.grams.tobytes()).digest()
        if key not in self._known:
            before = time.process_time()
            self._known[key] = self._tier.nats(training, heldout, name, told)
            self.fits, self.cpu_s = self.fits + 1, self.cpu_s + time.process_time() - before
        return self._known[key]


def measured(task: Task, name: str, seed: int, tokens: int, tier: Tier = N_GRAMS) -> Quality:
    """One data set as a validator measures it."""
    raw = shortened(task.raw, 2 * sum(map(len, task.datasets["reference"])), str(seed))
    found = measure(
        task.datasets[name], task.datasets["reference"], raw, task.heldout, str(seed), tier=tier, tokens=tokens
    )
    assert isinstance(found, Quality), found
    return found


def is_right(found: dict[str, Quality]) -> bool:
    """Whether a seed's data sets stand in the known order."""
    known = [name for name in ORDER if name in found]
    ordered = all(found[better].bpb < found[worse].bpb for better, worse in pairwise(known))
    return ordered and all(found[name].bpb > found["reference"].bpb for name in WORSE if name in found)


def main() -> None:
    """Measure, say each seed as it is done, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warc", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=400_000)
    parser.add_argument("--heldout-bytes", type=int, default=500_000)
    parser.add_argument("--tier", type=int, choices=(1, 2), default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--only", nargs="+", choices=(*ORDER, *WORSE, *TOLD), default=(*ORDER, *WORSE, *TOLD))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tier: Tier = tier_of(options.tier, options.device)
    tier = Remembering(tier) if options.tier == 2 else tier
    pages = judge_all(options.warc)
    print(f"{len(pages)} pages judged in {time.process_time():.0f} CPU s", flush=True)
    seeds: list[dict[str, Quality]] = []
    cpu_s: list[float] = []
    for seed in range(options.seeds):
        task, found = deal(pages, seed, options.tokens, options.heldout_bytes), {}
        for name in options.only:
            before = time.process_time()
            found[name] = measured(task, name, seed, options.tokens, tier)
            cpu_s.append(time.process_time() - before)
        seeds.append(found)
        verdict = "right" if is_right(found) else "WRONG"
        print(f"seed {seed}: {verdict}: {', '.join(f'{n} {f.bpb:.4f}' for n, f in found.items())}", flush=True)
    _print(seeds, cpu_s)
    if isinstance(tier, Remembering):
        print(f"each text fitted once: {tier.fits} fits, {tier.cpu_s / tier.fits:.1f} CPU s each")
    if options.json:
        options.json.write_text(json.dumps(_rows(seeds), indent=1) + "\n")


def _rows(seeds: list[dict[str, Quality]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name in seeds[0]:
        q = [found[name].q or 0.0 for found in seeds]
        errors = [found[name].error_bpb for found in seeds]
        delta = [found[name].bpb - found[name].bpb_reference for found in seeds]
        rows.append({
            "dataset": name, "q": statistics.mean(q), "q_sd": statistics.pstdev(q), "q_min": min(q), "q_max": max(q),
            "delta_bpb": statistics.mean(delta), "error_bpb": statistics.mean(errors),
            "worse_than_reference": sum(d > 0 for d in delta),
        })  # fmt: skip
    return rows


def _print(seeds: list[dict[str, Quality]], cpu_s: list[float]) -> None:
    print("\n| dataset | q | sd | least | most | bpb - reference | its error |\n|---|---|---|---|---|---|---|")
    line = "| {dataset} | {q:.2f} | {q_sd:.2f} | {q_min:.2f} | {q_max:.2f} | {delta_bpb:+.4f} | {error_bpb:.4f} |"
    for row in _rows(seeds):
        print(line.format(**row))
    right = sum(map(is_right, seeds))
    tokens = statistics.mean(found["reference"].tokens for found in seeds)
    peak = peak_rss_bytes() / 2**20
    print(
        f"\nright for {right} of {len(seeds)} seeds; {tokens:,.0f} tokens; "
        f"{statistics.mean(cpu_s):.1f} CPU s a measurement; {peak:.0f} MiB at the peak, all pages loaded"
    )


if __name__ == "__main__":
    main()
