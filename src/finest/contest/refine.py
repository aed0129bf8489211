"""Judge the pages of a window by one recipe in a child process, and count the CPU time that it takes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from finest.pipeline.guarded import PAGE_CPU_FACTOR, GuardedJudge
from finest.recipe.judge import Verdict, judge
from finest.validator.quality.sample import host_of, visible_text
from finest.validator.quality.tokens import ids

if TYPE_CHECKING:
    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe
    from finest.warc.record import Record


class Kept(NamedTuple):
    """A page that a recipe keeps."""

    offset: int
    host: str
    text: str
    tokens: int
    """Tokens of the quality measure's tokenizer."""
    buckets: tuple[str, ...]
    """The buckets of its MinHash signature, each as 16 hex digits; empty if it has too few words."""


class Judged(NamedTuple):
    """The rows that a recipe makes of the pages of a window."""

    kept: list[Kept]
    cpu_s: float
    """CPU seconds of its judging."""


class TimedJudge(GuardedJudge):
    """Judges pages as a miner's run does, under its limits on a page's CPU time and memory."""

    def __enter__(self) -> TimedJudge:
        return self

    def timed(self, page: Page) -> tuple[Verdict, float]:
        """Return the verdict and its CPU seconds; a page that ended the child counts with the limit."""
        answer: Verdict | tuple[Verdict, float] = self._ask(_timed, page)
        if isinstance(answer, Verdict):
            return answer, PAGE_CPU_FACTOR * self._recipe.extraction.cpu_limit_s
        return answer

    def judged(self, records: Sequence[Record], allowed_s: float) -> Judged:
        """Judge the pages of a window; stop at the page with which the CPU time exceeds `allowed_s`."""
        kept, cpu_s = [], 0.0
        for record in records:
            verdict, took_s = self.timed(record.page())
            cpu_s += took_s
            if verdict.text is not None:
                signature = verdict.signature
                buckets = () if signature is None else tuple(_short(bucket.tobytes()) for bucket in signature)
                kept.append(Kept(record.offset, host_of(record.url), verdict.text, len(ids(verdict.text)), buckets))
            if cpu_s > allowed_s:
                break
        return Judged(kept, cpu_s)

    def visible(self, records: Sequence[Record]) -> list[str]:
        """Return all visible text of each page that has some, whatever the recipe makes of it."""
        found = (self._ask(_visible, record.page()) for record in records)
        return [text for text in found if isinstance(text, str) and text]


class Unique:
    """Drops near-duplicates: texts that share a bucket with an earlier one, as in the recipe's own step."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, str]] = set()

    def is_new(self, page: Kept) -> bool:
        """Return whether no earlier text was a near-duplicate, and remember this one."""
        buckets = set(enumerate(page.buckets))
        is_new = self._seen.isdisjoint(buckets)
        self._seen |= buckets
        return is_new


def _timed(page: Page, recipe: Recipe, cache: Path) -> tuple[Verdict, float]:
    began_s = time.process_time()
    verdict = judge(page, recipe, cache)
    return verdict, time.process_time() - began_s


def _visible(page: Page, recipe: Recipe, _: Path) -> str:
    return visible_text(page, recipe)


def _short(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
