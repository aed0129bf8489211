"""CPU time of recipes by stage: they take turns on each page in one process.

python -m bench.turns --warc PATH... --every 8
python -m bench.turns --warc PATH... --recipes fineweb finest-union

Ratios of recipes hold on a busy machine too, since all meet the same load. Reading the WARC is not included: it is the
same for all recipes.
"""

from __future__ import annotations

import argparse
import gc
import logging
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from finest.recipe.judge import judge, toolbox
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.recipe.page import Page

MAX_RECORD_BYTES = 64 << 20
ROUNDS = 3
"""How often all pages are judged. For each page and recipe the least time counts, since other processes only add to it.
All other pages are judged between two times of a page, so that no cache has its texts."""


def compare(pages: Sequence[Page], names: Sequence[str], rounds: int = ROUNDS) -> list[list[dict[str, float]]]:
    """Return CPU seconds by stage of each page (column) and recipe (row), those of the page's fastest round."""
    recipes, cache = [load_recipe(name) for name in names], default_cache()
    least: list[list[dict[str, float]]] = [[{} for _ in pages] for _ in recipes]
    for recipe in recipes:
        toolbox(recipe, cache).load()
    gc.freeze()  # as a run does before its workers are forked
    for _ in range(rounds):
        for place, page in enumerate(pages):
            for recipe, of_pages in zip(recipes, least, strict=True):
                clock: dict[str, float] = {}
                judge(page, recipe, cache, clock)
                if not of_pages[place] or sum(clock.values()) < sum(of_pages[place].values()):
                    of_pages[place] = clock
    return least


def table(least: Sequence[Sequence[dict[str, float]]], names: Sequence[str]) -> str:
    """Return the mean milliseconds of a page by stage and recipe as a table."""
    stages = list(dict.fromkeys(stage for of_pages in least for clock in of_pages for stage in clock))
    rows = [(stage, [_ms(clock.get(stage, 0.0) for clock in of_pages) for of_pages in least]) for stage in stages]
    whole = [_ms(sum(clock.values()) for clock in of_pages) for of_pages in least]
    lines = [f"| CPU ms a page | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    lines += [f"| {name} | {' | '.join(f'{ms:.3f}' for ms in of)} |" for name, of in [*rows, ("all stages", whole)]]
    return "\n".join([*lines, f"| of {names[0]} | {' | '.join(f'{ms / whole[0]:.3f}' for ms in whole)} |"])


def _ms(seconds: Iterator[float]) -> float:
    of = list(seconds)
    return 1000 * sum(of) / max(len(of), 1)


def pages_of(warc: Path) -> Iterator[Page]:
    """Yield the pages of a WARC."""
    source = inspect(str(warc))
    for record in read_slice(source, Slice(0, 0, 0, source.size_bytes), max_record_bytes=MAX_RECORD_BYTES):
        yield record.page()


def main() -> None:
    """Print a table for each WARC."""
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description=__doc__.partition("\n")[0])
    parser.add_argument("--warc", nargs="+", type=Path, required=True)
    parser.add_argument("--recipes", nargs="+", default=["fineweb", "finest", "finest-union"])
    parser.add_argument("--every", type=int, default=1, metavar="K", help="measure every K-th page alone")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="the least time of a page counts (default: 3)")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for warc in args.warc:
        pages = list(islice(pages_of(warc), 0, None, args.every))
        print(f"{warc.name}: {len(pages)} pages, {args.rounds} rounds\n")
        print(table(compare(pages, args.recipes, args.rounds), args.recipes), end="\n\n")


if __name__ == "__main__":
    main()
