"""Our steps in DataTrove's own executor, beside DataTrove's own steps."""

from __future__ import annotations

import gzip
import inspect
import json
import pickle
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline import dedup, extractors, filters, formatters, readers
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashConfig
from datatrove.pipeline.dedup import MinhashDedupSignature as TheirSignature
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig

import finest
from finest import datatrove as steps
from finest.recipe.pii import redact
from finest.recipe.recipe import PiiRules

SAMPLE = Path(finest.__file__).parent / "sample" / "sample.warc.gz"
THEIRS = (readers, extractors, filters, dedup, formatters)


def run(pipeline: list[PipelineStep], out: Path) -> None:
    """Run it in DataTrove's local executor."""
    LocalPipelineExecutor(pipeline, tasks=1, workers=1, logging_dir=str(out / "logs")).run()


def written(folder: Path) -> list[dict[str, Any]]:
    """The documents that a JsonlWriter wrote."""
    return [json.loads(line) for path in sorted(folder.glob("*.gz")) for line in gzip.open(path, "rt")]


def reasons(out: Path) -> Counter[tuple[str, str]]:
    """(id, reason) of each document that `pipeline` kept or dropped."""
    kept = [(row["id"], "kept") for row in written(out / "kept")]
    dropped = [(row["id"], row["metadata"]["filter_reason"]) for part in out.glob("dropped*") for row in written(part)]
    return Counter(kept + dropped)


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> finest.Refined:
    """The sample by `finest refine`."""
    return finest.refine(SAMPLE, tmp_path_factory.mktemp("refined") / "out", workers=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample by the whole recipe as one step, before addresses are replaced."""
    out = tmp_path_factory.mktemp("whole")
    judge = steps.RecipeFilter(replace_pii=False, exclusion_writer=JsonlWriter(str(out / "dropped")))
    run([steps.WarcPages(SAMPLE), judge, JsonlWriter(str(out / "kept"))], out)
    return out


def verdicts(refined: finest.Refined) -> Counter[tuple[str, str]]:
    """(id, reason) of each page of a run; duplicates were kept before they were found."""
    rows = pq.read_table(Path(refined.path) / "verdicts", columns=["id", "reason"]).to_pylist()
    return Counter((row["id"], "kept" if row["reason"] == "duplicate" else row["reason"]) for row in rows)


@pytest.mark.nightly
def test_the_whole_recipe_gives_the_verdicts_of_a_run(refined: finest.Refined, whole: Path) -> None:
    """Reason by reason, and the rows' text where addresses are replaced."""
    assert reasons(whole) == verdicts(refined)
    rows = pq.read_table(Path(refined.path) / "data", columns=["id", "text", "token_count"]).to_pylist()
    texts = {
        (row["id"], redact(row["text"], PiiRules())): row["metadata"]["token_count"] for row in written(whole / "kept")
    }
    assert all(texts[row["id"], row["text"]] == row["token_count"] for row in rows)


@pytest.mark.parametrize("recipe", ["fineweb", "finest"])
def test_stage_by_stage_gives_the_same(recipe: str, tmp_path: Path) -> None:
    """The filters in FineWeb's order, with the recipe's extractor, keep the same texts and name the same reasons."""
    extractor = steps.Trafilatura() if recipe == "fineweb" else steps.StructuredBlocks()
    kinds = [
        steps.PayloadFilter, steps.URLFilter, steps.LanguageGate, None, steps.LanguageFilter,
        steps.GopherRepetitionFilter, steps.GopherQualityFilter, steps.C4QualityFilter, steps.FineWebQualityFilter,
    ]  # fmt: skip
    single, apart = tmp_path / "single", tmp_path / "apart"
    pipeline = [
        kind(recipe, exclusion_writer=JsonlWriter(str(apart / f"dropped-{i}"))) if kind else extractor
        for i, kind in enumerate(kinds)
    ]
    run([steps.WarcPages(SAMPLE), *pipeline, JsonlWriter(str(apart / "kept"))], apart)
    judge = steps.RecipeFilter(recipe, replace_pii=False, exclusion_writer=JsonlWriter(str(single / "dropped")))
    run([steps.WarcPages(SAMPLE), judge, JsonlWriter(str(single / "kept"))], single)
    expected = {key: n for key, n in reasons(single).items() if not key[1].startswith("extraction_")}
    assert reasons(apart) == expected
    assert [row["text"] for row in written(apart / "kept")] == [row["text"] for row in written(single / "kept")]


def test_structure_as_markdown() -> None:
    """The same engine writes plain text and Markdown."""
    page = ("The sea rises twice a day, and falls, as the Moon pulls on it. " * 9).join(
        ["<p>", "</p><pre>a:\n  b</pre><p>", "</p>"]
    )
    assert "\n\n```\na:\n  b\n```\n\n" in steps.StructuredBlocks(markdown=True).extract(page)
    assert "\na:\n  b\n" in steps.StructuredBlocks().extract(page)


@pytest.mark.parametrize("hash_fc", ["sha1", "xxhash"])
def test_signature_files_are_those_of_datatrove(whole: Path, tmp_path: Path, hash_fc: Any) -> None:
    """Byte for byte, so that DataTrove's next steps take them; texts too short for a shingle are left out alike."""
    config = MinhashConfig(num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64, hash_fc=hash_fc))
    texts = ["four words are few", *(row["text"] for row in written(whole / "kept")[:20])]
    files = []
    for kind in (TheirSignature, steps.MinhashDedupSignature):
        folder = tmp_path / kind.__module__
        kind(str(folder), config).run(iter(Document(text=text, id=str(i)) for i, text in enumerate(texts)))
        files.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.sig")})
    assert files[0] == files[1]
    assert len(files[0]) == 14
    assert all(files[0].values())


def test_other_signatures_are_refused(tmp_path: Path) -> None:
    """What would not be DataTrove's own signature is an error."""
    with pytest.raises(finest.UsageError, match="64-bit"):
        steps.MinhashDedupSignature(str(tmp_path), MinhashConfig(hash_config=HashConfig(precision=32)))
    with pytest.raises(finest.UsageError, match="English"):
        steps.MinhashDedupSignature(str(tmp_path), language="deu")


def test_a_document_of_another_reader_is_judged_by_its_html() -> None:
    """HTML in the text and an address in the metadata are enough for the whole recipe."""
    prose = "<p>This is a sentence that the page has, and it is of some length.</p>"
    document = Document(text=prose, id="1", metadata={"url": "https://example.org/a"})
    dropped = steps.RecipeFilter().filter(document)
    assert dropped == (False, finest.judge(prose, url="https://example.org/a").reason)
    with pytest.raises(finest.UsageError, match="right after that step"):
        steps.PayloadFilter().filter(document)


@pytest.mark.parametrize("name", steps.__all__)
def test_steps_can_be_sent_to_other_machines(name: str, tmp_path: Path) -> None:
    """Executors pickle the steps: each one can be."""
    kind = getattr(steps, name)
    assert issubclass(kind, PipelineStep)
    step = kind(str(tmp_path)) if name in ("WarcPages", "MinhashDedupSignature") else kind()
    again = pickle.loads(pickle.dumps(step))
    assert type(again) is kind


def test_the_table_in_the_docs_names_what_there_is() -> None:
    """Each argument in docs/reference/datatrove.md is one of DataTrove's step, each key one of a recipe."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "datatrove.md").read_text(encoding="utf-8")
    recipe = finest.load_recipe("fineweb").resolved()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 35
    for row in rows:
        kind = next(getattr(where, _names(row[0])[0]) for where in THEIRS if hasattr(where, _names(row[0])[0]))
        arguments = inspect.signature(kind.__init__).parameters
        assert all(name.partition("=")[0] in arguments for name in _names(row[1])), row
        for key in _names(row[2]):
            section, _, name = key.partition(".")
            assert name in recipe[section] or not name, key
        assert all(hasattr(steps, name) for name in _names(row[3]) if name[0].isupper()), row


def _names(cell: str) -> list[str]:
    return [name for name in re.findall(r"`([^`]+)`", cell) if name not in ("trafilatura", "blocks-1", "blocks-2")]
