"""The report's histograms: every row in one bin, with pages that show what the bin holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from finest.dataset.rows import batch_of, schema_with
from finest.dataset.shards import ShardWriter
from finest.pipeline.damage import ParquetPart
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.report.read import report_of
from finest.pipeline.report.render import render_report
from finest.pipeline.report.scores import BINS, MAX_CLASSES, SAMPLES_PER_BIN, Scores, scores_of
from finest.pipeline.run import refine
from finest.recipe.recipe import load_recipe
from finest.recipe.stage import Column
from finest.settings import default_cache
from tests.dataset.made import row
from tests.recipe.quality_model.made import CLASSES, model_file
from tests.validator.made import NOWHERE
from tests.validator.repeated import response, write_warc

from .test_report import Outline

COLUMNS = (
    Column("edu", "int64", "a score"), Column("edu_raw", "int64", "the score before it is put into a bin"),
    Column("share", "float64", "a share"), Column("kind", "string", "a class"), Column("host", "string", "many values"),
)  # fmt: skip


def histograms(folder: Path, rows: int) -> dict[str, Scores]:
    """Those of rows with every kind of column, in several files and row groups."""
    made = [
        row(n, columns=(("edu", n % 20), ("edu_raw", n * 997), ("share", n / rows), ("kind", f"kind {n % 3}"),
                        ("host", f"{n}.example")))
        for n in range(rows)
    ]  # fmt: skip
    schema = schema_with(COLUMNS)
    files = []
    for part in range(2):
        with ShardWriter(folder, f"data/local/00{part}", schema) as writer:
            writer.write(batch_of(made[part::2], schema))
        files += [folder / shard.path for shard in writer.shards]
    return {scores.column: scores for scores in scores_of(list(map(ParquetPart, files)), COLUMNS)}


def test_every_row_is_in_one_bin_and_bins_have_samples(tmp_path: Path) -> None:
    """A score has a bin per value, another number 20 of equal width, a class one per value; raw scores have none."""
    found = histograms(tmp_path, 1200)
    assert list(found) == ["edu", "share", "kind"]
    assert [bin_.rows for bin_ in found["edu"].bins] == [60] * BINS
    assert [bin_.rows for bin_ in found["share"].bins] == [60] * BINS
    assert [(bin_.label, bin_.rows) for bin_ in found["kind"].bins] == [(f"kind {n}", 400) for n in range(3)]
    for scores in found.values():
        for number, bin_ in enumerate(scores.bins):
            assert len(bin_.samples) == SAMPLES_PER_BIN
            for page in bin_.samples:
                assert page["excerpt"].startswith(f"Page {page['url'].rpartition('/')[2]} says hello")
                if scores.column == "edu":
                    assert page["value"] == number


def test_the_most_frequent_classes_are_shown(tmp_path: Path) -> None:
    """The others are counted; a column of which nearly every value differs is no class."""
    found = histograms(tmp_path, 90)
    assert len(found["host"].bins) == MAX_CLASSES and found["host"].more == 90 - MAX_CLASSES
    assert not histograms(tmp_path / "none", 0)


def test_a_run_with_quality_models_shows_them(tmp_path: Path) -> None:
    """Finished or not; nothing is loaded from elsewhere, and what strangers wrote stays text."""
    recipe = 'name = "scored"\n'
    for name, classes in (("edu", ()), ("page_type", CLASSES)):
        data = model_file(name, classes=classes)
        (tmp_path / f"{name}.safetensors").write_bytes(data)
        recipe += f'[[quality_model.models]]\nname = "{name}"\nmodel = "{name}.safetensors"\n'
        recipe += f'sha256 = "{hashlib.sha256(data).hexdigest()}"\nkind = "{"class" if classes else "score"}"\n'
    (tmp_path / "scored.toml").write_text(recipe)
    warc = write_warc(tmp_path / "a.warc.gz", [[response(n)] for n in range(6)])
    options = RunOptions(
        (str(warc),), tmp_path / "out", load_recipe(str(tmp_path / "scored.toml")), default_cache(), NOWHERE,
        where="edu >= 0 AND page_type <> 'none'",
    )  # fmt: skip
    manifest = refine(options, Progress(quiet=True))
    assert manifest.rows == 6 and manifest.selections[0].rule.where == options.where
    whole = Outline(render_report(report_of(tmp_path / "out")))
    (tmp_path / "out" / "manifest.json").unlink()
    unfinished = Outline(render_report(report_of(tmp_path / "out")))
    for page in (whole, unfinished):
        assert "page_type" in page.text and "edu >= 0 AND page_type <> 'none'" in page.text
        assert any(href.startswith("#score-edu-") for href in page.links)
        assert {href[1:] for href in page.links if href.startswith("#")} <= set(page.ids)
        assert not page.tags & {"script", "link", "img", "iframe", "form"}
