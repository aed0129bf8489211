"""Datasets with next to nothing in them: every one gets a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from finest.dataset.manifest import Manifest, write_manifest
from finest.dataset.merkle import root
from finest.dataset.rows import VERDICT_SCHEMA, VerdictRow, verdict_batch
from finest.dataset.shards import ShardWriter
from finest.recipe.reasons import KEPT
from finest.recipe.recipe import recipe_hash
from finest.validator.audit import audit
from finest.validator.evidence import measured, score, with_quality
from finest.validator.models import Evidence, Plan, Quality

from .forged import own_recipe
from .made import Published, make
from .repeated import response, write_warc

PLAN = Plan(rows=16, windows=4)
FIGURES = Quality(tier=1, tokens=0, bpb=float("inf"), bpb_reference=2.0, bpb_raw=2.1, error_bpb=0.0)


def judged(made: Published, plan: Plan = PLAN) -> Evidence:
    return audit(made.subject(), plan, made.context())


def emptied(honest: Published, out: Path, reason: str = "language") -> Published:
    """No row and no shard; what was kept has another verdict."""
    dump = honest.manifest.dumps[0]
    verdicts = [replace(one, reason=reason) if one.reason == KEPT else one for one in honest.verdicts()]
    return Published(_with_verdicts(honest.manifest, out, dump, verdicts), honest.warcs)


def _with_verdicts(old: Manifest, out: Path, dump: str, verdicts: Sequence[VerdictRow]) -> Path:
    out.mkdir()
    with ShardWriter(out, f"verdicts/{dump}/000", VERDICT_SCHEMA) as files:
        files.write(verdict_batch(verdicts))
    counts: dict[str, int] = {KEPT: 0}
    for verdict in verdicts:
        counts[verdict.reason] = counts.get(verdict.reason, 0) + 1
    sources = tuple(source.model_copy(update={"pages": len(verdicts)}) for source in old.sources)
    changes = {
        "shards": (), "verdicts": tuple(files.shards), "rows": 0, "token_count": 0, "roots": {}, "root": root([]),
        "reasons": counts, "languages": {}, "sources": sources,
    }  # fmt: skip
    write_manifest(out, Manifest.model_validate_json(old.model_copy(update=changes).model_dump_json()))
    return out


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """One WARC with twelve good pages."""
    folder = tmp_path_factory.mktemp("little")
    return make(folder / "made", [write_warc(folder / "a.warc.gz", [[response(n)] for n in range(12)])])


def test_an_empty_dataset_of_good_pages_is_caught(little: Published, tmp_path: Path) -> None:
    """Who does no work gets a fail, and not a look that is put off for ever."""
    evidence = judged(emptied(little, tmp_path / "empty"))
    assert evidence.verdict == "fail" and "pages are missing" in evidence.why


def test_an_empty_dataset_under_a_recipe_of_ones_own_is_caught(little: Published, tmp_path: Path) -> None:
    """A recipe that drops everything is none: under one of one's own, too, some of the good pages must be there."""
    empty = emptied(little, tmp_path / "empty")
    recipe = own_recipe(little)
    write_manifest(
        empty.folder, empty.manifest.model_copy(update={"recipe": recipe, "recipe_hash": recipe_hash(recipe)})
    )
    evidence = judged(empty)
    assert evidence.declared and not evidence.declared.known
    assert evidence.verdict == "fail" and "pages are missing" in evidence.why


def test_no_verdicts_either_is_caught(little: Published, tmp_path: Path) -> None:
    """Not even a file."""
    out = _with_verdicts(little.manifest, tmp_path / "bare", little.manifest.dumps[0], [])
    evidence = judged(Published(out, little.warcs))
    assert evidence.verdict == "fail" and "no verdict" in evidence.why


@pytest.mark.parametrize("good", [0, 1], ids=["none", "one"])
def test_an_honest_dataset_of_next_to_nothing_passes(tmp_path: Path, good: int) -> None:
    """No row, where the WARC has no page to keep; or one. What it is worth is a number."""
    members = [[response(n, good=n < good)] for n in range(4)]
    evidence = judged(make(tmp_path / "made", [write_warc(tmp_path / "a.warc.gz", members)]))
    assert evidence.verdict == "pass", evidence.why
    assert evidence.uniqueness and evidence.uniqueness.rows == good
    worth = with_quality(evidence, FIGURES)
    assert worth.total == 0 and score(measured(evidence, FIGURES)).total == 0


def test_the_same_page_over_and_over_passes(tmp_path: Path) -> None:
    """All duplicates of one row, which stands for them."""
    members = [[response(7, key=n)] for n in range(6)]
    made = make(tmp_path / "made", [write_warc(tmp_path / "a.warc.gz", members)])
    assert made.manifest.rows == 1
    assert judged(made).verdict == "pass"


def test_a_source_without_a_page_passes(tmp_path: Path) -> None:
    """WARCs of a warcinfo record alone: no verdict, no file, nothing to be missed."""
    bare = [write_warc(tmp_path / name, []) for name in ("a.warc.gz", "b.warc.gz")]
    evidence = judged(make(tmp_path / "made", bare))
    assert evidence.verdict == "pass", evidence.why
