"""Check the witness of a duplicate: the row that its verdict names must have nearly the page's text.

This holds for a recipe with `[dedup] min_jaccard`, whose verdicts also state the similarity. Under any other recipe a
duplicate is linked to its row by a chain of pages, which a sample cannot follow; validators do (`validator.witness`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from finest.errors import VerifyError
from finest.recipe.judge import toolbox
from finest.recipe.minhash import similarity
from finest.recipe.reasons import DUPLICATE
from finest.recipe.recipe import parse_recipe
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finest.dataset.open import Dataset
    from finest.dataset.rows import Row
    from finest.pipeline.drawn import Drawn
    from finest.recipe.recipe import DedupRules, Recipe

MAX_WITNESSES = 16
"""Rows with the id of a witness that are read; only careless writers give one id to many records."""


class Text(NamedTuple):
    """The text of a row, and the language in which its words are found."""

    text: str
    language: str | None


def jaccard(one: Text, other: Text, recipe: Recipe, cache: Path) -> float:
    """Return the similarity of two rows' texts; equal texts have 1, even without a shingle."""
    if one.text == other.text:
        return 1.0
    tools = toolbox(recipe, cache)
    first, second = (tools.signer.shingles(text, tools.tokenizer_for(language)) for text, language in (one, other))
    return similarity(first, second)


def with_witnesses(dataset: Dataset, pages: Sequence[Drawn]) -> list[Drawn]:
    """Return the pages with the rows that the verdicts of duplicates name, if the recipe compares texts.

    Raises VerifyError if one names no row that the recipe compares with the page. A selection may have left it out.
    """
    rules = parse_recipe(dataset.manifest.recipe).dedup
    if not rules.min_jaccard:
        return list(pages)
    numbers = [_rows_with_id(dataset, page) for page in pages]
    read = sorted({number for found in numbers for number in found})
    rows = dict(zip(read, dataset.read_rows(read).select(["text", "language", "dump"]).to_pylist(), strict=True))
    return [
        _with(page, [rows[number] for number in found], rules, may_be_left_out=bool(dataset.manifest.rules))
        for page, found in zip(pages, numbers, strict=True)
    ]


def _rows_with_id(dataset: Dataset, page: Drawn) -> list[int]:
    return dataset.row_places.with_id(page.kept_id, MAX_WITNESSES) if page.kept_id else []


def _with(page: Drawn, rows: Sequence[dict[str, Any]], rules: DedupRules, *, may_be_left_out: bool) -> Drawn:
    if page.reason != DUPLICATE:
        return page
    dump = dump_of(page.place.source)
    found = [Text(row["text"], row["language"]) for row in rows if rules.scope == "run" or row["dump"] == dump]
    if not found and not may_be_left_out:
        raise VerifyError(f"{page} is dropped as a duplicate of {str(page.kept_id)[:80]}, and no row has that id")
    return replace(page, witnesses=tuple(found))


def check_witness(page: Drawn, row: Row, recipe: Recipe, cache: Path) -> None:
    """Raise VerifyError unless a witness of a duplicate, whose row would be `row`, is as similar as its verdict says.

    A page without witnesses here (a selection left them out) passes.
    """
    if not page.witnesses:
        return
    own = Text(row.text, row.language)
    found = [jaccard(own, witness, recipe, cache) for witness in page.witnesses]
    least = recipe.dedup.min_jaccard
    if max(found) < least:
        raise VerifyError(
            f"{page} is dropped as a duplicate of {str(page.kept_id)[:80]}, and the two have {max(found):.3f} of their "
            f"shingles in common; the recipe asks for {least}"
        )
    if page.jaccard not in found:
        raise VerifyError(f"{page} has {max(found)} of its shingles in common with its witness, not {page.jaccard}")
