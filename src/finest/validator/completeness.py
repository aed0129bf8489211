"""Completeness: whether the dataset has all pages of its WARCs that the recipe keeps.

The audit judges the pages of windows again. Windows begin at random bytes of the assigned WARCs, independently of the
miner's rows. In a packet they begin at random pages: that each page has a verdict follows from the packet's root, and
the windows show whether the verdicts are true. Each page that the recipe keeps must be a row of the dataset or a
duplicate of one: in the second case,
the dataset's verdict names the kept row, and recomputed MinHash signatures must agree. If the dataset is a selection, a
page may also be left out: then the recomputed row must not satisfy the rule. For an unknown recipe the
reference recipe is used instead; the pages that it keeps measure how much of the work was done.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from finest.dataset.places import Place
from finest.errors import SourceError
from finest.pipeline.record import max_record_bytes, row_of
from finest.recipe.judge import judge
from finest.validator.models import PageFinding, WindowFinding
from finest.validator.seed import Draw
from finest.validator.witness import DatasetPages, Kept, Key
from finest.warc.slices import Layout, Slice, read_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from finest.dataset.open import Dataset
    from finest.recipe.recipe import Recipe
    from finest.validator.context import AuditContext
    from finest.validator.models import Plan
    from finest.validator.packet import PacketPages
    from finest.warc.slices import Record
    from finest.warc.source import Source


@dataclass(slots=True)
class Window:
    """A window of a source: the pages from a byte offset on, judged again."""

    source: str
    offset: int
    pages: int = 0
    kept: list[Kept] = field(default_factory=list)
    detail: str = ""
    """Why the window gives no evidence; then `kept` is empty. Empty if it gives evidence."""


def check_windows(
    dataset: Dataset, recipe: Recipe, seed: str, plan: Plan, context: AuditContext, *, known: bool
) -> list[WindowFinding]:  # fmt: skip
    """Return the findings of all windows in the order of the draw.

    `known` says whether `recipe` is the dataset's own recipe; otherwise it is the reference. Raises VerifyError,
    OverBudget, and SourceError if the sources cannot be opened.
    """
    seen: set[Key] = set()
    windows = []
    if context.packet is None:
        for source, offset in place_windows(context.warcs.sources(), seed, plan.windows):
            windows.append(judge_window(source, offset, recipe, plan.window_pages, seen, context))
    else:
        for name, slice_ in context.packet.drawn(seed, plan.windows):
            windows.append(judge_pages(context.packet, name, slice_, recipe, plan.window_pages, seen, context))
    holdings = DatasetPages(dataset, recipe, context, known=known)
    found = holdings.find([page for window in windows for page in window.kept])
    return [_finding(window, found) for window in windows]


def place_windows(sources: Sequence[Source], seed: str, count: int) -> list[tuple[Source, int]]:
    """Draw bytes from all sources, concatenated in their order, without replacement; returns sources and offsets."""
    placed = []
    for byte in Draw(seed, "windows").sample(sum(source.size_bytes for source in sources), count):
        for source in sources:
            if byte < source.size_bytes:
                placed.append((source, byte))
                break
            byte -= source.size_bytes  # noqa: PLW2901 - counted down through the sources
    return placed


def judge_window(
    source: Source, offset: int, recipe: Recipe, pages: int, seen: set[Key], context: AuditContext
) -> Window:
    """Judge the pages from the first record at or after `offset` on.

    Pages in `seen` count as pages but are not added to `kept` again. A file that is not compressed record by record
    cannot be read from the middle, so its window gives no evidence.
    """
    window = Window(source.name, offset)
    if source.layout is not Layout.MEMBERS:
        window.detail = "its records are not compressed one by one"
        return window
    slice_ = Slice(0, 0, offset, source.size_bytes)
    return _filled(window, recipe, seen, context, lambda: read_slice(
        source, slice_, limit=pages, max_record_bytes=max_record_bytes(recipe), policy=context.warcs.policy
    ))  # fmt: skip


def judge_pages(
    packet: PacketPages, name: str, slice_: Slice, recipe: Recipe, pages: int, seen: set[Key], context: AuditContext
) -> Window:  # fmt: skip
    """Judge up to `pages` pages of a packet in a range of a source; see `judge_window`."""
    policy, limit = context.warcs.policy, max_record_bytes(recipe)
    return _filled(
        Window(name, slice_.start), recipe, seen, context,
        lambda: islice(packet.records(context.warcs.source(name), slice_, limit, policy), pages),
    )  # fmt: skip


def _filled(
    window: Window, recipe: Recipe, seen: set[Key], context: AuditContext, read: Callable[[], Iterable[Record]]
) -> Window:  # fmt: skip
    """Judge the records that `read` returns; if they cannot be read, the window gives no evidence."""
    kept = []
    at_place: Counter[Place] = Counter()
    try:
        for record in read():
            context.budget.check()
            window.pages += 1
            place = Place(window.source, record.offset, record.id)
            key = Key(place, at_place[place])
            at_place[place] += 1
            if key not in seen:
                seen.add(key)
                kept += _judged(record, key, recipe, context)
    except SourceError as error:
        context.warcs.failed(error)
        window.detail = "its WARC cannot be read"
        return window
    window.kept = kept
    return window


def _judged(record: Record, key: Key, recipe: Recipe, context: AuditContext) -> list[Kept]:
    verdict = judge(record.page(), recipe, context.cache)
    return [Kept(key, verdict, row_of(record, verdict, key.place.source))] if verdict.kept else []


def _finding(window: Window, found: dict[Key, PageFinding]) -> WindowFinding:
    kept = tuple(found[page.key] for page in window.kept)
    return WindowFinding(
        source=window.source, offset=window.offset, pages=window.pages, kept=kept, detail=window.detail
    )  # fmt: skip
