"""Rows with scores are audited like all others: an altered score is a forged row, and nobody need believe a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from finest.dataset.rows import Row
from finest.pipeline.quality_models import forget_models
from finest.recipe.quality_model import QualityModel
from finest.recipe.quality_model.place import cached_path
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import rows_counted
from finest.validator.models import RowFinding
from finest.validator.scored import RowScores
from tests.recipe.quality_model.made import CLASSES, model_file

from .made import PLAN, SHA, Published, forge, make, tampered

MODELS = {"edu": model_file(seed=1), "page_type": model_file("page_type", classes=CLASSES, seed=2)}


def sha256(name: str) -> str:
    return hashlib.sha256(MODELS[name]).hexdigest()


def recipe_file(folder: Path, more: str = "") -> Path:
    """Recipe fineweb with two models of a repository, which the cache holds already."""
    for name, data in MODELS.items():
        cached = cached_path(default_cache(), sha256(name))
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(data)
    fineweb = resources.files("finest.recipe").joinpath("fineweb.toml").read_text(encoding="utf-8")
    path = folder / "scored.toml"
    path.write_text(f"""{fineweb}
[[quality_model.models]]
name = "page_type"
model = "hf:alice/page-type@{SHA}"
sha256 = "{sha256("page_type")}"
kind = "class"
[[quality_model.models]]
name = "edu"
model = "hf:alice/edu@{SHA}"
sha256 = "{sha256("edu")}"
{more}
""")
    return path


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, crawl: list[Path]) -> Published:
    """Alice's dataset of one WARC, with scores."""
    folder = tmp_path_factory.mktemp("scored")
    return make(folder / "alice", crawl[:1], str(recipe_file(folder)))


def with_columns(row: Row, **values: Any) -> Row:
    return replace(row, columns=tuple((name, values.get(name, value)) for name, value in row.columns))


def own(published: Published) -> dict[str, Any]:
    """The same recipe with a threshold, which no validator has."""
    data = published.manifest.recipe
    page_type, edu = data["quality_model"]["models"]
    return data | {"quality_model": {"models": [page_type, edu | {"min_bin": 1}]}}


@pytest.mark.nightly
def test_rows_with_scores_are_known_rows(scored: Published) -> None:
    """A recipe of this version with models gives that recipe's rows, so it is judged and paid as that recipe."""
    rows = scored.rows()
    for name, data in MODELS.items():
        assert cached_path(default_cache(), sha256(name)).read_bytes() == data
    model = QualityModel.load(cached_path(default_cache(), sha256("edu")))
    assert [dict(row.columns)["edu_raw"] for row in rows] == [model.score(row.text).raw for row in rows]
    assert {dict(row.columns)["page_type"] for row in rows} <= set(CLASSES)
    evidence = audit(scored.subject(), PLAN, scored.context())
    assert (evidence.verdict, rows_counted(evidence.rows)[1]) == ("pass", 0)
    assert evidence.declared
    assert evidence.declared.known


LIES: tuple[Callable[[Row], Row], ...] = (
    lambda row: with_columns(row, edu=19 - dict(row.columns)["edu"], edu_raw=10**9),
    lambda row: with_columns(row, edu_raw=dict(row.columns)["edu_raw"] + 1),
    lambda row: with_columns(row, page_type="best"),
)


@pytest.mark.parametrize("is_known", [True, False], ids=["as fineweb", "own recipe"])
def test_an_altered_score_is_a_forged_row(scored: Published, tmp_path: Path, is_known: bool) -> None:
    """Whichever column lies, and under a recipe of one's own too: a score follows from the row's text."""
    rows = [lie(row) for row, lie in zip(scored.rows(), cycle(LIES), strict=False)]
    forged = tampered(scored, tmp_path / "f", rows, recipe=None if is_known else own(scored))
    evidence = audit(forged.subject(), PLAN, forged.context())
    assert evidence.verdict == "fail"
    assert [row.outcome for row in evidence.rows] == ["forged"] * 4


def test_a_row_without_the_scores_of_its_recipe_is_forged(scored: Published) -> None:
    """Each model of the recipe has its columns."""
    scores, row = RowScores.of(scored.manifest, scored.context()), scored.rows()[0]
    finding = RowFinding(number=0, id=row.id, source="", offset=0, expected="", found=None, outcome="same")
    assert scores.checked(finding, row).outcome == "same"
    assert scores.checked(finding, replace(row, columns=row.columns[:2])).outcome == "forged"


@pytest.mark.slow
def test_a_third_of_altered_scores_is_found(scored: Published, tmp_path: Path) -> None:
    """As any other forgery of a third of the rows."""
    forged = forge(scored, tmp_path / "f", 0.3, lambda row: with_columns(row, edu=19, edu_raw=10**9))
    assert audit(forged.subject(), PLAN, forged.context()).verdict == "fail"


@pytest.mark.slow
@pytest.mark.nightly
def test_true_scores_under_a_recipe_of_ones_own_pass(scored: Published, tmp_path: Path) -> None:
    """Its rows are held against their pages, and its scores against its models."""
    honest = tampered(scored, tmp_path / "own", scored.rows(), recipe=own(scored))
    evidence = audit(honest.subject(), PLAN, honest.context())
    assert (evidence.verdict, rows_counted(evidence.rows)[1]) == ("pass", 0)
    assert evidence.declared
    assert not evidence.declared.known


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "edu.safetensors"}, "publish it and name it as hf:OWNER/NAME@REVISION"),
        ({"model": "unheard_of"}, "no quality model called 'unheard_of' comes with this version"),
        ({"kind": "class"}, "has no classes"),
    ],
)
def test_models_that_nobody_can_fetch_are_inadmissible(
    scored: Published, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    """Else a miner could keep others from checking its scores."""
    data = scored.manifest.recipe
    page_type, edu = data["quality_model"]["models"]
    recipe = data | {"quality_model": {"models": [page_type, edu | change]}}
    hidden = tampered(scored, tmp_path / "f", scored.rows(), recipe=recipe)
    evidence = audit(hidden.subject(), PLAN, hidden.context())
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "models")
    assert why in evidence.why


def test_the_cache_forgets_the_longest_unused_models(tmp_path: Path) -> None:
    """Models that strangers name do not fill the disk."""
    import os

    for place in range(4):
        path = cached_path(tmp_path, f"{place:064x}")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (place, place))
    (tmp_path / "models" / "mine.safetensors").write_bytes(bytes(500))
    forget_models(tmp_path, 250)
    assert sorted(path.name[-13:] for path in (tmp_path / "models").iterdir()) == [
        "2.safetensors", "3.safetensors", "e.safetensors",
    ]  # fmt: skip
