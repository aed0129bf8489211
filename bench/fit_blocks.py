"""Fits the weights of engine `blocks-1` to pages whose main text people marked, and writes them to `blocks.json`.

    python -m bench.fit_blocks --warc ../shared/corpus/mix-00.warc.gz ../shared/corpus/en-00.warc.gz

A logistic regression over the features of each block (`finest.recipe.extract.main_text`). A block is main text where at
least half of its word trigrams are in the marked text. It weighs as many words as it has, at most MOST_WORDS; pages
weigh alike, and so do their sources. Half of the sites are left out, and scored. The groups of names are read from
`blocks.json` as they stand there. Without `--write` nothing is fitted, and what stands there is scored.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bench.compare import Overlap, overlap
from bench.gold import is_fitted, read_marked
from finest.recipe.decode import html_of
from finest.recipe.extract import extract_structure, extract_trafilatura
from finest.recipe.extract import main_text as engine
from finest.recipe.extract.blocks import Block, read_blocks
from finest.recipe.recipe import DecodeRules, PayloadRules
from finest.warc.slices import plan_slices, read_slice
from finest.warc.source import inspect

READING, DECODING = PayloadRules(reading="datatrove"), DecodeRules(encoding="datatrove")
"""How the pages were read that the shipped weights were fitted to."""
MODEL = Path(engine.__file__).with_name("blocks.json")
MOST_WORDS = 150
"""Of one block. With a few long ones a page would say nothing of its short ones."""
PENALTY = 300.0
"""Of squared weights, where a page weighs up to 2,000. Of 10, 100, 300 and 1,000 it gave the best F1 where pages were
halved one by one, not by site: 0.868, 0.869, 0.870, 0.870."""
SCALE = 256
"""Integer weights are so many times those of the regression: less than 1 % of a weight of 0.4 is lost."""
LEAST_PAGES = 20
"""Of a source that is scored: fewer say nothing of others like them."""
_WORD = re.compile(r"\w+")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Marked:
    """A page with its blocks and the text that people marked."""

    source: str
    url: str
    html: str
    gold: str
    blocks: list[Block]


def read_pages(warcs: Iterable[Path], index: Path) -> Iterator[Marked]:
    """The marked pages of those WARCs."""
    marked, groups = read_marked(index), engine.model().groups
    for path in warcs:
        whole = inspect(str(path), path.name)
        for part in plan_slices(whole, 0, 1 << 30):
            for record in read_slice(whole, part, max_record_bytes=1 << 27):
                key = path.name, record.id
                html = html_of(record.page(), READING, DECODING) if key in marked else None
                if html is not None:
                    row = marked[key]
                    yield Marked(row["source"], row["url"], html, row["gold_text"], read_blocks(html, groups))


def labels(page: Marked) -> tuple[NDArray[np.bool_], Floats]:
    """Which blocks are main text, and what each of them weighs; a page's weights add up to 1,000."""
    gold = _words(page.gold)
    grams = {n: set(zip(*(gold[i:] for i in range(n)), strict=False)) for n in (1, 2, 3)}
    lines = {tuple(_words(line)) for line in page.gold.split("\n")}
    truth, weight = [], []
    for block in page.blocks:
        words = _words(block.text)
        n = min(3, len(words))
        found = list(zip(*(words[i:] for i in range(n)), strict=False))
        share = sum(gram in grams[n] for gram in found) / len(found) if found else 0.0
        truth.append(share >= 0.5 and (n == 3 or tuple(words) in lines))
        weight.append(min(len(words), MOST_WORDS) + 0.5)
    return np.array(truth, bool), np.array(weight) * 1000 / (sum(weight) + 1)


def fit(design: Floats, truth: NDArray[np.bool_], weight: Floats) -> Floats:
    """Weights of a logistic regression with a ridge, by Newton's method; the last column is the constant."""
    found = np.zeros(design.shape[1])
    ridge = np.full(design.shape[1], PENALTY)
    ridge[-1] = 0
    for _ in range(30):
        chance = 1 / (1 + np.exp(-design @ found))
        slope = design.T @ (weight * (truth - chance)) - ridge * found
        curve = (design * (weight * chance * (1 - chance))[:, None]).T @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curve, slope)
        found += step
        if np.abs(step).max() < 1e-6:
            break
    return found


def design_of(pages: Iterable[Marked], groups: int) -> Floats:
    """One row a block, one column a feature and the constant."""
    rows = [row for page in pages for row in engine.features(page.blocks)]
    design = np.zeros((len(rows), engine.feature_count(groups) + 1))
    for at, row in enumerate(rows):
        design[at, row] = 1
    design[:, -1] = 1
    return design


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warc", type=Path, nargs="+", required=True)
    parser.add_argument("--gold", type=Path, help="pages.jsonl.gz with gold_text  [default: beside the first WARC]")
    parser.add_argument(
        "--write", action="store_true", help=f"write the weights to {MODEL.name}, else score those there"
    )
    args = parser.parse_args()
    pages = list(read_pages(args.warc, args.gold or args.warc[0].parent / "pages.jsonl.gz"))
    if args.write:
        _write([page for page in pages if is_fitted(page.url) and page.blocks])
    _score([page for page in pages if not is_fitted(page.url)])


def _write(pages: list[Marked]) -> None:
    data = json.loads(MODEL.read_text(encoding="utf-8"))
    share = {source: 300 / n for source, n in Counter(page.source for page in pages).items()}
    found = [labels(page) for page in pages]
    weight = [weights * min(2.0, share[page.source]) for page, (_, weights) in zip(pages, found, strict=True)]
    truth = np.concatenate([truth for truth, _ in found])
    weights = fit(design_of(pages, len(data["groups"])), truth, np.concatenate(weight))
    data["weights"] = [round(float(value) * SCALE) for value in weights]
    MODEL.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{len(pages)} pages, {len(truth)} blocks, {int(truth.sum())} of them main text: wrote {MODEL.name}")


def _score(pages: list[Marked]) -> None:
    weights = [*json.loads(MODEL.read_text(encoding="utf-8"))["weights"]]
    print(f"{len(pages)} pages of other sites: precision, recall, F1 of words")
    texts: dict[str, Callable[[Marked], str]] = {
        "blocks-1": lambda page: engine.text_of(page.blocks, engine.chosen(page.blocks, weights)),
        "blocks-2": lambda page: extract_structure(page.html) or "",
        "trafilatura": lambda page: extract_trafilatura(page.html) or "",
        "all blocks": lambda page: engine.text_of(page.blocks, [True] * len(page.blocks)),
    }
    for name, text in texts.items():
        by_source = {source: [page for page in pages if page.source == source] for source in sources(pages)}
        scores = {source: overlap((page.gold, text(page)) for page in some) for source, some in by_source.items()}
        _print(name, overlap((page.gold, text(page)) for page in pages), "by page")
        means = (fmean(getattr(score, key) for score in scores.values()) for key in ("precision", "recall", "f1"))
        _print(name, Overlap(len(scores), *means), f"sources of {LEAST_PAGES} pages or more, each counted once")
        for source, score in scores.items():
            _print(name, score, source)


def sources(pages: Iterable[Marked]) -> list[str]:
    """The sources of enough pages to say something."""
    return sorted(source for source, n in Counter(page.source for page in pages).items() if n >= LEAST_PAGES)


def _print(name: str, score: Overlap, what: str) -> None:
    print(f"{name:12} {score.precision:.3f} {score.recall:.3f} {score.f1:.3f}  {score.pages} {what}")


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


if __name__ == "__main__":
    main()
