"""A quick look at a submission before it is committed: time and yield on the pages of the shipped sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from finest.contest.plan import BASELINE
from finest.contest.pool import SLACK_S, TIME_FACTOR
from finest.contest.refine import Judged, TimedJudge
from finest.errors import VerifyError
from finest.pipeline.record import max_record_bytes
from finest.recipe.recipe import load_recipe
from finest.sample.build import SAMPLE
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finest.recipe.recipe import Recipe
    from finest.warc.record import Record


class Trial(NamedTuple):
    """The results of a recipe on the sample's pages, beside those of `fineweb`."""

    pages: int
    kept: int
    kept_by_fineweb: int
    ms_a_page: float
    ms_a_page_of_fineweb: float


def tried(recipe: Recipe, cache: Path) -> Trial:
    """Judge the sample by the recipe and by `fineweb`; raises VerifyError if the recipe takes far too long."""
    source = inspect(str(SAMPLE), "sample.warc.gz")
    reference = load_recipe(BASELINE)
    whole = Slice(0, 0, 0, source.size_bytes)
    records = list(read_slice(source, whole, max_record_bytes=max_record_bytes(reference)))
    usual = _judged(reference, records, cache, float("inf"))
    found = _judged(recipe, records, cache, TIME_FACTOR * usual.cpu_s + SLACK_S)
    if found.cpu_s > TIME_FACTOR * usual.cpu_s + SLACK_S:
        raise VerifyError(
            f"the recipe takes more than {found.cpu_s:.0f} CPU seconds for {len(records)} pages, and fineweb takes "
            f"{usual.cpu_s:.1f}"
        )
    per_page_ms = 1000 / len(records)
    return Trial(
        len(records), len(found.kept), len(usual.kept), found.cpu_s * per_page_ms, usual.cpu_s * per_page_ms
    )  # fmt: skip


def _judged(recipe: Recipe, records: Sequence[Record], cache: Path, allowed_s: float) -> Judged:
    with TimedJudge(recipe, cache) as judge:
        return judge.judged(records, allowed_s)
