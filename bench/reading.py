"""What the standards' reading of a response changes against DataTrove's, and what both cost.

    python -m bench.reading crawl/*.warc.gz

Each WARC's pages are read in both ways, one after the other in one run; pages that come out differently are judged by
`fineweb` and by `fineweb` with the standards' reading. CPU is that of reading and decoding, the least of five turns.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from finest.recipe.decode import decode, html_of
from finest.recipe.judge import judge
from finest.recipe.page import Page
from finest.recipe.payload import PayloadTooLarge, Undecodable, is_wanted_status, read_message, read_response
from finest.recipe.recipe import Recipe, load_recipe
from finest.settings import default_cache
from finest.warc.slices import plan_slices, read_slice
from finest.warc.source import inspect

TURNS = 5


def pages_of(location: str) -> list[Page]:
    """All pages of a WARC."""
    source = inspect(location)
    slices = plan_slices(source, 0, 1 << 40)
    return [one.page() for part in slices for one in read_slice(source, part, max_record_bytes=1 << 26)]


def read(page: Page, recipe: Recipe) -> tuple[str | None, bool]:
    """The page's HTML as the recipe reads it, and whether it is one by its status and type."""
    message = read_message(page, recipe.payload)
    try:
        response = read_response(page, message, recipe.payload)
    except (Undecodable, PayloadTooLarge):
        return None, False
    is_page = response.type in recipe.payload.types and is_wanted_status(message.status, recipe.payload)
    return (html_of(page, recipe.payload, recipe.decode) if is_page else None), is_page


def compare(pages: Sequence[Page], one: Recipe, other: Recipe) -> Counter[str]:
    """Pages by what becomes of them, of those that the two recipes read differently."""
    found: Counter[str] = Counter()
    for page in pages:
        if read(page, one) == read(page, other):
            continue
        before, after = judge(page, one, default_cache()), judge(page, other, default_cache())
        text = "" if before.text == after.text else ", other text"
        found["read differently"] += 1
        found[f"{'kept' if before.kept else 'dropped'} -> {'kept' if after.kept else 'dropped'}{text}"] += 1
        found[f"    {before.reason} -> {after.reason}"] += 1
    return found


def cost(pages: Sequence[Page], recipes: Sequence[Recipe]) -> dict[str, float]:
    """Milliseconds of CPU a page for reading and decoding."""
    best = dict.fromkeys((recipe.name for recipe in recipes), float("inf"))
    for _ in range(TURNS):
        for recipe in recipes:
            start = time.process_time()
            for page in pages:
                response = read_response(page, read_message(page, recipe.payload), recipe.payload)
                if response.type in recipe.payload.types:
                    decode(response, recipe.decode)
            best[recipe.name] = min(best[recipe.name], 1000 * (time.process_time() - start) / len(pages))
    return best


def main() -> None:
    """Print the difference and the cost for each WARC."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("warc", nargs="+", type=Path)
    recipes = load_recipe("fineweb"), Recipe(name="fineweb-standard")
    for path in parser.parse_args().warc:
        pages = pages_of(str(path))
        print(f"{path.name}: {len(pages)} pages")
        for what, count in compare(pages, *recipes).items():
            print(f"  {count:5} {what}")
        for name, cpu_ms in cost(pages, recipes).items():
            print(f"  {cpu_ms:.3f} ms of CPU a page to read and decode, {name}")


if __name__ == "__main__":
    main()
