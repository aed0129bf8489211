"""The pool of a round: windows of its WARCs in the seed's order, and what every recipe keeps of their pages.

All recipes judge the same pages. What a recipe makes of a window is written as soon as it is known, so that a stopped
round continues there, and only one window is in memory. A recipe that takes far more time than `fineweb` leaves the
round: it could not be the reference.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from finest.atomic_files import write_whole
from finest.contest.plan import BASELINE, Plan
from finest.contest.refine import Judged, Kept, TimedJudge, Unique
from finest.errors import RunError
from finest.pipeline.record import max_record_bytes
from finest.recipe.recipe import Recipe, load_recipe
from finest.validator.quality.sample import host_of, windows
from finest.warc.slices import Slice, read_slice

if TYPE_CHECKING:
    from finest.warc.record import Record
    from finest.warc.source import Source

Progress = Callable[[str, float, str], None]
"""Receives the step, the share of it that is done and a description."""
TIME_FACTOR = 4.0
"""CPU time over that of `fineweb` on the same pages, above which a recipe leaves the round: `finest` takes half of it,
and eight models of the largest size take a tenth more."""
SLACK_S = 10.0
"""CPU seconds before that is looked at: the first page loads a recipe's lists and models."""


class Window(NamedTuple):
    """A window that was read."""

    source: str
    first: int
    end: int
    """Offsets of its first record and of the next window's."""
    sha256: str
    """The sha256 of the bytes between them."""
    pages: int


@dataclass(slots=True)
class Pool:
    """The pages of a round on disk, under `folder`."""

    plan: Plan
    recipes: Mapping[str, Recipe]
    """The recipes by hash."""
    folder: Path
    cache: Path
    windows: list[Window] = field(default_factory=list)
    slow: dict[str, str] = field(default_factory=dict)
    """Recipes that took too long, by hash, with the reason."""
    cpu_s: dict[str, float] = field(default_factory=dict)

    def read(self, sources: list[Source], tokens: int, progress: Progress) -> None:
        """Judge windows until `fineweb` keeps `tokens` tokens, or the plan's pages are judged.

        Raises SourceError if a WARC cannot be read.
        """
        reference = load_recipe(BASELINE)
        recipes = {reference.hash: reference, **self.recipes}
        order, pages, kept, unique = windows(sources, f"contest {self.plan.seed}"), 0, 0, Unique()
        with ExitStack() as stack:
            judges = {key: stack.enter_context(TimedJudge(recipe, self.cache)) for key, recipe in recipes.items()}
            for number, (source, cut) in enumerate(order):
                if pages >= self.plan.max_pages or kept >= tokens:
                    break
                self._window(number, source, cut, judges, reference)
                pages += self.windows[-1].pages
                kept += sum(page.tokens for page in self._kept(number, reference.hash) if unique.is_new(page))
                share = max((number + 1) / len(order), pages / self.plan.max_pages, kept / tokens)
                progress("Judging pages", min(1.0, share), f"{pages:,} pages by {len(recipes)} recipes")
        if not pages:
            raise RunError("the WARCs of the pool hold no page; name other WARCs in the plan")

    def unique(self, key: str) -> Iterator[tuple[str, Kept]]:
        """Yield the pages that a recipe keeps with their source, without near-duplicates."""
        seen = Unique()
        for number, window in enumerate(self.windows):
            yield from ((window.source, page) for page in self._kept(number, key) if seen.is_new(page))

    def visible(self) -> Iterator[str]:
        """Yield the visible text of every page of the pool."""
        for number in range(len(self.windows)):
            yield from _read(self._path(number, "visible"))

    def hosts(self) -> set[str]:
        """Return the hosts of all pages of the pool."""
        return {host for number in range(len(self.windows)) for host in _read(self._path(number, "hosts"))}

    def fold_of(self, host: str) -> int:
        """Return the fold of a host's pages: each fold trains models of its own."""
        return int.from_bytes(hashlib.sha256(f"{self.plan.seed} {host}".encode()).digest()[:8], "big") % self.plan.seeds

    def _window(
        self, number: int, source: Source, cut: Slice, judges: Mapping[str, TimedJudge], reference: Recipe
    ) -> None:
        about = self._path(number, "window")
        missing = [key for key in judges if key not in self.slow and not self._path(number, key).exists()]
        if missing or not about.exists():
            about.parent.mkdir(parents=True, exist_ok=True)
            reader = read_slice(source, cut, max_record_bytes=max_record_bytes(reference))
            records = list(reader)
            if not self._path(number, "visible").exists():
                _write(self._path(number, "hosts"), sorted({host_of(record.url) for record in records}))
                _write(self._path(number, "visible"), judges[reference.hash].visible(records))
            self._judge(number, records, {key: judges[key] for key in missing}, reference.hash)
            window = Window(source.name, reader.first_offset, reader.next_offset, reader.sha256, len(records))
            _write(about, window)
        self.windows.append(Window(*_read(about)))
        self._clock(number, judges, reference.hash)

    def _judge(self, number: int, records: list[Record], judges: Mapping[str, TimedJudge], first: str) -> None:
        """Judge the window by each recipe; `fineweb` is the first, whose time limits that of the others."""
        for key in sorted(judges, key=lambda key: key != first):
            allowed_s = math.inf
            if key != first:
                usual_s = self.cpu_s.get(first, 0.0) + float(_read(self._path(number, first))[1])
                allowed_s = TIME_FACTOR * usual_s + SLACK_S - self.cpu_s.get(key, 0.0)
            _write(self._path(number, key), judges[key].judged(records, allowed_s))

    def _clock(self, number: int, judges: Mapping[str, TimedJudge], first: str) -> None:
        """Add up the CPU time of each recipe, and note the ones that take too long."""
        for key in (one for one in judges if one not in self.slow):
            self.cpu_s[key] = self.cpu_s.get(key, 0.0) + float(_read(self._path(number, key))[1])
        limit_s = TIME_FACTOR * self.cpu_s[first] + SLACK_S
        for key in [one for one in self.cpu_s if one not in self.slow and self.cpu_s[one] > limit_s]:
            self.slow[key] = f"too slow: {self.cpu_s[key]:.0f} CPU seconds where fineweb takes {self.cpu_s[first]:.0f}"

    def _kept(self, number: int, key: str) -> list[Kept]:
        return [Kept(*page[:4], tuple(page[4])) for page in Judged(*_read(self._path(number, key))).kept]

    def _path(self, number: int, name: str) -> Path:
        return self.folder / "pool" / f"{number:05d}" / f"{name[:16]}.json.gz"


def _write(path: Path, value: Any) -> None:
    data = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
    write_whole(path, gzip.compress(data, compresslevel=3, mtime=0))


def _read(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))
