"""The forecast of a run, kept in its ledger so that it stands beside the fact: `OUT/ledger/forecast.json`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.formatting import duration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from finest.pipeline.forecast.forecast import Forecast
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.pipeline.run_plan import RunPlan

FORECAST_NAME = "forecast.json"
CALIBRATED_BYTES = 4_000_000_000
"""From this many bytes of sources on, a run calibrates the machine itself: that is below 1 % of its work."""


def key_of(names: Iterable[str], recipe_hash: str) -> str:
    """Return what identifies a forecast: the same sources under the same recipe."""
    return hashlib.sha256("\n".join([recipe_hash, *names]).encode("utf-8", "surrogatepass")).hexdigest()


def keep_planned(found: Forecast, key: str, cache: Path) -> None:
    """Keep the forecast of `finest plan` in the cache, for the run that may follow."""
    path = _planned(key, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(found.to_dict()).encode())


def forecast_run(plan: RunPlan, options: RunOptions, progress: Progress) -> None:
    """Say how long the run will take and which limits it will exceed, and keep the forecast in its ledger.

    The forecast is that of `finest plan`, if it was asked before; only a large run makes its own.
    """
    path = options.out / "ledger" / FORECAST_NAME
    if path.exists() or plan.chosen is not None or options.limit is not None or options.engine != "finest":
        return
    sources = plan.sources
    names = (sources.name(number) for number in range(len(sources)))
    planned = _planned(key_of(names, options.recipe.hash), options.cache)
    total = plan.planned_bytes
    if planned.exists():
        write_whole(path, planned.read_bytes())
        return
    if total < CALIBRATED_BYTES:
        return
    # Importing the judge takes a third of a second, which `finest status` and small runs need not wait for.
    from finest.pipeline.forecast.calibration import Calibration
    from finest.pipeline.forecast.forecast import forecast
    from finest.pipeline.forecast.limits import limits

    progress.say("Judging some pages for the forecast")
    calibration = Calibration.make(sources, options.recipe, options.cache)
    found = forecast(
        len(sources), total, options.recipe, calibration, cores=options.workers, dedup_memory=options.dedup_memory
    )
    write_whole(path, json.dumps(found.to_dict()).encode())
    hours, time = found.cpu_s / 3600, duration(found.seconds)
    progress.say(f"Forecast: {hours:,.2f} core-hours, {time} with {options.workers} workers")
    for line in limits(found, options.recipe, options.dedup_memory, options.out):
        progress.say(f"Warning: {line}")


def judging_cpu_s(out: Path) -> float | None:
    """Return the CPU seconds that judging was expected to take; None if the run has no forecast."""
    try:
        stages = json.loads((out / "ledger" / FORECAST_NAME).read_bytes())["stages"]
        return next(float(stage["cpu_s"]) for stage in stages if stage["name"] == "judging")
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def _planned(key: str, cache: Path) -> Path:
    return cache / "forecasts" / f"{key}.json"
