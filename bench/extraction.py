"""Extraction alone: trafilatura, the Python path and the compiled core by turns on each page, with equality checked.

python -m bench.extraction --warc PATH...              both paths on every page
python -m bench.extraction --warc PATH... --every 8 --trafilatura
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import trafilatura

from finest.recipe import native
from finest.recipe.decode import html_of
from finest.recipe.extract import extract_trafilatura
from finest.recipe.extract.page import FALLBACKS, extract_in_python
from finest.recipe.extract.parse import source_of
from finest.recipe.recipe import load_recipe
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

MAX_RECORD_BYTES = 64 << 20


def by_trafilatura(html: str) -> str | None:
    return trafilatura.extract(html, favor_precision=True, include_comments=False, deduplicate=False)


def in_python(html: str) -> str | None:
    source = source_of(html)
    return by_trafilatura(html) if source is None or source.forbidden else extract_in_python(source)


def main() -> None:
    """Print CPU a page of each way, how many texts are equal, and the core's fallbacks by reason."""
    args = _arguments()
    logging.disable(logging.CRITICAL)
    if native.core() is None:
        raise SystemExit(f"no compiled core here: {native.missing()}")
    ways: dict[str, Callable[[str], str | None]] = {"core": extract_trafilatura, "Python": in_python}
    if args.trafilatura:
        ways["trafilatura"] = by_trafilatura
    cpu_s, equal, count = Counter[str](), Counter[str](), 0
    extract_trafilatura("<p>what is loaded once</p>")
    FALLBACKS.clear()
    lost = Counter[str]()
    for number, html in enumerate(html for path in args.warc for html in pages(path, lost)):
        if number % args.every:
            continue
        count += 1
        texts = {}
        for name, extract in ways.items():
            begin = time.process_time()
            texts[name] = _outcome(extract, html)
            cpu_s[name] += time.process_time() - begin
        equal.update(name for name, text in texts.items() if text == texts["core"])
    for name in ways:
        cost = f"{1000 * cpu_s[name] / max(count, 1):7.2f} ms/page"
        print(f"{name:12} {cost}   {equal[name]} of {count} texts equal the core's")
    print(f"left to Python or trafilatura: {FALLBACKS.total()} {dict(FALLBACKS)}")
    print(f"passed over: {lost.total()} {dict(lost)}")


def pages(path: Path, lost: Counter[str]) -> Iterator[str]:
    """The decoded HTML of all responses; what cannot be read or decoded is counted by reason in `lost`."""
    source, recipe = inspect(str(path)), load_recipe("fineweb")
    whole = Slice(0, 0, 0, source.size_bytes)
    records = read_slice(source, whole, max_record_bytes=MAX_RECORD_BYTES, page_types=("response",))
    for record in records:
        html = html_of(record.page(), recipe.payload, recipe.decode)
        if html:
            yield html
        else:
            lost["payload_encoding" if html is None else "payload_empty"] += 1
    lost.update(loss.reason for loss in records.losses)


def _outcome(extract: Callable[[str], str | None], html: str) -> Any:
    try:
        return extract(html)
    except Exception as error:
        return type(error)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.extraction", description=__doc__.partition("\n")[0])
    parser.add_argument("--warc", nargs="+", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, metavar="K", help="measure every K-th page alone")
    parser.add_argument("--trafilatura", action="store_true", help="trafilatura itself too: ten times as long")
    return parser.parse_args()


if __name__ == "__main__":
    main()
