"""The labelled sets that the shipped models are evaluated on, none of which they are trained on.

Each set is a file of texts with labels as `finest model check` reads it. Most were made by other people for another
question; `SETS` says which of their labels count as positive.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.shipped_sources import ARTICLES, COMMENTS, FTD, GINCO, PRODUCTS
from bench.shipped_texts import MIN_CHARS, Text, WebPage, divided, is_usable
from finest.recipe.extract import extract_blocks

MIN_GRADE = 1.5
"""FTD grades each function of a text (A7 instruction, A12 promotion, A14 academic, A16 reference) 0, 0.5, 1 or 2."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    name: str
    model: str
    truth: str
    """What a label of 1 stands for, or which classes are asked for."""
    read: Callable[[Path, Path], Iterator[Text]]
    """Yields the texts, given the folder of the sources and that of the labelled sets of the test corpus."""


def _ftd(folder: Path) -> list[tuple[str, dict[str, float]]]:
    files = dict(FTD.files(folder, ".csv", ".xz"))
    rows = csv.DictReader(io.StringIO(files["en.csv"].decode()), delimiter="\t")
    texts = lzma.decompress(files["en.ol.xz"]).decode("utf-8", "replace").splitlines()
    return [
        (text, {key: float(value) for key, value in row.items() if key != "ID"})
        for text, row in zip(texts, rows, strict=True)
    ]


def _ftd_with(*functions: str) -> Callable[[Path, Path], Iterator[Text]]:
    def read(folder: Path, _: Path) -> Iterator[Text]:
        for number, (text, grades) in enumerate(_ftd(folder)):
            has = max(grades[function] for function in functions) >= MIN_GRADE
            yield Text(str(int(has)), f"ftd:{number}", text)

    return read


def _ginco(classes: dict[str, str], rest: str | None) -> Callable[[Path, Path], Iterator[Text]]:
    """Return a reader of EN-GINCO with its genres renamed by `classes`; others become `rest`, or are left out."""

    def read(folder: Path, _: Path) -> Iterator[Text]:
        data = dict(GINCO.files(folder, ".csv"))
        (table,) = data.values()
        for number, row in enumerate(csv.DictReader(io.StringIO(table.decode("utf-8")))):
            label = classes.get(row["labels"], rest)
            if label is not None:
                yield Text(label, f"ginco:{number}", row["text"].replace("<p/>", "\n"))

    return read


def _article_parts(folder: Path, _: Path) -> Iterator[Text]:
    """Yield the marked text (0) and the rest (1) of each page of the article benchmark."""
    for key, page in _articles(folder):
        spam, main = divided(page)
        for label, text in (("1", spam), ("0", main)):
            if len(text) >= MIN_CHARS:
                yield Text(label, key, text)


def _articles(folder: Path) -> Iterator[tuple[str, WebPage]]:
    files = dict(ARTICLES.files(folder, ".html.gz", "ground-truth.json"))
    truth = json.loads(files["ground-truth.json"])
    for key in sorted(truth):
        html = gzip.decompress(files[f"html/{key}.html.gz"]).decode("utf-8", "replace")
        yield key, WebPage(key, html, "article", truth[key]["articleBody"])


def _articles_and_products(folder: Path, _: Path) -> Iterator[Text]:
    for key, page in _articles(folder):
        text = extract_blocks(page.html) or ""
        if is_usable(text):
            yield Text("article", key, text)
    for name, data in PRODUCTS.files(folder, ".html.gz"):
        text = extract_blocks(gzip.decompress(data).decode("utf-8", "replace")) or ""
        if len(text) >= MIN_CHARS:
            yield Text("product", name, text)


def _comments(folder: Path, _: Path) -> Iterator[Text]:
    """Yield comments of five videos, ten of a kind as one text."""
    for name, data in COMMENTS.files(folder, ".csv"):
        kinds: dict[str, list[str]] = {"0": [], "1": []}
        for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"))):
            kinds[row["CLASS"]].append(row["CONTENT"].strip())
        for label, texts in kinds.items():
            for at in range(0, len(texts) - 9, 10):
                yield Text(label, f"{Path(name).stem}:{at // 50}", "\n".join(texts[at : at + 10]))


def _corpus(name: str, *, classes: bool = False, invert: bool = False) -> Callable[[Path, Path], Iterator[Text]]:
    def read(_: Path, labels: Path) -> Iterator[Text]:
        with gzip.open(labels / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                label = row["class"] if classes else str(int(row["label"]) ^ int(invert))
                yield Text(label, row["group"], row["text"])

    return read


_TYPES = {"News": "article", "Opinion/Argumentation": "article", "Forum": "forum"}
SETS = (
    LabelledSet("ftd-edu", "edu", "academic or reference", _ftd_with("A14", "A16")),
    LabelledSet("ftd-instruction", "edu", "instruction or advice", _ftd_with("A7")),
    LabelledSet(
        "ginco-edu", "edu", "information or instruction",
        _ginco({"Information/Explanation": "1", "Instruction": "1"}, "0"),
    ),
    LabelledSet("en-type-edu", "edu", "article or documentation", _corpus("en-type")),
    LabelledSet("da-edu", "edu", "at least minimal educational value; Danish", _corpus("da-edu")),
    LabelledSet("sv-register-edu", "edu", "not persuasion; Swedish", _corpus("sv-register")),
    LabelledSet("article-parts", "spam", "the page outside its marked text", _article_parts),
    LabelledSet("comments", "spam", "spam among comments", _comments),
    LabelledSet("ftd-promotion", "spam", "promotion", _ftd_with("A12")),
    LabelledSet("ginco-promotion", "spam", "promotion", _ginco({"Promotion": "1"}, "0")),
    LabelledSet("sv-register-spam", "spam", "persuasion; Swedish", _corpus("sv-register", invert=True)),
    LabelledSet("en-type", "page_type", "the types of WCXB, other hosts", _corpus("en-type", classes=True)),
    LabelledSet("articles-products", "page_type", "article, product", _articles_and_products),
    LabelledSet("ginco-type", "page_type", "article (news, opinion), forum", _ginco(_TYPES, None)),
)  # fmt: skip
