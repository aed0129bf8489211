"""Score how much of a page's structure each engine keeps: 5-grams, lines and indentation of code, and formulas.

    python -m bench.structure --pages ../shared/corpus/structure

The folder holds `NAME.html.gz` and `NAME.jsonl.gz`, whose last line has the page's `content_list` as people corrected
it. Pages without gold text are left out. A block of code of three lines or more counts as kept if 90 % of its lines are
lines of the text, and as kept with indentation if they are so with their leading white space. A formula counts where
its TeX, without white space, is in the text.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from resiliparse.extract.html2text import extract_plain_text

from finest.recipe.engines import ENGINES

LEAST_LINES = 3
"""Lines of a block of code that counts: shorter ones stand in a line of text as well."""
SHARE = 0.9
"""Share of a block's lines that must be found."""
_TOKEN = re.compile(r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]|\w+|[^\w\s]")
_MARKUP = re.compile(r"<[^>]+>")

Engine = Callable[[str], str | None]


class Gold(NamedTuple):
    """A page and what people say is in it."""

    name: str
    html: str
    text: str
    codes: list[str]
    formulas: list[str]


@dataclass(slots=True)
class Score:
    """The sums of one engine."""

    words: list[float] = field(default_factory=list)
    grams: list[tuple[float, float, float]] = field(default_factory=list)
    """F1, precision and recall of 5-grams, by page."""
    codes: int = 0
    lines: int = 0
    indented: int = 0
    formulas: int = 0
    found: int = 0
    cpu_s: float = 0.0


def main() -> None:
    """Print one line an engine, and with `--each` one a page."""
    parser = argparse.ArgumentParser(prog="python -m bench.structure", description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--each", action="store_true", help="print the 5-gram F1 of each page too")
    args = parser.parse_args()
    pages = list(read_pages(args.pages))
    print(f"{len(pages)} pages with gold text")
    for name, engine in engines().items():
        score = Score()
        for page in pages:
            measure(engine, page, score)
        print(row(name, score))
        if args.each:
            print("\n".join(f"    {page.name:28} {gram[0]:.3f}" for page, gram in zip(pages, score.grams, strict=True)))


def engines() -> dict[str, Engine]:
    """The engines that recipes name, and resiliparse with and without its choice of main content."""
    return {
        **ENGINES,
        "resiliparse": lambda html: extract_plain_text(html, main_content=True, alt_texts=False),
        "all visible text": lambda html: extract_plain_text(html, main_content=False, alt_texts=False),
    }


def read_pages(folder: Path) -> Iterator[Gold]:
    """The pages of the folder that have gold text."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
        content = json.loads(next(line for line in reversed(lines) if line.strip()))["content_list"]
        parts = [part for group in content for part in group]
        text = "\n".join(filter(None, map(flat, parts)))
        if text.strip():
            name = path.name.removesuffix(".jsonl.gz")
            html = gzip.decompress((folder / f"{name}.html.gz").read_bytes()).decode("utf-8", "replace")
            codes = [flat(part).strip("\n") for part in parts if part["type"] == "code"]
            formulas = [flat(part).strip() for part in parts if part["type"] == "equation-interline"]
            yield Gold(name, html, text, [code for code in codes if code.count("\n") >= LEAST_LINES - 1], formulas)


def flat(part: dict[str, Any]) -> str:
    """The text of one part of a `content_list`."""
    kind, content = part["type"], part.get("content")
    if content is None:
        return ""
    if kind == "title":
        return " ".join((content.get("title_content") or "").split())
    if kind == "paragraph":
        return "".join(piece.get("c") or "" for piece in content)
    if kind == "list":
        return "\n".join(map(_item, content.get("items", [])))
    if "table" in kind:
        return _MARKUP.sub(" ", content.get("html") or "")
    return {"code": content.get("code_content"), "equation-interline": content.get("math_content")}.get(kind) or ""


def _item(item: Any) -> str:
    if isinstance(item, list):
        return " ".join(map(_item, item))
    if not isinstance(item, dict):
        return str(item)
    text = item.get("c")
    inner = (item.get("child_list") or {}).get("items", [])
    return "\n".join([text if isinstance(text, str) else "", *map(_item, inner)])


def measure(engine: Engine, page: Gold, score: Score) -> None:
    """Add the engine's text of one page to its sums."""
    begun_s = time.process_time()
    text = engine(page.html) or ""
    score.cpu_s += time.process_time() - begun_s
    score.words.append(overlap(page.text, text, 1)[0])
    score.grams.append(overlap(page.text, text, 5))
    lines = {line.rstrip() for line in text.split("\n")}
    bare = {line.strip() for line in lines}
    for code in page.codes:
        wanted = [line.rstrip() for line in code.split("\n") if line.strip()]
        score.codes += 1
        score.lines += mean(line.strip() in bare for line in wanted) >= SHARE
        score.indented += mean(line in lines for line in wanted) >= SHARE
    dense = "".join(text.split())
    score.formulas += len(page.formulas)
    score.found += sum("".join(formula.split()) in dense for formula in page.formulas)


def overlap(gold: str, text: str, n: int) -> tuple[float, float, float]:
    """F1, precision and recall of the n-grams of tokens."""
    wanted, found = _grams(gold, n), _grams(text, n)
    if not wanted or not found:
        return (0.0, 0.0, 0.0) if wanted or found else (1.0, 1.0, 1.0)
    both = (wanted & found).total()
    precision, recall = both / found.total(), both / wanted.total()
    return 2 * both / (found.total() + wanted.total()), precision, recall


def _grams(text: str, n: int) -> Counter[tuple[str, ...]]:
    tokens = _TOKEN.findall(text)
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def row(name: str, score: Score) -> str:
    f1, precision, recall = (mean(gram[i] for gram in score.grams) for i in range(3))
    return (
        f"{name:18} words F1 {mean(score.words):.3f}  5-grams F1 {f1:.3f} P {precision:.3f} R {recall:.3f}  "
        f"code {score.lines} with indentation {score.indented} of {score.codes}  "
        f"formulas {score.found} of {score.formulas}  {1000 * score.cpu_s / len(score.grams):.2f} ms/page"
    )


if __name__ == "__main__":
    main()
