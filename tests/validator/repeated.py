"""WARCs whose writers give several records one id, in one file, across files, and in one gzip member."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from finest.sample.prose import read_articles
from finest.sample.warc_writer import Response, member, page_records, warcinfo

GOOD_SENTENCES = 45
"""So many make a page that every filter keeps."""


@lru_cache(maxsize=1)
def sentences() -> tuple[str, ...]:
    """Plain English, one sentence each."""
    text = " ".join(line for article in read_articles("articles") for line in article.blocks)
    return tuple(dict.fromkeys(f"{one}." for one in text.split(". ") if 60 < len(one) < 300))


def page(number: int, *, good: bool = True) -> Response:
    """A page like no other: one that `fineweb` keeps, or one that is too short."""
    rng = random.Random(number)
    chosen = rng.sample(sentences(), GOOD_SENTENCES if good else 2)
    paragraphs = "".join(f"<p>{' '.join(chosen[at : at + 3])}</p>" for at in range(0, len(chosen), 3))
    body = f"<html><head><title>Notes {number}</title></head><body><article>{paragraphs}</article></body></html>"
    return Response(f"https://valley.example/{number}", body.encode())


def response(number: int, key: int | None = None, *, good: bool = True) -> bytes:
    """The response record of that page, with the id that follows from `key`: by default one of its own."""
    return page_records(number if key is None else key, page(number, good=good))[1]


def write_warc(path: Path, members: Sequence[Sequence[bytes]]) -> Path:
    """A WARC of a warcinfo record and these members, each of one or more records."""
    path.write_bytes(warcinfo(path.name) + b"".join(member(b"".join(records)) for records in members))
    return path


def drawn_warcs(folder: Path, seed: int) -> list[Path]:
    """Three WARCs of records whose ids come from a handful: alone or together in members, many of them twice."""
    rng = random.Random(seed)
    paths = []
    for number in range(3):
        members: list[list[bytes]] = []
        for _ in range(10):
            records = [
                response(rng.randrange(12), rng.randrange(3), good=rng.random() < 0.8)
                for _ in range(rng.choice((1, 1, 1, 2, 4)))
            ]
            members += [records] * rng.choice((1, 1, 2))
        paths.append(write_warc(folder / f"{number}.warc.gz", members))
    return paths
