"""Datasets in several languages: recipes, deduplication before the filters, configurations, and what proves them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finest.dataset.clusters import NAME as SIZE
from finest.dataset.glotlid import glotlid_path
from finest.dataset.manifest import Manifest, read_manifest, root_of
from finest.dataset.rows import with_row_hashes
from finest.dataset.shards import Shard, ShardWriter
from finest.errors import RecipeError, UsageError, VerifyError
from finest.pipeline.languages import WITHOUT, check_has_languages, recipe_in_languages
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.report.read import report_of
from finest.pipeline.report.view import view
from finest.pipeline.run import refine
from finest.pipeline.select import select
from finest.pipeline.verify import verify
from finest.pipeline.why import why
from finest.recipe.languages import language_settings
from finest.recipe.languages.derive import to_toml
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.warc.source import CommonCrawl
from tests import languages_made as made

CRAWL = CommonCrawl("https://data.commoncrawl.org", "commoncrawl")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of German and French pages."""
    folder = tmp_path_factory.mktemp("languages")
    source = made.sample(folder / "pages.warc.gz")
    recipe = recipe_in_languages("de,fra", WITHOUT, default_cache())
    options = RunOptions((str(source),), folder / "out", recipe, default_cache(), CRAWL)
    refine(options, Progress(quiet=True))
    return folder / "out"


def verdicts(folder: Path) -> dict[str, dict[str, Any]]:
    """The verdicts by the first label of the host."""
    rows = pq.read_table(folder / "verdicts").to_pylist()
    return {row["url"].split("/")[2].split(".")[0]: row for row in rows}


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    found = [row for path in folder.glob("data/*/*.parquet") for row in pq.ParquetFile(path).read().to_pylist()]
    return {row["url"].split("/")[2].split(".")[0]: row for row in found}


def test_each_language_is_a_configuration(dataset: Path) -> None:
    """Each has a folder, named in manifest and card, and holds its rows alone."""
    manifest = read_manifest(dataset)
    assert manifest.configurations == ("deu_Latn", "fra_Latn")
    assert {shard.path for shard in manifest.shards} == {
        f"data/{c}/local_00000.parquet" for c in manifest.configurations
    }
    assert "config_name: fra_Latn" in (dataset / "README.md").read_text()
    assert manifest.languages == Counter(row["language"] for row in rows(dataset).values())


def test_the_hubs_own_client_loads_one_language(dataset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(dataset), "deu_Latn", split="train", cache_dir=str(tmp_path))
    assert set(loaded["language"]) == {"deu_Latn"}
    assert loaded.num_rows == read_manifest(dataset).languages["deu_Latn"]


def test_duplicates_go_before_the_filters(dataset: Path) -> None:
    """Of a cluster whose first page the filters drop, no page is left; its duplicates are duplicates all the same."""
    found = verdicts(dataset)
    assert found["repeats-de"]["reason"] == "repetition_dup_line_frac"
    assert found["repeats-de-2"]["reason"] == "duplicate"
    assert found["repeats-de-2"]["duplicate_of"] == found["repeats-de"]["id"]
    assert found["repeats-de-2"]["value"] is None
    assert found["refrain-de"]["reason"] == "repetition_dup_line_frac"
    assert found["refrain-de-2"]["duplicate_of"] == found["refrain-de"]["id"]
    assert {found[name]["duplicate_of"] for name in ("again-de-1", "again-de-1b")} == {found["de1"]["id"]}
    sizes = {name: row[SIZE] for name, row in rows(dataset).items()}
    assert {name: size for name, size in sizes.items() if size > 1} == {"de1": 3, "fr2": 2}


def test_english_pages_are_dropped(dataset: Path) -> None:
    assert {row["reason"] for name, row in verdicts(dataset).items() if name.startswith("en")} == {"gate_cld2"}


def test_such_a_dataset_verifies(dataset: Path) -> None:
    """Every page, with its cluster's size; `finest why` gives the page's own reason, not what the run made of it."""
    found = verify(dataset, default_cache(), CRAWL, sample=100, seed=1)
    assert found.is_verified
    assert sum(found.judged.values()) == read_manifest(dataset).pages
    (kept,) = why(dataset, "https://refrain-de-2.example.org/de", default_cache())
    assert kept.verdict.kept
    (answer,) = why(dataset, "https://repeats-de-2.example.org/de", default_cache())
    assert answer.verdict.reason == "repetition_dup_line_frac"
    assert answer.verdict.may_be_duplicate


def changed(dataset: Path, out: Path, column: str, value: object) -> None:
    """Copy the dataset with another value in the first French row, and with hashes that fit."""
    shutil.copytree(dataset, out)
    manifest = json.loads((out / "manifest.json").read_bytes())
    path = "data/fra_Latn/local_00000.parquet"
    (batch,) = pq.ParquetFile(out / path).read().combine_chunks().to_batches()
    at, field = batch.schema.get_field_index(column), batch.schema.field(column)
    batch = batch.set_column(at, field, pa.array([value, *batch[column].to_pylist()[1:]], field.type))
    (out / path).unlink()
    with ShardWriter(out, path.rpartition("_")[0], batch.schema) as writer:
        writer.write(with_row_hashes(batch))
    (shard,) = writer.shards
    manifest["shards"] = [shard.model_dump() if one["path"] == path else one for one in manifest["shards"]]
    manifest["roots"] |= writer.roots
    manifest["root"] = root_of(manifest["roots"], [Shard(**one) for one in manifest["shards"]])
    (out / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.nightly
def test_an_invented_size_of_a_cluster_is_found(dataset: Path, tmp_path: Path) -> None:
    """The verdicts name each duplicate, so a row cannot claim more copies than they name."""
    changed(dataset, tmp_path / "out", SIZE, 900)
    with pytest.raises(VerifyError, match="a cluster of 900 pages, and the verdicts name"):
        verify(tmp_path / "out", default_cache(), CRAWL, sample=100, seed=1)


@pytest.mark.nightly
def test_a_row_in_the_folder_of_another_language_is_found(dataset: Path, tmp_path: Path) -> None:
    changed(dataset, tmp_path / "out", "language", "deu_Latn")
    with pytest.raises(VerifyError, match="it has a row in another language than fra_Latn"):
        verify(tmp_path / "out", default_cache(), CRAWL, sample=0)


@pytest.mark.nightly
def test_a_selection_keeps_the_configurations(dataset: Path, tmp_path: Path) -> None:
    """Rows and verdicts are in different orders here; the selection verifies, alone and against its parent."""
    selected = select(str(dataset), f"{SIZE} > 2", tmp_path / "large")
    assert (selected.configurations, selected.rows) == (("deu_Latn",), 1)
    source = str(dataset.parent / "pages.warc.gz")
    found = verify(tmp_path / "large", default_cache(), CRAWL, sample=50, sources=[source], parent=str(dataset))
    assert found.is_verified


def test_the_report_counts_the_dataset(dataset: Path) -> None:
    """A duplicate that a filter would have dropped counts once, as a duplicate."""
    manifest = read_manifest(dataset)
    shown = view(report_of(dataset))
    assert manifest.reasons["duplicate"] == 5
    assert [step.dropped for step in shown.funnel if step.stage == "Duplicates"] == ["5"]
    assert sum(manifest.reasons.values()) == manifest.pages


def test_manifests_with_contradictory_configurations_are_refused(dataset: Path) -> None:
    data = json.loads((dataset / "manifest.json").read_bytes())
    for changes in (
        {"configurations": ["deu_Latn"]},
        {"configurations": ["deu_Latn", "fra_Latn", "fra_Latn"]},
        {"languages": {"deu_Latn": 4, "fra_Latn": 6}},
    ):
        with pytest.raises(ValueError, match=r"configuration|language"):
            Manifest.model_validate_json(json.dumps(data | changes))


def test_the_recipe_follows_from_the_cache(tmp_path: Path) -> None:
    """Without GlotLID it is the one with the shipped model, and the user is told; with it, FineWeb-2's own."""
    said: list[str] = []
    assert recipe_in_languages("de", None, tmp_path, said.append).name == WITHOUT
    assert "finest languages fetch" in said[-1]
    with pytest.raises(RecipeError, match="not on this machine; fetch it with: finest languages fetch"):
        recipe_in_languages("de", "fineweb-2", tmp_path)
    glotlid_path(tmp_path).parent.mkdir()
    glotlid_path(tmp_path).write_bytes(b"model")
    recipe = recipe_in_languages("de", None, tmp_path, said.append)
    assert recipe.name == "fineweb-2"
    assert recipe.language.model_sha256 == "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [
        ("xx", "has no language 'xx'"),
        ("en", "use --recipe fineweb"),
        ("sr", "srp_Cyrl, srp_Latn"),
        (",", "no language"),
    ],
)
def test_a_wrong_language_is_a_clear_error(codes: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        recipe_in_languages(codes, WITHOUT, default_cache())


def test_languages_decide_the_hash_and_their_spelling_does_not() -> None:
    hashes = [recipe_in_languages(codes, WITHOUT, default_cache()).hash for codes in ("de,fr", "fra_Latn,deu", "de")]
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(UsageError, match="--language deu_Latn"):
        check_has_languages(load_recipe(WITHOUT))


def test_settings_of_ones_own(tmp_path: Path) -> None:
    """A file of `finest languages add` decides; the recipe holds what it says, so the dataset verifies without it."""
    german = language_settings("deu_Latn").model_copy(update={"stop_words": ("wirklich", "niemals"), "name": "Mine"})
    (tmp_path / "mine.toml").write_text(to_toml(german))
    source = made.sample(tmp_path / "pages.warc.gz")
    recipe = recipe_in_languages(f"fra, {tmp_path}/mine.toml", WITHOUT, default_cache())
    assert recipe.language.languages == ("deu_Latn", "fra_Latn")
    assert recipe.hash != recipe_in_languages("deu,fra", WITHOUT, default_cache()).hash
    (tmp_path / "mine.toml").unlink()
    out = tmp_path / "out"
    refine(RunOptions((str(source),), out, recipe, default_cache(), CRAWL), Progress(quiet=True))
    reasons = Counter((row["language"], row["reason"]) for row in verdicts(out).values())
    assert reasons["deu_Latn", "quality_enough_stop_words"] and not reasons["deu_Latn", "kept"]
    assert reasons["fra_Latn", "kept"]
    assert verify(out, default_cache(), CRAWL, sample=100, seed=1).is_verified
