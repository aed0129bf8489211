"""Fit the trees of engine `blocks-2` to pages whose main text people marked, and score them.

    python -m bench.marked_sets FOLDER_WITH_THE_CLONES marked.jsonl.gz
    python -m bench.fit_trees marked.jsonl.gz                   # score the shipped trees on sites that they never saw
    python -m bench.fit_trees marked.jsonl.gz --apart ../shared/corpus/pages.jsonl.gz --write --leave-out

The last one fits trees.json, and scores each source by other trees, which saw no page of it or of sources like it.

Fitting needs `pip install catboost`. A block is main text where at least half of its word trigrams are in the marked
text; it weighs as many words as it has, at most MOST_WORDS. Pages of a source weigh alike but for KINDS, and sources
alike but for SHARES. Some pages are also fitted to as a few blocks of main text without the rest. The shipped trees are
fitted to half of the sites of FITTED, without the pages that `--apart` keeps for bench.fit_blocks: Dragnet's pages are
under the AGPL, L3S-GN1's for research only, and DAnIEL's and WCXB's test pages are kept apart.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bench.compare import overlap
from bench.gold import read_gold
from bench.marked_sets import Marked
from finest.recipe import native
from finest.recipe.extract import extract_structure, extract_trafilatura
from finest.recipe.extract.block_features import features, name_groups
from finest.recipe.extract.limit import ExtractionLimit
from finest.recipe.extract.parts import Page, Part
from finest.recipe.extract.structure import read_page
from finest.recipe.extract.structured_text import LEAST_SHOWN, open_structure_tables
from finest.recipe.extract.trees import MOST_SCORE, Stage, Trees, second_features

TREES = Path(read_page.__code__.co_filename).with_name("trees.json")
LEFT_OUT = (
    ("wcxb", "wcxb-test"), ("cleaneval", "cleanportaleval", "readability"),
    ("scrapinghub", "andythefactory", "fundus", "fundus-tests"), ("chinese-news", "chinese-texts"),
)  # fmt: skip
"""Groups of like sources, which are left out together."""
FITTED = tuple(source for group in LEFT_OUT for source in group if source != "wcxb-test")
SHARES = {"wcxb": 2.2}
"""Weight of a source whose pages are of seven kinds, beside 1 of the others, whose pages are mostly articles."""
KINDS = {"forum": 3.5, "product": 2.5, "listing": 2.5, "collection": 2.5, "documentation": 1.5, "service": 1.5}
"""Weight of a page of a kind, beside 1 of an article."""
FEW = 150
"""A source of fewer pages weighs less, in proportion."""
MOST_PAGES = {"fitted": 480, "scored": 150}
"""Of a source that are fitted to and scored, drawn at random."""
MOST_BLOCKS = 2_500
MOST_WORDS = 150
SCALE = 256
MOST_RANGE = 255
"""Of the leaves of a tree, so that the compiled core can sum bytes: what is higher is lowered."""
FRAGMENTS, FRAGMENT_WEIGHT = 0.3, 0.35
"""Share of the pages of which a part is also fitted to, and what it weighs."""
FOLDS = 2
"""The second stage is fitted to scores of first stages that saw other sites."""
Ints = NDArray[np.int16]
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Example:
    """A page with what the trees are fitted to."""

    page: Marked
    parts: list[Part]
    rows: Ints
    truth: NDArray[np.bool_]
    weight: NDArray[np.float64]


def is_fitted(page: Marked) -> bool:
    """Return whether the page's site is of the half that is fitted to."""
    return page.source in FITTED and crc32(page.site.encode()) % 2 == 0


def kept_apart(path: Path | None) -> set[str]:
    """Return the beginnings of the marked texts of pages that are scored elsewhere."""
    return set() if path is None else {_beginning(text) for text in read_gold(path).values()}


def _beginning(text: str) -> str:
    return "".join(_words(text))[:200]


def read_pages(path: Path, most: int, wanted: Callable[[Marked], bool]) -> dict[str, list[Marked]]:
    """Return some pages of each source."""
    found: dict[str, list[Marked]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            page = Marked(**json.loads(line))
            if wanted(page):
                found.setdefault(page.source, []).append(page)
    return {source: random.Random(5).sample(pages, min(most, len(pages))) for source, pages in found.items()}


def example_of(page: Marked) -> Example | None:
    """Return what is fitted to a page, or None if there is nothing."""
    read = _read(page.html)
    parts = read.shown if read else []
    if read and sum(part.chars for part in parts) < LEAST_SHOWN and read.unscripted:
        parts = read.unscripted
    if not 0 < len(parts) <= MOST_BLOCKS:
        return None
    truth, weight = labels(page.gold, parts)
    return Example(page, parts, np.array(features(parts), np.int16), truth, weight)


def _read(html: str) -> Page | None:
    try:
        return read_page(html, name_groups())
    except ExtractionLimit:
        return None


def fragment_of(example: Example, chance: random.Random) -> Example | None:
    """Return some blocks of main text as a page of their own, with few of the others."""
    good = np.flatnonzero(example.truth).tolist()
    if len(good) < 2 or chance.random() > FRAGMENTS:
        return None
    count = chance.choice((1, 1, 2, 3, 5, 8, 12))
    start = chance.randrange(max(1, len(good) - count + 1))
    others = {at for at in range(len(example.parts)) if chance.random() < 0.02}
    taken = sorted({*good[start : start + count], *others})
    parts, weight = [example.parts[at] for at in taken], example.weight[taken]
    rows = np.array(features(parts), np.int16)
    return Example(example.page, parts, rows, example.truth[taken], weight * (FRAGMENT_WEIGHT / weight.sum()))


def labels(gold: str, parts: Sequence[Part]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which blocks are main text, and what each of them weighs; a page's weights add up to 1."""
    words = _words(gold)
    grams = {n: set(zip(*(words[i:] for i in range(n)), strict=False)) for n in (1, 2, 3)}
    lines = {tuple(_words(line)) for line in gold.split("\n")}
    truth, weight = [], []
    for part in parts:
        own = _words(part.text)
        n = min(3, len(own))
        found = list(zip(*(own[i:] for i in range(n)), strict=False))
        share = sum(gram in grams[n] for gram in found) / len(found) if found else 0.0
        truth.append(share >= 0.5 and (n == 3 or tuple(own) in lines))
        weight.append(min(len(own), MOST_WORDS) + 0.5)
    return np.array(truth, bool), np.array(weight) / sum(weight)


def fit(examples: Sequence[Example]) -> Trees:
    """Fit both stages."""
    counts: dict[str, float] = {}
    for example in examples:
        counts[example.page.source] = counts.get(example.page.source, 0) + KINDS.get(example.page.kind, 1.0)
    share = {source: SHARES.get(source, 1.0) / max(FEW, n) for source, n in counts.items()}
    weights = [example.weight * share[example.page.source] * KINDS.get(example.page.kind, 1.0) for example in examples]
    fold = [crc32(f"fold {example.page.site}".encode()) % FOLDS for example in examples]
    found: list[list[list[int]]] = [[] for _ in examples]
    for one in range(FOLDS):
        others = [at for at in range(len(examples)) if fold[at] != one]
        stage = _fit_stage([examples[at] for at in others], [examples[at].rows for at in others],
                           [weights[at] for at in others], FIRST)  # fmt: skip
        for at, example in enumerate(examples):
            if fold[at] == one:
                scores = np.clip(score_all(stage, example.rows), -MOST_SCORE, MOST_SCORE).tolist()
                found[at] = list(second_features(example.parts, scores))
    first = _fit_stage(examples, [example.rows for example in examples], weights, FIRST)
    rows = [np.hstack([example.rows, np.array(more, np.int16)]) for example, more in zip(examples, found, strict=True)]
    return Trees(first, _fit_stage(examples, rows, weights, SECOND))


FIRST = {"iterations": 150, "depth": 6, "learning_rate": 0.1, "l2_leaf_reg": 20}
SECOND = {"iterations": 150, "depth": 5, "learning_rate": 0.1, "l2_leaf_reg": 20}


def _fit_stage(
    examples: Sequence[Example], rows: Sequence[Ints], weights: Sequence[Any], settings: dict[str, Any]
) -> Stage:
    from catboost import CatBoostClassifier

    weight = np.concatenate(weights)
    trees = CatBoostClassifier(
        **settings, border_count=48, rsm=0.4, bootstrap_type="Bernoulli", subsample=0.6, random_seed=1,
        thread_count=2, verbose=0, allow_writing_files=False,
    )  # fmt: skip
    truth = np.concatenate([example.truth for example in examples]).astype(int)
    trees.fit(np.concatenate(rows), truth, sample_weight=weight / weight.mean())
    return stage_of(trees)


def stage_of(trees: Any) -> Stage:
    """Return the trees of CatBoost as integers."""
    path = TREES.with_suffix(".tmp")
    try:
        trees.save_model(str(path), format="json")
        data = json.loads(path.read_text(encoding="utf-8"))
    finally:
        path.unlink(missing_ok=True)
    columns, limits, leaves = bytearray(), list[int](), list[int]()
    depth = max(len(tree["splits"]) for tree in data["oblivious_trees"])
    names = [one["flat_feature_index"] for one in data["features_info"]["float_features"]]
    scale, (bias,) = data["scale_and_bias"]
    for tree in data["oblivious_trees"]:
        splits = tree["splits"]
        spare = depth - len(splits)
        columns += bytes([*(names[split["float_feature_index"]] for split in splits), *[0] * spare])
        limits += [*(int(np.floor(split["border"])) for split in splits), *[(1 << 15) - 1] * spare]
        values = [round(value * scale * SCALE) for value in tree["leaf_values"]]
        values = [min(value, min(values) + MOST_RANGE) for value in values]
        leaves += values + [0] * (len(values) * ((1 << spare) - 1))
    return Stage(depth, round(bias * SCALE), bytes(columns), tuple(limits), tuple(leaves))


def score_all(stage: Stage, rows: Ints) -> NDArray[np.int64]:
    """Return `Stage.score` of each row."""
    depth = stage.depth
    columns = np.frombuffer(stage.columns, np.uint8).reshape(-1, depth)
    limits = np.array(stage.limits, np.int16).reshape(-1, depth)
    leaves = np.array(stage.leaves, np.int64).reshape(-1, 1 << depth)
    total = np.full(len(rows), stage.bias, np.int64)
    for tree in range(len(columns)):
        leaf = ((rows[:, columns[tree]] > limits[tree]) << np.arange(depth)).sum(1)
        total += leaves[tree][leaf]
    return total


def write(trees: Trees) -> None:
    """Write the trees to the file that ships."""
    lines = []
    for stage in trees:
        depth = stage.depth
        lines.append(json.dumps({"depth": depth, "bias": stage.bias}))
        for tree in range(len(stage.columns) // depth):
            nodes, leaves = slice(tree * depth, (tree + 1) * depth), slice(tree << depth, (tree + 1) << depth)
            row = {"columns": [*stage.columns[nodes]], "limits": stage.limits[nodes], "leaves": stage.leaves[leaves]}
            lines.append(json.dumps(row, separators=(",", ":")))
    TREES.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {TREES.name}; the shipped recipes must state {sha256(TREES.read_bytes()).hexdigest()}")


# ---- scores ----


def text_by(trees: Trees) -> Callable[[str], str]:
    """Return the engine with these trees."""
    core = native.core()
    if core is None:
        raise SystemExit(f"no compiled core: {native.missing()}")
    tables = open_structure_tables(core, trees)

    def text(html: str) -> str:
        try:
            return core.structure_extract(tables, html, (False,))[0]
        except core.Refused:
            return ""

    return text


def report(pages: dict[str, list[Marked]], engines: dict[str, Callable[[Marked], str]]) -> None:
    """Print precision, recall and F1 of each engine by source, and for WCXB's pages by kind."""
    for name, engine in engines.items():
        print(name)
        texts = {source: [(page, engine(page)) for page in some] for source, some in sorted(pages.items())}
        scores = [_print(source, some) for source, some in texts.items()]
        print(
            f"  {'mean of the sources':28} {' '.join(f'{fmean(column):.3f}' for column in zip(*scores, strict=True))}"
        )
        every = [pair for some in texts.values() for pair in some]
        for kind in sorted({page.kind for page, _ in every if page.source.startswith("wcxb")}):
            _print(f"wcxb: {kind}", [pair for pair in every if pair[0].kind == kind and pair[0].source[:4] == "wcxb"])


def _print(what: str, texts: Sequence[tuple[Marked, str]]) -> tuple[float, float, float]:
    score = overlap((page.gold, text) for page, text in texts)
    print(f"  {what:28} {score.precision:.3f} {score.recall:.3f} {score.f1:.3f}  {score.pages}", flush=True)
    return score.precision, score.recall, score.f1


def others() -> dict[str, Callable[[Marked], str]]:
    """Return the extractors that the trees are scored beside."""
    from resiliparse.extract.html2text import extract_plain_text

    return {
        "trafilatura 1.11.0, as recipe fineweb": lambda page: extract_trafilatura(page.html) or "",
        "resiliparse": lambda page: extract_plain_text(page.html, main_content=True),
    }


def leave_out(path: Path, fitted: Sequence[Example], trees: Trees) -> None:
    """Score each source by trees that were fitted to the other groups, and the rest by `trees`, fitted to all."""
    pages = read_pages(path, MOST_PAGES["scored"], lambda _: True)
    without: dict[tuple[str, ...], Callable[[str], str]] = {(): text_by(trees)}
    for left in LEFT_OUT:
        without[left] = text_by(fit([one for one in fitted if one.page.source not in left]))
    report(pages, {"trees": lambda page: without[_left_out(page.source)](page.html), **others()})


def _left_out(source: str) -> tuple[str, ...]:
    """Return the sources that trees must not have seen to score this one."""
    return next((group for group in LEFT_OUT if source in group), ())


def _examples(path: Path, apart: set[str]) -> Iterator[Example]:
    def wanted(page: Marked) -> bool:
        return is_fitted(page) and _beginning(page.gold) not in apart

    chance = random.Random(9)
    for some in read_pages(path, MOST_PAGES["fitted"], wanted).values():
        for example in filter(None, map(example_of, some)):
            yield example
            if (fragment := fragment_of(example, chance)) is not None:
                yield fragment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, help="what bench.marked_sets wrote")
    parser.add_argument("--apart", type=Path, help="pages.jsonl.gz; bench.fit_blocks scores half of them")
    parser.add_argument("--write", action="store_true", help=f"write {TREES.name}")
    parser.add_argument("--leave-out", action="store_true", help="score sources by trees that saw none like them")
    args = parser.parse_args()
    if not (args.write or args.leave_out):
        pages = read_pages(args.pages, MOST_PAGES["scored"], lambda page: not is_fitted(page))
        report(pages, {"shipped": lambda page: extract_structure(page.html) or "", **others()})
        return
    fitted = [*_examples(args.pages, kept_apart(args.apart))]
    trees = fit(fitted)
    print(f"{len(fitted)} pages and parts of pages, {sum(len(one.rows) for one in fitted)} blocks")
    if args.write:
        write(trees)
    if args.leave_out:
        leave_out(args.pages, fitted, trees)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


if __name__ == "__main__":
    main()
