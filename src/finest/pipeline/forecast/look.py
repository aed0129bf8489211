"""Forecast a run from the names of its sources, before anything is planned."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from finest.formatting import counted
from finest.pipeline.forecast.beside import keep_planned, key_of
from finest.pipeline.forecast.calibration import PAGES, Calibration, evenly
from finest.pipeline.forecast.forecast import Forecast, forecast
from finest.pipeline.preflight import preflight
from finest.warc.source import inspect, name_sources, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from finest.recipe.recipe import Recipe
    from finest.warc.source import CommonCrawl, Shard, Source

LOOKED_AT = 32
"""Sources whose sizes are looked at. The files of a crawl differ by some percent, so the mean of 32 is within 2 %."""
SAID_EVERY_S = 2.0


def look(
    specs: Sequence[str], recipe: Recipe, cache: Path, common_crawl: CommonCrawl, *, shard: Shard | None, cores: int,
    dedup_memory: int, say: Callable[[str], None],
) -> Forecast:  # fmt: skip
    """Forecast the refining of these sources on this machine; raises SourceError, RecipeError and as `preflight`."""
    locations = resolve(specs, common_crawl, shard=shard)
    names = name_sources(locations)
    sources = _looked_at(locations, names, say)
    total = round(sum(source.size_bytes for source in sources) / len(sources) * len(locations))
    preflight(recipe, cache)
    say(f"Judging {PAGES} pages, to measure the speed of this machine")
    calibration = Calibration.make(sources, recipe, cache, _reporter(say, "pages", PAGES))
    found = forecast(len(locations), total, recipe, calibration, cores=cores, dedup_memory=dedup_memory)
    keep_planned(found, key_of(names, recipe.hash), cache)
    return found


def _looked_at(locations: Sequence[str], names: Sequence[str], say: Callable[[str], None]) -> list[Source]:
    """Look at LOOKED_AT of the sources, evenly spread."""
    chosen = evenly(range(len(locations)), LOOKED_AT)
    say(f"Looking at {len(chosen)} of {counted(len(locations), 'source')}")
    report, found = _reporter(say, "sources", len(chosen)), list["Source"]()
    for number in chosen:
        found.append(inspect(locations[number], names[number]))
        report(len(found))
    return found


def _reporter(say: Callable[[str], None], what: str, total: int) -> Callable[[int], None]:
    """Return a function that says how far a step is, at most every SAID_EVERY_S seconds."""
    said = time.monotonic()

    def report(done: int) -> None:
        nonlocal said
        if time.monotonic() - said > SAID_EVERY_S:
            said = time.monotonic()
            say(f"{done} of {total} {what}")

    return report
