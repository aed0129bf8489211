"""Extraction alone: trafilatura, the Python path and the compiled core by turns on each page, with equality checked.

python -m bench.extraction --warc PATH...              both paths on every page
python -m bench.extraction --warc PATH... --every 8 --trafilatura
python -m bench.extraction --warc PATH... --engines    the engines that recipes name, each by the core
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import trafilatura

from finest.recipe import native
from finest.recipe.decode import html_of
from finest.recipe.engines import ENGINES
from finest.recipe.extract import extract_trafilatura
from finest.recipe.extract.page import FALLBACKS, extract_in_python
from finest.recipe.extract.parse import source_of
from finest.recipe.recipe import load_recipe
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

MAX_RECORD_BYTES = 64 << 20
TIMES = 3
"""How often each engine reads each page; the least time counts, since other processes only add to it."""


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
    lost = Counter[str]()
    chosen = islice((html for path in args.warc for html in pages(path, lost)), 0, None, args.every)
    if args.engines:
        compare_engines(chosen)
        return
    cpu_s, equal, count = Counter[str](), Counter[str](), 0
    extract_trafilatura("<p>what is loaded once</p>")
    FALLBACKS.clear()
    for html in chosen:
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


def compare_engines(chosen: Iterable[str]) -> None:
    """Print CPU a page of each engine; they take turns on each page."""
    cpu_s, count = dict.fromkeys(ENGINES, 0.0), 0
    for extract in ENGINES.values():
        extract("<p>what is loaded once</p>")
    for html in chosen:
        count += 1
        least = {name: [_cpu_s(extract, html) for _ in range(TIMES)] for name, extract in ENGINES.items()}
        cpu_s = {name: cpu_s[name] + min(times) for name, times in least.items()}
    for name in ENGINES:
        print(f"{name:12} {1000 * cpu_s[name] / max(count, 1):7.3f} ms/page")
    print(f"{count} pages")


def _cpu_s(extract: Callable[[str], str | None], html: str) -> float:
    begin = time.process_time()
    _outcome(extract, html)
    return time.process_time() - begin


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
    parser.add_argument("--engines", action="store_true", help="compare the engines that recipes name, not the paths")
    parser.add_argument("--trafilatura", action="store_true", help="trafilatura itself too: ten times as long")
    return parser.parse_args()


if __name__ == "__main__":
    main()
