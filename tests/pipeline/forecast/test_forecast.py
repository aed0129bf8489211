"""Forecasts of runs: from some pages to the whole, beside the fact, and the limits that are said before the work."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.pipeline.dedup.stages import plan
from finest.pipeline.forecast.beside import key_of
from finest.pipeline.forecast.calibration import PAGES, Calibration, evenly
from finest.pipeline.forecast.forecast import Forecast, forecast
from finest.pipeline.forecast.limits import limits
from finest.pipeline.forecast.look import look
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.status import status
from finest.recipe.recipe import load_recipe
from finest.warc.source import CommonCrawl, inspect

FINEST = load_recipe("finest")
GB = 1_000_000_000


@pytest.fixture(scope="module")
def sample() -> Path:
    """The sample WARC: 151 pages."""
    return Path(str(resources.files("finest.sample").joinpath("sample.warc.gz")))


def made(sources: int = 90_000, source_bytes: int = 90_000 * GB, *, cores: int = 500) -> Forecast:
    """A forecast of a whole crawl."""
    return forecast(
        sources, source_bytes, FINEST, Calibration(0.003, 30_000, 0.07, 1.0), cores=cores, dedup_memory=2 * GB
    )


def test_a_whole_source_is_forecast_exactly(sample: Path, cache: Path) -> None:
    """With fewer pages than a calibration judges, pages and rows are those of the run."""
    found = Calibration.make([inspect(str(sample))], FINEST, cache)
    assert PAGES > 151
    whole = forecast(1, sample.stat().st_size, FINEST, found, cores=1, dedup_memory=GB)
    assert abs(whole.pages - 151) <= 1  # the records around the pages are a page's share
    assert found.kept_share == pytest.approx(65 / 151)
    assert found.page_cpu_s > 0 and found.start_cpu_s >= 0


def test_the_forecast_stands_beside_the_fact(sample: Path, cache: Path, tmp_path: Path) -> None:
    """`finest plan` before a run is what `finest status` shows beside the CPU time; other sources have none."""
    where = CommonCrawl()
    found = look([str(sample)], FINEST, cache, where, shard=None, cores=1, dedup_memory=GB, say=lambda _: None)
    options = RunOptions((str(sample),), tmp_path / "out", FINEST, cache, where)
    refine(options, Progress(quiet=True))
    assert status(tmp_path / "out").forecast_cpu_s == pytest.approx(found.stages[1].cpu_s)
    other = tmp_path / "other.warc.gz"
    other.write_bytes(sample.read_bytes())
    refine(replace(options, specs=(str(other),), out=tmp_path / "second"), Progress(quiet=True))
    assert status(tmp_path / "second").forecast_cpu_s is None


def test_costs_grow_with_the_bytes_and_time_falls_with_the_cores() -> None:
    """Twice the bytes are twice the CPU time, whatever the cores; the price is that of the core-hours."""
    one, two, wide = made(100, 100 * GB), made(200, 200 * GB), made(100, 100 * GB, cores=1000)
    assert two.stages[1].cpu_s - 500 == pytest.approx(2 * (one.stages[1].cpu_s - 500))
    assert wide.seconds < one.seconds
    assert one.price(0.04) == pytest.approx(one.cpu_s / 3600 * 0.04)
    assert json.loads(json.dumps(one.to_dict()))["cpu_s"] == one.cpu_s


def test_limits_are_said_before_the_work(tmp_path: Path) -> None:
    """Too little memory for the deduplication, a full disk and too many files are each one line with what to do."""
    crawl = made()
    (memory,) = limits(crawl, FINEST, 100_000_000, None)
    assert "allow more with --dedup-memory" in memory
    assert limits(crawl, FINEST, 2 * GB, None) == []
    (disk,) = limits(made(source_bytes=10**18), FINEST, 10**15, tmp_path / "new" / "out")[:1]
    assert "of disk" in disk and str(tmp_path) in disk
    (files,) = limits(made(9_000_000), FINEST, 2 * GB, None)
    assert "--shard K/43" in files


def test_a_key_is_of_sources_and_recipe() -> None:
    """Other sources, another order and another recipe have other forecasts."""
    assert len({key_of(names, "r") for names in (["a", "b"], ["b", "a"], ["ab"])} | {key_of(["a", "b"], "s")}) == 4


def test_evenly() -> None:
    """Some of many are spread over all; of few all are taken."""
    assert evenly(range(100), 4) == [0, 25, 50, 75]
    assert evenly(range(2), 4) == [0, 1]


def test_the_command(sample: Path) -> None:
    """`finest plan` prints every stage, the price and, with --json, all numbers."""
    said = CliRunner().invoke(
        cli, ["plan", str(sample), "--recipe", "finest", "--cores", "4", "--price-per-core-hour", "3600"]
    )
    assert said.exit_code == 0, said.output
    for word in ("starting", "judging", "deduplication", "assembly", "publish", "price:", "with 4 cores"):
        assert word in said.output
    told = CliRunner().invoke(cli, ["plan", str(sample), "--recipe", "finest", "--json"])
    assert json.loads(told.stdout)["sources"] == 1


def test_the_deduplication_is_forecast_for_many_copies() -> None:
    """As it was measured with 30 % of copies: the share is not known before, and a forecast must not be too low."""
    for rows, measured_s in ((20_000_000, 69), (200_000_000, 1_368)):
        assert plan(rows, FINEST.dedup, GB).cpu_s == pytest.approx(measured_s, rel=0.05)


def test_a_language_is_planned_as_it_is_refined() -> None:
    """The forecast is that of the recipe with this language, which `finest refine --language` uses, too."""
    asked = ["plan", "sample:languages", "--recipe", "fineweb-2-lid176"]
    assert CliRunner().invoke(cli, asked).exit_code != 0
    said = CliRunner().invoke(cli, [*asked, "--language", "de", "--json"])
    assert said.exit_code == 0, said.output
    assert 0 < json.loads(said.stdout)["rows"] < json.loads(said.stdout)["pages"]
