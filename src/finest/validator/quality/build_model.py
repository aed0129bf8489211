"""Build the two data files of this folder: `python -m finest.validator.quality.build_model FOLDER`.

`bpe-4096.json` is the tokenizer and `anchors.txt` the fixed part of the held-out text, both from texts in the public
domain. FOLDER holds two Debian packages, unpacked with `dpkg-deb -x PACKAGE FOLDER`:

    apt-get download jargon-text=4.4.7-4.1 r-cran-janeaustenr=1.0.0-1

Every build produces the same bytes. Their sha256s are in `tokens.py` and `heldout.py`, which refuse any other file.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import struct
import sys
import textwrap
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from finest.atomic_files import write_whole
from finest.validator.quality.heldout import ANCHORS
from finest.validator.quality.tokens import END, ENGLISH, VOCABULARY

JARGON = Path("usr/share/doc/jargon-text/jargon.txt.gz")
AUSTEN = Path("usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
SOURCES = (
    (
        'The Jargon File 4.4.7, 29 Dec 2003: "in the public domain, to be freely used, shared, and modified" (its own '
        "words); from Debian's jargon-text 4.4.7-4.1."
    ),
    (
        "Jane Austen's six novels, 1811-1818: public domain, the author died in 1817; Project Gutenberg's texts as in "
        "Debian's r-cran-janeaustenr 1.0.0-1 (package MIT, Julia Silge). The tokenizer saw two of them."
    ),
    "The prose of this project's own demo (MIT), finest/demo/pages; not among the anchors.",
)
LICENCE = "CC0-1.0 for what was derived here; the texts are in the public domain."
DEMO = Path(__file__).parents[2] / "sample" / "pages"
ANCHOR_CHARS = 2_000
"""Approximate length of a document in characters, reached by joining paragraphs: short enough for many documents, so
that the error can be estimated and no document decides alone."""
ANCHORS_EACH = 24
"""Documents per source: about 100 kB in total, a tenth of the held-out text that a validator draws."""

_CHARSXP = re.compile(rb"\x00[\x04\x00]\x00\x09(.{4})", re.DOTALL)
"""A string in R's XDR serialization: flags and type 9, then its length."""


def main() -> None:
    """Build both files from the unpacked packages in the folder given on the command line."""
    folder = Path(sys.argv[1])
    prose = list(novels(folder))
    write_whole(ENGLISH.path, tokenizer([jargon(folder), *prose[2:4], *demo()], SOURCES, LICENCE))
    write_whole(ANCHORS, anchors(jargon(folder), prose))
    for path in (ENGLISH.path, ANCHORS):
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.name)  # noqa: T201


def tokenizer(texts: list[str], sources: Sequence[str], licence: str) -> bytes:
    """Train byte-level BPE on the texts; returns JSON with the sources, the licence and the merges in order."""
    bpe = Tokenizer(models.BPE())
    byte_level: object = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.pre_tokenizer = byte_level  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    bpe.train_from_iterator(texts, trainer)
    merges = [" ".join(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    head = {"what": "byte-level BPE, 4096 tokens", "sources": sources, "licence": licence}
    return (json.dumps({**head, "merges": merges}, ensure_ascii=False, indent=0) + "\n").encode()


def anchors(file: str, prose: list[str]) -> bytes:
    """Return evenly spaced documents of both sources, after a header that names the sources."""
    documents = _evenly(_documents([file]), ANCHORS_EACH) + _evenly(_documents(prose), ANCHORS_EACH)
    head = "\n".join(f"# {line}" for line in (*SOURCES[:2], LICENCE))
    return "\n\f\n".join([head, *documents, ""]).encode()


def jargon(folder: Path) -> str:
    """Return the Jargon File's own prose: its long paragraphs, without tables, ASCII art and headings."""
    lines = gzip.decompress((folder / JARGON).read_bytes()).decode("utf-8")
    return _paragraphs(lines)


def novels(folder: Path) -> Iterator[str]:
    """Yield the novels in R's database: zlib streams of serialized character vectors, each preceded by its length."""
    data = (folder / AUSTEN).read_bytes()
    while data:
        inflater = zlib.decompressobj()
        yield _paragraphs("\n".join(_strings(inflater.decompress(data[4:]))))
        data = inflater.unused_data


def demo() -> list[str]:
    """Return the prose of the demo, one string per file."""
    return [path.read_text(encoding="utf-8") for path in sorted(DEMO.glob("*.txt"))]


def _strings(data: bytes) -> Iterator[str]:
    at = 0
    while found := _CHARSXP.search(data, at):
        at = found.end() + struct.unpack(">i", found[1])[0]
        yield data[found.end() : at].decode("utf-8")


def _paragraphs(text: str) -> str:
    """Return the paragraphs of at least 300 characters, each on one line, in the order of the text."""
    joined = (" ".join(block.split()) for block in re.split(r"\n\s*\n", text))
    return "\n".join(block for block in joined if len(block) >= 300 and re.match(r"[\w“\"'‘]", block))


def _documents(texts: list[str]) -> list[str]:
    """Join consecutive paragraphs into documents of about ANCHOR_CHARS."""
    found = []
    for text in texts:
        held: list[str] = []
        for paragraph in text.split("\n"):
            held.append(shown(paragraph))
            if sum(map(len, held)) >= ANCHOR_CHARS:
                found.append("\n".join(held))
                held = []
    return found


def shown(paragraph: str) -> str:
    """Return the part of a paragraph that a document contains: at most ANCHOR_CHARS."""
    return textwrap.shorten(paragraph, ANCHOR_CHARS, placeholder="")


def _evenly(documents: list[str], count: int) -> list[str]:
    return [documents[i * len(documents) // count] for i in range(count)]


if __name__ == "__main__":
    main()
