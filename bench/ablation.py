"""Does text that a shipped model prefers teach a language model more than a random draw of as many tokens?

    python -m bench.ablation --warc A.warc.gz B.warc.gz [--reference TEXTS.jsonl] [--tier 1] [--json FILE]
    python -m bench.ablation --dataset DATASET --tier 2 --json FILE [--share 0.1]

The WARCs are refined with recipe `finest`. Each seed deals hosts anew: three fifths to draw from, the rest to predict.
Of the first, the pages that a model prefers are taken up to a share of all tokens, and pages in random order up to the
same number. Both train a language model as `finest quality` does (`finest.validator.quality`), on equally many tokens,
and predict the same unseen text: pages of other hosts (`web`), and the positive texts of a labelled set (`reference`).
A negative difference in bits per byte means that the preferred text predicts better. Tier 2 runs in a small
setting, for a CPU, and predicts `web` only. With `--json`, a run that was interrupted goes on where it stopped: what
the file has is not measured again. So give it the same texts and settings each time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pyarrow import parquet

import finest.recipe
from bench.quality import Remembering
from finest.atomic_files import write_whole
from finest.recipe.quality_model import QualityModel
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.validator.quality.heldout import MAX_CHARS
from finest.validator.quality.paired import Quality, measure
from finest.validator.quality.pieces import pool_of
from finest.validator.quality.sample import Duplicates, host_of, judged, shortened
from finest.validator.quality.tier import Tier, tier_of
from finest.warc.slices import Slice
from finest.warc.source import inspect

MODELS = Path(finest.recipe.__file__).with_name("models")
SIGNS = {"edu": 1, "spam": -1}
"""Whether a high or a low score is preferred."""
SHARES = (0.1, 0.3, 0.6)


class Page(NamedTuple):
    host: str
    text: str
    tokens: int
    scores: dict[str, int]


class Result(NamedTuple):
    tier: int
    model: str
    share: float
    predicted: str
    """`web` or `reference`."""
    seed: int
    difference: float
    """Bits per byte after training on the preferred text, minus those after the random draw."""
    error: float
    """Its standard error within the seed."""
    tokens: int


def kept_pages(warcs: Sequence[str]) -> list[Page]:
    """Return the pages that recipe `finest` keeps, but for near-duplicates, with their tokens and scores."""
    models = {name: QualityModel.load(MODELS / f"{name}.safetensors") for name in SIGNS}
    recipe, pages, duplicates = load_recipe("finest"), [], Duplicates()
    for source in map(inspect, warcs):
        for record, verdict in judged(source, Slice(0, 0, 0, source.size_bytes), recipe, default_cache()):
            text = verdict.text
            if not duplicates.has(verdict.signature) and text:
                scores = {name: sign * models[name].score(text).raw for name, sign in SIGNS.items()}
                pages.append(Page(host_of(record.url), text, pool_of([text]).tokens, scores))
    return pages


def scored_pages(folder: Path) -> list[Page]:
    """Return the rows of a dataset that `finest refine --recipe finest-scored` made, with their tokens and scores."""
    pages = []
    for path in sorted((folder / "data").rglob("*.parquet")):
        for row in parquet.read_table(path).to_pylist():
            scores = {name: sign * row[f"{name}_raw"] for name, sign in SIGNS.items()}
            pages.append(Page(host_of(row["url"]), row["text"], pool_of([row["text"]]).tokens, scores))
    return pages


def up_to(pages: Sequence[Page], tokens: int) -> list[Page]:
    """Return the first pages, up to that number of tokens."""
    found, sum_ = [], 0
    for page in pages:
        if sum_ + page.tokens > tokens:
            break
        found.append(page)
        sum_ += page.tokens
    return found


def results_of(
    pages: Sequence[Page], reference: Sequence[str], share: float, seed: int, tier: Tier, options: Options
) -> list[Result]:
    """Measure every model with one share and one seed."""
    rng = random.Random(seed)
    hosts = sorted({page.host for page in pages})
    rng.shuffle(hosts)
    others = set(hosts[: len(hosts) * 2 // 5])
    mine = [page for page in pages if page.host not in others]
    known = {"web": [page.text for page in pages if page.host in others], "reference": reference}
    predicted = {
        kind: shortened([text[:MAX_CHARS] for text in known[kind]], options.heldout_bytes, str(seed))
        for kind in options.predicted
        if known[kind]
    }
    rng.shuffle(mine)
    tokens = int(sum(page.tokens for page in mine) * share)
    drawn = up_to(mine, tokens)
    other = [page.text for page in drawn]
    found = []
    for name in SIGNS:
        best = up_to(sorted(mine, key=lambda page: -page.scores[name]), tokens)
        budget = min(options.tokens, *(sum(page.tokens for page in part) for part in (best, drawn)))
        for kind, texts in predicted.items():
            preferred = [page.text for page in best]
            # The random draw stands in place of raw text too, which is not asked for.
            measured = measure(preferred, other, other, texts, str(seed), tier=tier, tokens=budget)
            assert isinstance(measured, Quality), measured
            difference = measured.bpb - measured.bpb_reference
            result = Result(tier.number, name, share, kind, seed, difference, measured.error_bpb, measured.tokens)
            print(result, flush=True)
            found.append(result)
    return found


class Options(NamedTuple):
    tokens: int
    """At most so many for each model; fewer where a share has fewer."""
    heldout_bytes: int
    predicted: tuple[str, ...]


SETTINGS = {
    1: Options(400_000, 500_000, ("web", "reference")),
    2: Options(20_000, 60_000, ("web",)),
}
"""Tier 1 as docs/concepts/scoring.md recommends it; tier 2 takes 81 fits of 14 CPU seconds."""


def stored(path: Path | None) -> list[Result]:
    """Return the results of an earlier run; none without a file."""
    if path is None or not path.exists():
        return []
    return [Result(**one) for one in json.loads(path.read_text("utf-8"))]


def table(results: Sequence[Result]) -> list[str]:
    """Return the means over the seeds as Markdown, with a 95 % interval from their spread and their own errors."""
    lines = ["| tier | model | share | predicted | difference in bpb | tokens |", "|---|---|---|---|---|---|"]
    for key in dict.fromkeys(one[:4] for one in results):
        mine = [one for one in results if one[:4] == key]
        mean = statistics.mean(one.difference for one in mine)
        spread = statistics.stdev(one.difference for one in mine) if len(mine) > 1 else 0.0
        error = math.hypot(spread, statistics.mean(one.error for one in mine)) / math.sqrt(len(mine))
        wide = T_95.get(len(mine), 2.0) * error
        tier, model, share, kind = key
        tokens = statistics.mean(one.tokens for one in mine)
        lines.append(f"| {tier} | {model} | {share:.0%} | {kind} | {mean:+.4f} ± {wide:.4f} | {tokens:,.0f} |")
    return lines


T_95 = {2: 12.7, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57}
"""Student's t for a two-sided 95 % interval of a mean over so many seeds."""


def main() -> None:
    """Measure, print each result as it is there, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--warc", nargs="+")
    source.add_argument(
        "--dataset", type=Path, help="made by finest refine --recipe finest-scored; saves judging pages"
    )
    parser.add_argument("--reference", type=Path, help="JSONL with text and label; those labelled 1 are predicted")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tier", type=int, nargs="+", choices=(1, 2), default=(1, 2))
    parser.add_argument("--share", type=float, nargs="+", choices=SHARES, default=SHARES)
    parser.add_argument("--json", type=Path, help="keeps the results; those that it has already are not measured again")
    args = parser.parse_args()
    pages = scored_pages(args.dataset) if args.dataset else kept_pages(args.warc)
    rows = map(json.loads, args.reference.read_text("utf-8").splitlines()) if args.reference else ()
    reference = [row["text"] for row in rows if row["label"] == "1"]
    print(f"{len(pages)} pages kept, {sum(page.tokens for page in pages):,} tokens", flush=True)
    results = stored(args.json)
    for number in args.tier:
        tier = Remembering(tier_of(number))
        for share, seed in itertools.product(args.share, range(args.seeds)):
            if any((one.tier, one.share, one.seed) == (number, share, seed) for one in results):
                continue
            results += results_of(pages, reference, share, seed, tier, SETTINGS[number])
            if args.json:
                rows_of = json.dumps([result._asdict() for result in results], indent=1)
                write_whole(args.json, f"{rows_of}\n".encode())
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
