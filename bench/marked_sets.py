"""Read pages with their main text as people marked it, from clones of the public repositories that hold them.

python -m bench.marked_sets FOLDER_WITH_THE_CLONES marked.jsonl.gz

Each line has `source`, `site`, `kind` (of WCXB's pages), `html` and `gold`. The clones, by the names of their folders:

web-content-extraction-benchmark   WCXB, CC-BY-4.0: drafted by a language model and reviewed by people; pages of 7 kinds
html-cleaning-dataset-merged       CleanEval, CleanPortalEval, L3S-GN1, Dragnet, and the tests of Mozilla's Readability
article-extraction-benchmark       Scrapinghub's, MIT: news
article-extraction-dataset         AndyTheFactory's, Apache-2.0: news
fundus-evaluation                  MIT: news
fundus                             MIT: news, a page or more of each of 181 publishers, from the tests of its parsers
Dataset-for-web-main-content-extraction   Chinese news of ten sites
Chinese-Web-Content-Extraction-Dataset    MIT: Chinese news of other sites
waddle                             DAnIEL: news in five languages, of which the English ones are read
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from finest.recipe.decode import decode
from finest.recipe.payload import Response
from finest.recipe.recipe import DecodeRules

MOST_OF_A_SITE = 12
"""Pages that are read of one Chinese site: there are ten sites of a hundred pages each."""
_MERGED = {
    "cleaneval-dev": "cleaneval", "cleaneval-final": "cleaneval", "CleanPortalEval-master": "cleanportaleval",
    "dragnet_data": "dragnet", "readability": "readability", "page-signal-master": "l3s-gn1",
}  # fmt: skip
_URL = re.compile(r"\s*URL:\s*(\S+)")
_TAGS = re.compile(r"<[^>]*>")
_BREAKS = re.compile(r"</?(?:p|div|h[1-6]|li|ul|ol|tr|td|th|br|pre|blockquote|table|section|article|header)\b[^>]*>")
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_CLEANEVAL = re.compile(r"<[a-z]>", re.IGNORECASE)
_SELECTED = re.compile(r"<(/?)span\b([^>]*)>", re.IGNORECASE)
_MAIN_CLASS = re.compile(r"x-nc-sel[123]\b")
_CLASS = re.compile(r"x-nc-sel[0-9]")


class Marked(NamedTuple):
    """A page and the text that people marked in it."""

    source: str
    site: str
    kind: str
    html: str
    gold: str


def read_marked_sets(clones: Path) -> Iterator[Marked]:
    """Yield the pages of all sets whose clones are there; those that cannot be decoded or have no text are left out."""
    for page in _all(clones):
        if page.html.strip() and page.gold.strip():
            yield page


def _all(clones: Path) -> Iterator[Marked]:
    yield from _wcxb(clones / "web-content-extraction-benchmark")
    yield from _merged(clones / "html-cleaning-dataset-merged")
    yield from _articles(clones / "article-extraction-benchmark", "ground-truth.json", "scrapinghub")
    yield from _articles(clones / "article-extraction-dataset", "articles.json", "andythefactory")
    yield from _fundus(clones / "fundus-evaluation" / "dataset")
    yield from _publishers(clones / "fundus" / "tests" / "resources" / "parser" / "test_data")
    yield from _chinese(clones / "Dataset-for-web-main-content-extraction")
    yield from _chinese_texts(clones / "Chinese-Web-Content-Extraction-Dataset")
    yield from _daniel(clones / "waddle" / "corpora" / "Corpus_daniel_v2.1")


def _wcxb(root: Path) -> Iterator[Marked]:
    for path in sorted(root.glob("*/ground-truth/*.json")):
        page = json.loads(path.read_text(encoding="utf-8"))
        source = "wcxb" if path.parts[-3] == "dev" else "wcxb-test"
        html = _html(path.parents[1] / "html" / f"{path.stem}.html.gz")
        kind = page["_internal"]["page_type"]["primary"]
        yield Marked(source, _site(page.get("url"), path), kind, html, page["ground_truth"].get("main_content") or "")


def _merged(root: Path) -> Iterator[Marked]:
    for folder, source in _MERGED.items():
        for path in sorted((root / folder / "GoldStandard").glob("*.txt")):
            raw = decode(Response(path.read_bytes(), "text/plain"), DecodeRules()).text or ""
            url = _URL.match(raw)
            html = _html(root / folder / "input" / f"{path.stem}.html")
            yield Marked(source, _site(url and url[1], path), "", html, _merged_text(source, raw))


def _merged_text(source: str, raw: str) -> str:
    if source == "readability":
        return _text_of(raw)
    if source == "l3s-gn1":
        return _selected(raw)
    if source.startswith("clean"):
        return _joined(unescape(_CLEANEVAL.sub("\n\n", _URL.sub("", raw, count=1))))
    return raw


def _selected(html: str) -> str:
    """Return the text of L3S-GN1's headlines, full texts and supplements, which are in spans of certain classes."""
    html, found, open_ = _HIDDEN.sub(" ", html), [], list[bool]()
    at = 0
    for tag in _SELECTED.finditer(html):
        if open_ and open_[-1]:
            found.append(html[at : tag.start()])
        at = tag.end()
        if tag[1]:
            open_ = open_[:-1]
        else:
            inside = bool(open_) and open_[-1]
            open_.append(bool(_MAIN_CLASS.search(tag[2])) if _CLASS.search(tag[2]) else inside)
    return _text_of("\n".join(found))


def _articles(root: Path, name: str, source: str) -> Iterator[Marked]:
    if not (root / name).exists():
        return
    for id_, page in json.loads((root / name).read_text(encoding="utf-8")).items():
        found = [root / "html" / f"{id_}.html{ending}" for ending in ("", ".gz")]
        path = next((path for path in found if path.exists()), None)
        if path is not None:
            yield Marked(source, _site(page.get("url"), path), "article", _html(path), page["articleBody"])


def _fundus(root: Path) -> Iterator[Marked]:
    if not (root / "ground_truth.json").exists():
        return
    for name, page in json.loads((root / "ground_truth.json").read_text(encoding="utf-8")).items():
        path = root / "html" / name
        yield Marked("fundus", _site(page["url"], path), "article", _html(path), "\n".join(page["body"]))


def _publishers(root: Path) -> Iterator[Marked]:
    """Yield the pages of each publisher, whose versions are numbered in the order of their dates."""
    for path in sorted(root.glob("*/*.json")):
        texts = json.loads(path.read_text(encoding="utf-8"))
        addresses = json.loads((path.parent / "meta.info").read_text(encoding="utf-8"))
        pages = sorted(path.parent.glob(f"{path.stem}_[0-9]*.html.gz"))
        for page, version in zip(pages, sorted(texts), strict=True):
            site = _site(addresses[page.name]["url"], path)
            yield Marked("fundus-tests", site, "article", _html(page), _body(texts[version]["body"]))


def _body(body: dict[str, Any]) -> str:
    """Return the text of a body with a summary and sections, each of headlines and paragraphs."""
    lines = [line for section in body["sections"] for line in (*section["headline"], *section["paragraphs"])]
    return "\n".join((*body["summary"], *lines))


def _chinese(root: Path) -> Iterator[Marked]:
    for folder in sorted((root / "label_content").glob("*/")):
        for path in sorted(folder.glob("*.txt"))[:MOST_OF_A_SITE]:
            html = _html(root / "source_html" / folder.name / f"{path.stem}.html")
            gold = decode(Response(path.read_bytes(), "text/plain"), DecodeRules()).text or ""
            yield Marked("chinese-news", folder.name, "article", html, gold)


def _chinese_texts(root: Path) -> Iterator[Marked]:
    for path in sorted((root / "cleaned").glob("*.txt")):
        html = _html(root / "original" / f"{path.stem}.html")
        yield Marked("chinese-texts", path.stem, "article", html, path.read_text(encoding="utf-8"))


def _daniel(root: Path) -> Iterator[Marked]:
    if not (root / "doc_lg.json").exists():
        return
    for name, language in sorted(json.loads((root / "doc_lg.json").read_text(encoding="utf-8")).items()):
        path, gold = root / "html" / name, root / "reference" / name
        if language == "English" and path.exists() and gold.exists():
            text = decode(Response(gold.read_bytes(), "text/html"), DecodeRules()).text or ""
            yield Marked("daniel", name.split("_")[1], "article", _html(path), _text_of(text))


def _html(path: Path) -> str:
    if not path.exists():
        return ""
    data = path.read_bytes()
    return (
        decode(Response(gzip.decompress(data) if path.suffix == ".gz" else data, "text/html"), DecodeRules()).text or ""
    )


def _text_of(html: str) -> str:
    return _joined(unescape(_TAGS.sub("", _BREAKS.sub("\n\n", _HIDDEN.sub(" ", html)))))


def _joined(text: str) -> str:
    """Return text whose paragraphs are separated by blank lines with a line for each."""
    return "\n".join(filter(None, (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))))


def _site(url: str | None, path: Path) -> str:
    return urlsplit(url or "").netloc or path.stem


def main(clones: Path, out: Path) -> None:
    """Write the pages, and print how many there are of each source."""
    counts: dict[str, int] = {}
    with gzip.open(out, "wt", encoding="utf-8", compresslevel=1) as lines:
        for page in read_marked_sets(clones):
            counts[page.source] = counts.get(page.source, 0) + 1
            lines.write(json.dumps(page._asdict()) + "\n")
    print(counts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
