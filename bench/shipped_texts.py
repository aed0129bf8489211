"""Turns the sources of the shipped models into texts: books and web pages go through the same extractor.

A model must learn what a text says, not which files it came from. So Markdown is rendered to HTML and extracted like a
page, lines that a book repeats are dropped, and pieces of books are as long as web pages are.
"""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import markdown

from bench.shipped_sources import BOOKS, CODE, CRAWL, SMS, SPAM_ASSASSIN, WCXB, Repository
from finest.recipe.extract import extract_blocks
from finest.recipe.extract import main_text as engine
from finest.recipe.extract.blocks import read_blocks

HELD_OUT = Path(__file__).with_name("shipped_heldout.txt")
MIN_CHARS = 200
"""Shorter texts are left out: recipe `finest` drops almost all of them (50 words)."""
MAX_PIECES = 4
"""Of one chapter, so that long chapters do not outweigh short ones."""
MAX_BOOK = 100
"""Pieces of one book, drawn by a hash, so that large books do not outweigh small ones. With all of them, and with 50,
no AUC on an unseen set differed by more than 0.01."""
BOOK_CHARS = 1_000
"""Length of a piece of a book beside spam: the median of the boilerplate of a page has about as many."""
MAX_MAILS = 600
"""Good mails among the web pages that prose is told from. They raised the AUC of `edu` on unseen web texts by 0.03."""
REPEATED = 5
"""A line in at least so many chapters of a book is furniture of the book, such as a heading of exercises."""
MAX_CODE = 60
"""Files of one repository in the class `code`, which so becomes about as large as the other small classes."""
_ENGLISH = frozenset(("the", "of", "and", "to", "in", "is", "that", "for", "it", "with"))
_WORD = re.compile(r"\w+")
_MARKUP = re.compile(
    r"\A---\n.*?\n---\n|<math.*?</math>|\{:[^}\n]*\}|!\[[^\]]*\]\([^)]*\)|\[\\\[link\\\]\]\([^)]*\)|\{\{#?[^}]*\}\}"
    r"|^:::[^\n]*$|\$\$.*?\$\$|\$[^$\n]+\$",
    re.DOTALL | re.MULTILINE,
)
_RENDERER = markdown.Markdown(extensions=["tables", "fenced_code", "md_in_html"])


@dataclass(frozen=True, slots=True)
class Text:
    label: str
    group: str
    """What no fold divides: the host of a page, the repository of a book."""
    text: str


@dataclass(frozen=True, slots=True)
class WebPage:
    host: str
    html: str
    page_type: str = ""
    gold: str = ""
    """The main text as people marked it, where they did."""


def held_out_hosts(kind: str) -> frozenset[str]:
    """Return the hashed hosts that are kept for evaluation: of the labelled set (`labels`) or of both (`corpus`)."""
    kinds = {"labels"} if kind == "labels" else {"labels", "corpus"}
    lines = (line.split() for line in HELD_OUT.read_text(encoding="ascii").splitlines())
    return frozenset(hashed for name, hashed in lines if name in kinds)


def hashed(host: str) -> str:
    """Return the name of a host in the list of those held out."""
    return sha256(host.encode()).hexdigest()[:10]


def edu_texts(folder: Path) -> tuple[list[Text], list[Text]]:
    """Return educational and reference-like prose; and web pages (without documentation) and mails."""
    pages = [*wcxb_pages(folder, "corpus"), *crawl_pages(folder)]
    other = [
        Text("0", page.host, text)
        for page in pages
        if page.page_type != "documentation" and is_usable(text := extract_blocks(page.html) or "")
    ]
    lengths = [len(text.text) for text in other]
    good = []
    for book in BOOKS:
        found = [
            Text("1", book.name, piece)
            for name, text in _chapters(book, folder)
            for piece in pieces(text, lengths[crc32(name.encode()) % len(lengths)])
        ]
        good += _drawn(found, MAX_BOOK)
    mails = [Text("0", group, text) for label, group, text in _mails(folder) if label == "0"]
    return good, other + _drawn(mails, MAX_MAILS)


def _drawn(texts: list[Text], most: int) -> list[Text]:
    """Return at most so many of the texts, drawn by their hash."""
    return sorted(texts, key=lambda text: sha256(text.text.encode("utf-8", "replace")).digest())[:most]


def spam_texts(folder: Path) -> tuple[list[Text], list[Text]]:
    """Return boilerplate of pages and spam messages; and main text of the same pages, good messages and books.

    Pieces of main text are as long as the page's boilerplate, for a model must not take a short text for spam.
    """
    good, other = [], []
    for page in wcxb_pages(folder, "corpus"):
        spam, main = divided(page)
        good += [Text("1", page.host, spam)] if len(spam) >= MIN_CHARS else []
        other += [Text("0", page.host, piece) for piece in pieces(main, len(spam))]
    for label, group, text in [*_mails(folder), *_messages(folder)]:
        (good if label == "1" else other).append(Text(label, group, text))
    for book in BOOKS:
        prose = [
            Text("0", book.name, piece) for _, text in _chapters(book, folder) for piece in pieces(text, BOOK_CHARS)
        ]
        other += _drawn(prose, MAX_BOOK)
    return good, other


def page_type_texts(folder: Path) -> list[Text]:
    """Return pages with their type, each with its extracted and its marked text, and source files."""
    found = []
    for page in wcxb_pages(folder, "labels"):
        texts = {extract_blocks(page.html) or "", page.gold}
        found += [Text(page.page_type, page.host, text) for text in texts if len(text) >= MIN_CHARS]
    return sorted(found, key=lambda text: (text.group, text.text)) + list(_code_pages(folder))


def wcxb_pages(folder: Path, held_out: str) -> Iterator[WebPage]:
    """Yield the pages of WCXB whose hosts are not held out."""
    kept = held_out_hosts(held_out)
    truth: dict[str, Any] = {}
    pages: dict[str, bytes] = {}
    for name, data in WCXB.files(folder, ".json", ".html.gz"):
        key = Path(name).name.split(".")[0]
        if name.endswith(".json"):
            truth[key] = {"url": name, **json.loads(data)}
        else:
            pages[key] = data
    for key in sorted(truth):
        page = truth[key]
        host = urlsplit(page["url"]).netloc or page["url"]
        if key in pages and hashed(host) not in kept:
            html = gzip.decompress(pages[key]).decode("utf-8", "replace")
            kind = page["_internal"]["page_type"]["primary"]
            yield WebPage(host, html, kind, page["ground_truth"].get("main_content") or "")


def crawl_pages(folder: Path) -> Iterator[WebPage]:
    """Yield the pages of the crawl whose hosts are not held out."""
    kept = held_out_hosts("corpus")
    files = dict(CRAWL.files(folder, ".html", ".json"))
    index = json.loads(files["tests/evaldata.json"])
    for url, entry in sorted(index.items()):
        host, name = urlsplit(url).netloc, "tests/eval/" + entry["file"]
        if name in files and hashed(host) not in kept:
            yield WebPage(host, files[name].decode("utf-8", "replace"))


def is_usable(text: str) -> bool:
    """Whether the text is long enough, and English: at least a twelfth of its words are among ten common ones."""
    words = _WORD.findall(text.lower())
    return len(text) >= MIN_CHARS and sum(word in _ENGLISH for word in words) >= len(words) / 12


def pieces(text: str, chars: int) -> list[str]:
    """Divide a chapter at its lines into pieces of at least so many characters."""
    found, piece, size = [], [], 0
    for line in text.split("\n"):
        piece.append(line)
        size += len(line) + 1
        if size >= max(chars, MIN_CHARS):
            found.append("\n".join(piece))
            piece, size = [], 0
    return ([*found, "\n".join(piece)] if size >= MIN_CHARS else found)[:MAX_PIECES]


def divided(page: WebPage) -> tuple[str, str]:
    """Return the page's blocks of which hardly a word trigram is in its marked text, and those of which most are."""
    gold = _WORD.findall(page.gold.lower())
    grams = set(zip(gold, gold[1:], gold[2:], strict=False))
    spam, main = [], []
    for block in read_blocks(page.html, engine.model().groups):
        words = _WORD.findall(block.text.lower())
        of_block = list(zip(words, words[1:], words[2:], strict=False))
        share = sum(gram in grams for gram in of_block) / len(of_block) if of_block else None
        if share is None:
            if not set(words) <= set(gold):
                spam.append(block.text)
        elif share < 0.1:
            spam.append(block.text)
        elif share >= 0.5:
            main.append(block.text)
    return "\n".join(spam), "\n".join(main)


def rendered(text: str) -> str:
    """Return the extracted text of a Markdown document that was made a web page."""
    _RENDERER.reset()
    body = _RENDERER.convert(_MARKUP.sub("", text))
    return extract_blocks(f"<html><body><article>{body}</article></body></html>") or ""


def _chapters(book: Repository, folder: Path) -> list[tuple[str, str]]:
    """Return path and text of each chapter, without the lines that the book repeats."""
    chapters = []
    for name, data in book.files(folder, ".md", ".ipynb"):
        text = data.decode("utf-8", "replace")
        if name.endswith(".ipynb"):
            cells = json.loads(text)["cells"]
            text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        chapters.append((f"{book.name}/{name}", rendered(text)))
    counts = Counter(line for _, text in chapters for line in set(text.split("\n")))
    kept = ((name, "\n".join(line for line in text.split("\n") if counts[line] < REPEATED)) for name, text in chapters)
    return [(name, text) for name, text in kept if is_usable(text)]


def _mails(folder: Path) -> Iterator[tuple[str, str, str]]:
    for name, data in SPAM_ASSASSIN.files(folder, ".txt"):
        _, kind, file = name.split("/")
        if kind not in ("spam-1", "spam-2", "easy-ham-1"):
            continue
        text = _body(data)
        if is_usable(text):
            yield ("1" if kind.startswith("spam") else "0"), f"{SPAM_ASSASSIN.name}/{kind}/{file[:3]}", text


def _body(data: bytes) -> str:
    """Return the text of a mail, or "" if it cannot be read."""
    try:
        mail = email.message_from_bytes(data, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        part = mail.get_body(("plain", "html"))
        content = part.get_content() if part is not None else ""
    except Exception:  # mails of spammers break every rule, and each costs itself only
        return ""
    if part is not None and part.get_content_subtype() == "html":
        return extract_blocks(content) or ""
    return content.strip() if isinstance(content, str) else ""


def _messages(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the short messages, ten of a kind as one text, since recipes drop shorter texts."""
    kinds: dict[str, list[str]] = {"spam": [], "ham": []}
    for _, data in SMS.files(folder, ".tsv"):
        for line in data.decode("utf-8", "replace").splitlines():
            kind, _, text = line.partition("\t")
            kinds[kind].append(text)
    for kind, texts in kinds.items():
        for at in range(0, len(texts) - 9, 10):
            yield ("1" if kind == "spam" else "0"), f"{SMS.name}/{at // 100}", "\n".join(texts[at : at + 10])


def _code_pages(folder: Path) -> Iterator[Text]:
    for repository in CODE:
        files = [
            (crc32(name.encode()), name, data.decode("utf-8", "replace"))
            for name, data in repository.files(folder, ".py", ".java", ".cpp", ".h", ".go", ".ts", ".rs")
            if MIN_CHARS * 3 <= len(data) <= 20_000
        ]
        for _, _, text in sorted(files)[:MAX_CODE]:
            page = f"<html><body><article><pre>{escape(text)}</pre></article></body></html>"
            found = extract_blocks(page) or text
            yield Text("code", repository.name, found)


def write_jsonl(path: Path, texts: Iterable[Text]) -> None:
    """Write texts as `finest model train` reads them."""
    with path.open("w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({"text": text.text, "label": text.label, "group": text.group}) + "\n")
