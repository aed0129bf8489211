"""Check a selected dataset against its parent: it must hold the parent's rows that satisfy the rule, and no others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from finest.dataset.merkle import SeriesTrees, series_of
from finest.errors import VerifyError
from finest.recipe.reasons import KEPT

if TYPE_CHECKING:
    from pathlib import Path

    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.dataset.selection import AnyRule, Selection


def check_parent(dataset: Dataset, parent: Dataset, cache: Path | None = None) -> None:
    """Check that the last selection of `dataset` leaves exactly its rows of `parent`; reads all rows of the parent.

    Every row of the parent is hashed and the root compared, so it may be anybody's copy. An index that the rule needs
    is read from the folder `cache`. Raises VerifyError if the dataset has no selection or another parent, and with the
    row if one was omitted or smuggled in; UsageError if the index is not there.
    """
    if not dataset.manifest.selections:
        raise VerifyError(f"{dataset.place} is no selection of another dataset; leave out --parent")
    selection = dataset.manifest.selections[-1]
    _check_manifests(dataset.manifest, parent, selection)
    everything, stay = SeriesTrees(), SeriesTrees()
    for path, table in parent.decided(selection.rule, cache):
        for part, rows in ((everything, table), (stay, table.filter(table["stays"]))):
            part.add(series_of(path), map(bytes.fromhex, rows["row_hash"].to_pylist()))
    if (root := everything.root()) != selection.parent_root:
        raise VerifyError(f"{parent.place}: the root over its rows is {root}, not {selection.parent_root}")
    if stay.root() != dataset.manifest.root:
        raise VerifyError(_difference(dataset, parent, selection.rule, cache))


def _check_manifests(manifest: Manifest, parent: Dataset, selection: Selection) -> None:
    """Compare everything that a selection leaves as it was."""
    before, place = parent.manifest, parent.place
    if before.root != selection.parent_root:
        raise VerifyError(f"{place} is not the parent: its root is {before.root}, not {selection.parent_root}")
    left_out = Counter({selection.rule.reason: before.rows - manifest.rows})
    reasons = [
        {name: n for name, n in found.items() if n and name != KEPT}
        for found in (manifest.reasons, Counter(before.reasons) + left_out)
    ]
    same = {
        "rows of the parent": before.rows == selection.parent_rows,
        "recipes": before.recipe_hash == manifest.recipe_hash,
        "columns": before.columns == manifest.columns,
        "sources": (before.sources, before.source_files) == (manifest.sources, manifest.source_files),
        "earlier selections": before.selections == manifest.selections[:-1],
        "reasons of dropped pages": reasons[0] == reasons[1],
    }
    for what, is_same in same.items():
        if not is_same:
            raise VerifyError(f"the manifests of the selection and of its parent {place} have different {what}")


def _difference(dataset: Dataset, parent: Dataset, rule: AnyRule, cache: Path | None) -> str:
    """Name a row that the selection should have and has not, or has and should not have."""
    found = dataset.row_columns("id", "row_hash")
    there = set(zip(found["id"].to_pylist(), found["row_hash"].to_pylist(), strict=True))
    for _, table in parent.decided(rule, cache):
        stay = table.filter(pc.field("stays"))
        wanted = set(zip(stay["id"].to_pylist(), stay["row_hash"].to_pylist(), strict=True))
        if missing := wanted - there:
            return f"data: row {min(missing)[0][:80]} of the parent satisfies the selection and is missing: {rule}"
        there -= wanted
    if there:
        return f"data: row {min(there)[0][:80]} is not a row of the parent that satisfies the selection: {rule}"
    return f"data: the Merkle root {dataset.manifest.root} is not that of the rows"
