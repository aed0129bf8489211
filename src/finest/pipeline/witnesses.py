"""Check the witness of a duplicate: the row that its verdict names must have nearly the page's text.

This holds for a recipe with `[dedup] min_jaccard`, whose verdicts also state the similarity. Under any other recipe a
duplicate is linked to its row by a chain of pages, which a sample cannot follow; validators do (`validator.witness`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finest.errors import UsageError, VerifyError
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
MAX_LINKS = 8
"""Rounds of merges after which a row may be dropped; three make a crawl of single tasks."""


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


def check_earlier(dataset: Dataset, earlier: Sequence[Dataset]) -> None:
    """Raise UsageError unless `dataset` was made against all of these datasets."""
    for one in earlier:
        if one.manifest.root not in dataset.manifest.against:
            named = ", ".join(dataset.manifest.against) or "none"
            raise UsageError(
                f"{one.place} is not an earlier dataset of {dataset.place}: its root is {one.manifest.root}, and the "
                f"manifest names {named}"
            )


def with_witnesses(dataset: Dataset, pages: Sequence[Drawn], earlier: Sequence[Dataset] = ()) -> list[Drawn]:
    """Return the pages with the rows that the verdicts of duplicates name, if the recipe compares texts.

    A row may be one of the `earlier` datasets that the run was made against; pages whose rows can only be in another
    one are marked (`is_elsewhere`). Raises VerifyError if a verdict names no row that the recipe compares with the
    page. A selection may have left it out, and a merge may have dropped it in favour of a row of another dataset; then
    the page has no witness here.
    """
    rules = parse_recipe(dataset.manifest.recipe).dedup
    if not rules.min_jaccard:
        return list(pages)
    rows = rows_with_ids(dataset, {page.kept_id for page in pages if page.kept_id})
    gone = {page.kept_id for page in pages if page.kept_id and page.kept_id not in rows}
    for one in earlier:
        rows |= rows_with_ids(one, gone)
        gone -= rows.keys()
    if len(dataset.manifest.against) > len(earlier):
        pages = [replace(page, is_elsewhere=page.kept_id in gone) for page in pages]
    left_out = gone if dataset.manifest.rules else _dropped_by_merge(dataset, gone)
    return [
        _with(page, rows.get(page.kept_id or "", []), rules, may_be_left_out=page.kept_id in left_out) for page in pages
    ]


def _dropped_by_merge(dataset: Dataset, ids: set[str]) -> set[str]:
    """Return those of the ids whose own verdicts lead, over other duplicates, to a row; none unless it is a merge."""
    found: set[str] = set()
    now = {id: id for id in ids} if dataset.manifest.merged else {}
    for _ in range(MAX_LINKS):
        kept_instead = _kept_instead(dataset, set(now.values())) if now else {}
        now = {id: kept_instead[last] for id, last in now.items() if last in kept_instead}
        there = rows_with_ids(dataset, set(now.values()))
        found |= {id for id, last in now.items() if last in there}
        now = {id: last for id, last in now.items() if last not in there}
    return found


def _kept_instead(dataset: Dataset, ids: set[str]) -> dict[str, str]:
    """Return the id that the verdict of each of these pages names, if it is a duplicate; reads file by file."""
    wanted, found = pa.array(sorted(ids), pa.string()), dict[str, str]()
    for file in dataset.manifest.verdicts:
        table = dataset.verdict_columns("id", "reason", "duplicate_of", files=[file])
        table = table.filter(pc.and_(pc.equal(table["reason"], DUPLICATE), pc.is_in(table["id"], value_set=wanted)))
        found |= {row["id"]: row["duplicate_of"] or "" for row in table.to_pylist()}
    return found


def rows_with_ids(dataset: Dataset, ids: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows with these ids, MAX_WITNESSES of each; reads the ids of one file at a time."""
    wanted, numbers = pa.array(sorted(ids), pa.string()), defaultdict(list)
    first = 0
    for shard in dataset.manifest.shards if ids else ():
        column = dataset.row_columns("id", files=[shard])["id"]
        at = np.flatnonzero(pc.is_in(column, value_set=wanted).to_numpy())
        for number, id in zip(at.tolist(), column.take(pa.array(at)).to_pylist(), strict=True):
            numbers[id].append(first + number)
        first += shard.rows
    chosen = sorted(number for found in numbers.values() for number in found[:MAX_WITNESSES])
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in dataset.read_rows(chosen).select(["id", "text", "language", "dump"]).to_pylist():
        rows[row["id"]].append(row)
    return rows


def _with(page: Drawn, rows: Sequence[dict[str, Any]], rules: DedupRules, *, may_be_left_out: bool) -> Drawn:
    if page.reason != DUPLICATE or page.is_elsewhere:
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
