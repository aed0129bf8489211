"""Recall on edited copies, false alarms and cost of decontamination, for several sizes of n-grams.

    python -m bench.decontaminate --set mmlu=mmlu.jsonl --set gsm8k=gsm8k.jsonl --dataset my-dataset

It plants items of the sets into texts of the dataset, with a share of their words edited: each edit replaces a word by
one of another text, removes it, or adds one after it. Rows of the dataset that match without a planted item are
counted as false alarms; a person has to look which of them are real (`finest decontaminate my-dataset --index FILE`).

The constants were chosen on the 1,000 questions that the table plants. `--held-out` plants 1,000 others, and measures
the default only; give it a dataset that the table was not made with.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence

from finest.dataset.open import open_dataset
from finest.pipeline.decontaminate.sets import find_set, read_items
from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.match import Matcher

RATES = (0.0, 0.05, 0.1, 0.2, 0.3)
RULES = ((3, 5, 10), (4, 5, 10), (5, 5, 10), (8, 1, 0), (13, 1, 0))
"""Words of an n-gram, `min_matches` and `min_percent`."""
DEFAULT = RULES[1]
PLANTED = 1000
AROUND = 600
"""Characters of a text before and after a planted item."""


def edited(text: str, rate: float, words: Sequence[str], draw: random.Random) -> str:
    """The text with each word edited with a probability of `rate`."""
    found: list[str] = []
    for word in text.split():
        kind = draw.randrange(3) if draw.random() < rate else -1
        found += {-1: [word], 0: [draw.choice(words)], 1: [], 2: [word, draw.choice(words)]}[kind]
    return " ".join(found)


def planted(item: str, text: str, draw: random.Random) -> str:
    """A part of the text with the item in it."""
    at = draw.randrange(len(text))
    return f"{text[max(0, at - AROUND) : at]}\n{item}\n{text[at : at + AROUND]}"


def drawn(sets: dict[str, list[Item]], *, held_out: bool) -> list[Item]:
    """The questions to plant: those that the constants were chosen on, or as many of the others."""
    long_enough = [item for items in sets.values() for item in items if len(item.text.split()) >= 8]
    chosen = random.Random(1).sample(range(len(long_enough)), min(PLANTED, len(long_enough)))
    if held_out:
        others = sorted(set(range(len(long_enough))) - set(chosen))
        chosen = random.Random(3).sample(others, min(PLANTED, len(others)))
    return [long_enough[number] for number in chosen]


def measured(sets: dict[str, list[Item]], chosen: list[Item], texts: list[str], rule: tuple[int, int, int]) -> str:
    """One line of the table."""
    n, min_matches, min_percent = rule
    index = build_index(sets.items(), n)
    matcher, draw = Matcher(index, min_matches, min_percent), random.Random(7)
    words = [word for text in random.Random(2).sample(texts, min(500, len(texts))) for word in text.split()]
    recall = []
    for rate in RATES:
        copies = [planted(edited(item.text, rate, words, draw), draw.choice(texts), draw) for item in chosen]
        hits = [(found := matcher.best(copy)) is not None and found.is_copy for copy in copies]
        recall.append(f"{sum(hits) / len(hits):.1%}")
    began = time.process_time()
    alarms = [(found := matcher.best(text)) is not None and found.is_copy for text in texts]
    cost = (time.process_time() - began) / len(texts) * 1e6
    cells = [str(n), f"{min_matches}, {min_percent} %", *recall, f"{sum(alarms)} of {len(texts):,}",
             f"{len(index.hashes):,}", f"{cost:.0f} µs"]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", required=True, dest="sets", help="[NAME=]FILE")
    parser.add_argument("--dataset", required=True, help="folder of a dataset")
    parser.add_argument("--held-out", action="store_true", help="plant other questions, with the default only")
    args = parser.parse_args()
    sets = {}
    for spec in args.sets:
        files = find_set(spec, lambda: parser.error("sets of this bench are files"))
        distinct = {item.text: item for item in reversed(list(read_items(files, ())))}
        sets[files.name] = sorted(distinct.values())
    with open_dataset(args.dataset) as dataset:
        texts = dataset.row_columns("text")["text"].to_pylist()
    size = sum(map(len, texts)) / len(texts)
    print(f"{sum(map(len, sets.values())):,} items, {len(texts):,} texts of {size:,.0f} characters on average\n")
    rates = " | ".join(f"{rate:.0%}" for rate in RATES)
    print(f"| n | needed | {rates} | false alarms | n-grams | a text |\n|{'---|' * (5 + len(RATES))}")
    chosen = drawn(sets, held_out=args.held_out)
    for rule in (DEFAULT,) if args.held_out else RULES:
        print(measured(sets, chosen, texts, rule), flush=True)


if __name__ == "__main__":
    main()
