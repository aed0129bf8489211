"""A data set in a folder, measured whole, by function and by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from finest.cli.quality import quality
from finest.dataset.open import open_dataset
from finest.errors import UsageError
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.recipe.recipe import load_recipe
from finest.sample.build import SAMPLE
from finest.validator.quality import Quality
from finest.validator.quality.assess import assess, places, unassigned
from finest.validator.quality.sample import draw_sample, submitted
from finest.warc.source import CommonCrawl

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The demo's sample, refined as a miner refines it."""
    out = tmp_path_factory.mktemp("quality") / "dataset"
    options = RunOptions(
        specs=(str(SAMPLE),), out=out, recipe=load_recipe("fineweb"), cache=cache, common_crawl=CommonCrawl(), workers=1
    )
    refine(options, Progress(quiet=True))
    return out


@pytest.mark.nightly
def test_an_honest_dataset_is_as_good_as_the_reference(folder: Path, cache: Path) -> None:
    """What the recipe made of the WARC is worth 1, but for its error."""
    with open_dataset(str(folder)) as dataset:
        sources = places(dataset, [str(SAMPLE)], CommonCrawl())
        found = assess(dataset, sources, [], cache, "aa")
    assert isinstance(found, Quality)
    assert found.q is not None
    assert 0.9 <= found.q <= 1.05
    assert found.leaked_documents == 0


@pytest.mark.nightly
def test_a_task_is_compared_with_the_reference_of_its_time(folder: Path, cache: Path) -> None:
    """Another reference keeps other tokens of the same windows; the held-out text is the same."""
    with open_dataset(str(folder)) as dataset:
        sources = places(dataset, [str(SAMPLE)], CommonCrawl())
        usual = assess(dataset, sources, [], cache, "aa")
        other = assess(dataset, sources, [], cache, "aa", reference=load_recipe("finest"))
    assert isinstance(usual, Quality)
    assert isinstance(other, Quality)
    assert usual.kept_tokens != other.kept_tokens
    assert usual.heldout_sha256 == other.heldout_sha256


def test_the_rows_of_the_windows_are_all_read(folder: Path, cache: Path) -> None:
    """Every row whose record begins in a window that was read, and no other."""
    with open_dataset(str(folder)) as dataset:
        sources = places(dataset, [str(SAMPLE)], CommonCrawl())
        sample = draw_sample(sources, load_recipe("fineweb"), cache, "aa", tokens=10**9)
        texts = submitted(dataset, sample, "aa")
        assert sorted(texts) == sorted(dataset.read_rows(range(dataset.manifest.rows))["text"].to_pylist())
        sample.spans = []
        assert submitted(dataset, sample, "aa") == []


def test_a_warc_that_is_no_source_is_refused(folder: Path, tmp_path: Path) -> None:
    """Neither a strange WARC as a source, nor an own one for held-out text."""
    other = tmp_path / "other.warc.gz"
    other.write_bytes(SAMPLE.read_bytes())
    with open_dataset(str(folder)) as dataset:
        with pytest.raises(UsageError, match="no source"):
            places(dataset, [str(other)], CommonCrawl())
        with pytest.raises(UsageError, match="--warc"):
            places(dataset, [], CommonCrawl())
        with pytest.raises(UsageError, match="another WARC"):
            unassigned(dataset, [str(SAMPLE)], CommonCrawl())
        assert [source.name for source in unassigned(dataset, [str(other)], CommonCrawl())] == ["other.warc.gz"]


def test_the_command_measures_a_folder_without_an_account(folder: Path) -> None:
    """Figures for a person, and the same ones for programs."""
    arguments = [str(folder), "--warc", str(SAMPLE), "--seed", "aa"]
    shown = CliRunner().invoke(quality, arguments, catch_exceptions=False)
    assert shown.exit_code == 0
    assert "1 = the reference, 0 = raw text" in shown.stdout
    told = CliRunner().invoke(quality, [*arguments, "--json"], catch_exceptions=False)
    found = json.loads(told.stdout)
    assert f"{found['q']:.3f}" in shown.stdout
    assert found["seed"] == "aa"


@pytest.mark.nightly
def test_the_command_measures_with_the_second_tier(folder: Path, tmp_path: Path) -> None:
    """On a CPU, with the models kept."""
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    models = tmp_path / "models"
    arguments = [str(folder), "--warc", str(SAMPLE), "--seed", "aa", "--tier", "2", "--device", "cpu", "--json"]
    told = CliRunner().invoke(quality, [*arguments, "--tokens", "5000", "--save", str(models)], catch_exceptions=False)
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert (found["tier"], found["runs_on"]["device"], found["tokens"]) == (2, "cpu", 5000)
    assert found["bpb"] == pytest.approx(found["bpb_reference"], abs=0.05)
    assert len(list(models.glob("*/model.safetensors"))) == 9


def test_a_seed_that_is_no_number_is_refused(folder: Path) -> None:
    """The seed is hexadecimal, as block hashes are."""
    refused = CliRunner().invoke(quality, [str(folder), "--warc", str(SAMPLE), "--seed", "xyz"])
    assert refused.exit_code == 2
    assert "hexadecimal" in refused.output
