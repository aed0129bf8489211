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
from fastwarc.warc import ArchiveIterator, WarcRecordType

from finest.recipe import native
from finest.recipe.extract import extract_trafilatura
from finest.recipe.extract.page import FALLBACKS, extract_in_python
from finest.recipe.extract.parse import source_of
from finest.recipe.payload.as_datatrove import decode_by_guess


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
    for number, html in enumerate(html for path in args.warc for html in pages(path)):
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
        print(f"{name:12} {1000 * cpu_s[name] / count:7.2f} ms/page   {equal[name]} of {count} texts equal the core's")
    print(f"left to Python or trafilatura: {FALLBACKS.total()} {dict(FALLBACKS)}")


def pages(path: Path) -> Iterator[str]:
    """The decoded HTML of all responses."""
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, auto_decode="all"):
            html = decode_by_guess(record.reader.read())
            if html:
                yield html


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
