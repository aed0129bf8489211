"""Draw the texts that a submission is compared with: the validator's own refinement and raw text of random windows.

A window is a contiguous range of one WARC of the task. The seed determines the order in which windows are read, until
the reference has enough tokens. The submission's rows are those whose records begin in the same windows, so that text
that occurs twice, or that belongs to no record, counts in full.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from resiliparse.extract.html2text import extract_plain_text

from finest.pipeline.record import max_record_bytes
from finest.recipe.decode import html_of
from finest.recipe.judge import judge
from finest.recipe.reasons import stage_of
from finest.validator.context import SOURCE_RETRY
from finest.validator.packet import PacketPages
from finest.validator.quality.tokens import ENGLISH, Vocabulary, ids
from finest.warc.slices import Layout, Slice, plan_slices, read_slice

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.recipe.judge import Verdict
    from finest.recipe.minhash import Signature
    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe
    from finest.warc.record import Record
    from finest.warc.slices import SliceReader
    from finest.warc.source import Source

WINDOW_BYTES = 2 << 20
"""Compressed bytes of a window: about 80 pages of a Common Crawl file, one request."""
MAX_PAGES = 30_000
"""Pages to judge at most, about 7 CPU minutes; the reference may then have fewer tokens than wanted. This is most of
one Common Crawl file."""
MOST_TIMES = 2.0
"""Raw and submitted texts are kept up to this multiple of the reference's size: twice what will be drawn."""
READ_ROWS = 1_000
"""Rows of the submission read at a time."""

NOT_RAW = frozenset({"http", "payload", "url", "gate", "language"})
"""Pages that these stages drop are not raw text: they are not HTML, forbidden, or in another language. Pages in other
languages would stretch the scale until all English text looks alike."""

Progress = Callable[[float, str], None]
"""Callback that receives, after each window, the share that is done and a description of the progress."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of offsets in one source, with the source's name as in the rows."""

    file_path: str
    start: int
    end: int


@dataclass(slots=True)
class Sample:
    """The validator's own texts from the windows that it read."""

    reference: list[str] = field(default_factory=list)
    """Texts that the recipe keeps, without near-duplicates."""
    raw: list[str] = field(default_factory=list)
    """All visible text of pages in the recipe's languages."""
    spans: list[Span] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    pages: int = 0
    tokens: int = 0
    """Tokens of the reference."""
    kept_tokens: int = 0
    """GPT-2 tokens of the reference, as rows count them."""
    read_bytes: int = 0
    """Bytes of the windows that were read."""


def draw_sample(
    sources: Sequence[Source] | PacketPages, recipe: Recipe, cache: Path, seed: str, *, tokens: int,
    max_pages: int = MAX_PAGES, vocabulary: Vocabulary = ENGLISH,
    progress: Progress = lambda _share, _words: None,
) -> Sample:  # fmt: skip
    """Read windows in the seed's order until the reference has `tokens` tokens, or `max_pages` are judged.

    Windows are ranges of whole WARCs, or the ranges of a packet. Raises SourceError if a source cannot be read, which
    is no evidence against the miner.
    """
    found, duplicates = Sample(), Duplicates()
    packet: PacketPages | None = None
    plan: Iterable[tuple[Source, Slice]]
    if isinstance(sources, PacketPages):
        packet, plan, count = sources, sources.windows(seed), len(sources)
    else:
        plan = windows(sources, seed)
        count = len(plan)
    for done, (source, window) in enumerate(plan, start=1):
        if found.tokens >= tokens or found.pages >= max_pages:
            break
        first = len(found.reference)
        if packet is None:
            found.spans.append(_read(found, duplicates, source, window, recipe, cache))
            found.read_bytes += window.end - window.start
        else:
            records = packet.records(source, window, max_record_bytes(recipe), SOURCE_RETRY)
            _add(found, duplicates, records, recipe, cache)
            found.spans.append(Span(source.name, window.start, window.end))
            found.read_bytes += packet.bytes_in(window)
        found.tokens += sum(len(ids(text, vocabulary)) for text in found.reference[first:])
        share = max(done / count, found.tokens / tokens, found.pages / max_pages)
        progress(min(share, 1.0), f"{found.pages:,} pages judged, {found.tokens:,} reference tokens")
    found.raw = shortened(found.raw, int(MOST_TIMES * sum(map(len, found.reference))), seed)
    return found


def windows(sources: Sequence[Source], seed: str) -> list[tuple[Source, Slice]]:
    """Return all windows of all sources, in the seed's order."""
    planned = [(source, cut) for at, source in enumerate(sources) for cut in plan_slices(source, at, WINDOW_BYTES)]
    random.Random(f"finest-windows/1 {seed}").shuffle(planned)
    return planned


def judged(source: Source, window: Slice, recipe: Recipe, cache: Path) -> Iterator[tuple[Record, Verdict]]:
    """Yield the records of a window, each with its verdict."""
    for record in _reader(source, window, recipe):
        yield record, judge(record.page(), recipe, cache)


def _reader(source: Source, window: Slice, recipe: Recipe) -> SliceReader:
    return read_slice(source, window, max_record_bytes=max_record_bytes(recipe))


def _read(found: Sample, duplicates: Duplicates, source: Source, window: Slice, recipe: Recipe, cache: Path) -> Span:
    reader = _reader(source, window, recipe)
    _add(found, duplicates, reader, recipe, cache)
    # If a file does not consist of gzip members, offsets count decompressed bytes and the window is the whole file.
    bounds = (reader.first_offset, reader.next_offset) if source.layout is Layout.MEMBERS else (0, 2**63 - 1)
    return Span(source.name, *bounds)


def _add(found: Sample, duplicates: Duplicates, records: Iterable[Record], recipe: Recipe, cache: Path) -> None:
    """Judge the records, and add their texts to the sample."""
    for record in records:
        verdict = judge(record.page(), recipe, cache)
        found.pages += 1
        found.hosts.add(host_of(record.url))
        if stage_of(verdict.reason) not in NOT_RAW and (text := visible_text(record.page(), recipe)):
            found.raw.append(text)
        if verdict.text is not None and not duplicates.has(verdict.signature):
            found.reference.append(verdict.text)
            found.kept_tokens += verdict.token_count or 0


def visible_text(page: Page, recipe: Recipe) -> str:
    """Return all text that a reader of the page sees, navigation included, decoded as the recipe decodes it.

    The text is extracted by resiliparse, as in the recipe's language gate: it omits scripts, styles and hidden elements
    and keeps blocks on lines of their own, as Common Crawl's WET files do. Bare text nodes would run words together.
    """
    html = html_of(page, recipe.payload, recipe.decode)
    text: str = extract_plain_text(html, main_content=False, alt_texts=False) if html else ""
    return text


def host_of(url: str) -> str:
    """Return the host of a URL, without `www.`; empty if it has no host."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


class Duplicates:
    """Finds near-duplicates by MinHash: texts that share a bucket with an earlier one, as in the recipe's own step."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, bytes]] = set()

    def has(self, signature: Signature | None) -> bool:
        """Return whether an earlier text was a near-duplicate, and remember this one."""
        if signature is None:
            return False
        buckets = {(number, bucket.tobytes()) for number, bucket in enumerate(signature)}
        is_known = not self._seen.isdisjoint(buckets)
        self._seen |= buckets
        return is_known


def shortened(texts: Sequence[str], max_chars: int, seed: str) -> list[str]:
    """Return texts in the seed's order, up to about `max_chars` in total."""
    order = sorted(texts)
    random.Random(f"finest-texts/1 {seed}").shuffle(order)
    kept, chars = [], 0
    for text in order:
        if chars >= max_chars:
            break
        kept.append(text)
        chars += len(text)
    return kept


def submitted(dataset: Dataset, sample: Sample, seed: str) -> list[str]:
    """Read texts of the rows whose records begin in the sample's windows, up to twice the reference's size.

    Raises VerifyError if the dataset contradicts its manifest, HubUnavailable if it cannot be read.
    """
    rows = _rows_in(dataset, sample.spans)
    random.Random(f"finest-rows/1 {seed}").shuffle(rows)
    texts: list[str] = []
    chars, most = 0, MOST_TIMES * sum(map(len, sample.reference))
    for start in range(0, len(rows), READ_ROWS):
        for text in dataset.read_rows(sorted(rows[start : start + READ_ROWS]))["text"].to_pylist():
            texts.append(text)
            chars += len(text)
        if chars >= most:
            break
    return texts


def _rows_in(dataset: Dataset, spans: Sequence[Span]) -> list[int]:
    columns = dataset.row_columns("file_path", "warc_offset")
    paths = np.array(columns["file_path"].to_pylist(), object)
    offsets = columns["warc_offset"].to_numpy()
    inside = np.zeros(len(paths), bool)
    for path in {span.file_path for span in spans}:
        here = sorted((span.start, span.end) for span in spans if span.file_path == path)
        starts, ends = np.array(here, np.int64).T
        at = np.searchsorted(starts, offsets, side="right") - 1
        inside |= (paths == path) & (at >= 0) & (offsets < ends[at])
    return [int(row) for row in np.flatnonzero(inside)]
