"""A user's program against the public API, for `mypy --strict`: tests/test_typing.py checks it; nothing runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import assert_type

import finest
from finest import FinestError, Manifest, Page, Recipe, Refined, Verdict, Verification, extract, judge


def make(warcs: list[Path]) -> str:
    """Refine, look at what came of it, verify."""
    refined = finest.refine(warcs, "my-dataset", recipe="finest", workers=4, progress=True)
    assert_type(refined, Refined)
    assert_type(refined.counts, Mapping[str, int])
    assert_type(refined.rows, int)
    assert_type(refined.root, str)
    assert_type(refined.manifest, Manifest)
    assert_type(refined.manifest.token_count, int)
    found = finest.verify(refined.path, sample=100, sources=warcs)
    assert_type(found, Verification)
    assert_type(found.is_verified, bool)
    finest.refine("crawl/*.warc.gz", Path("out"), recipe=finest.load_recipe("fineweb"), engine="datatrove")
    selected = finest.select(refined.path, "token_count >= 200", "long")
    assert_type(selected, Manifest)
    finest.verify("long", parent=refined.path)
    return refined.path


def look(place: str) -> int:
    """Open a dataset."""
    with finest.open_dataset(place) as dataset:
        assert_type(dataset, finest.Dataset)
        assert_type(dataset.manifest.reasons, dict[str, int])
        return dataset.manifest.rows


def page(html: str, block: bytes) -> str | None:
    """Judge pages."""
    verdict = judge(html, url="https://example.org", recipe="finest")
    assert_type(verdict, Verdict)
    assert_type(verdict.kept, bool)
    whole = Page(id="<urn:uuid:1>", url="https://example.org", date="2025-01-01T00:00:00Z", block=block)
    assert_type(finest.judge(whole).reason, str)
    assert_type(extract(html, engine="trafilatura"), str)
    return verdict.text


def recipes() -> Recipe:
    """Recipes and errors."""
    try:
        return finest.load_recipe("mine.toml")
    except finest.RecipeError as error:
        assert_type(error.exit_code, int)
    except FinestError:
        raise
    return finest.load_recipe("fineweb")


def wrong() -> None:
    """What a type checker must refuse: each `type: ignore` is an error if there is nothing to ignore."""
    finest.refin("a", "b")  # type: ignore[attr-defined]
    finest.refine("a")  # type: ignore[call-arg]
    finest.refine("a", "b", recipe=3)  # type: ignore[arg-type]
    finest.extract("<p>", engine="other")  # type: ignore[arg-type]
    finest.judge("<p>").text.upper()  # type: ignore[union-attr]
