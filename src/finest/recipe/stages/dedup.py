"""Stage dedup: computes the text's MinHash signature (`finest.recipe.minhash`).

Whether a page is a duplicate depends on the whole run, so the reason `duplicate` is assigned when the dataset is
assembled, after all pages are judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from finest.recipe.stage import Column, Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox

DUPLICATE = "duplicate"


class DedupRules(Rules):
    """MinHash deduplication over the whole run (FineWeb: 14 buckets of 8 hashes, word 5-grams, 64-bit sha1).

    Two pages are near-duplicates if all `hashes_per_bucket` hashes of at least one of their `buckets` are equal.
    `n_grams` is the size of a shingle in words, `seed` selects the hash permutations, and `hash` is the function that
    hashes a shingle. `cluster_size` adds a column with the number of pages in the row's cluster of duplicates. `scope`
    says which pages are compared: all pages of a `"run"`, or only those of one `"dump"` (crawl), as in FineWeb.

    MinHash agrees by chance, and clusters are chains. With `min_jaccard` above 0, a page is dropped only for a page
    that is kept and has at least this share of all their shingles in common. Both need a row, so `order` must be
    `"fineweb"`.
    """

    enabled: bool = True
    buckets: int = 14
    hashes_per_bucket: int = 8
    n_grams: int = 5
    seed: int = 1
    hash: Literal["sha1", "xxhash"] = "sha1"
    cluster_size: bool = False
    scope: Literal["run", "dump"] = "run"
    min_jaccard: float = Field(default=0.0, ge=0.0, le=1.0)


CLUSTER_SIZE = Column("minhash_cluster_size", "int64", "pages of this run that are nearly the same, this one included")
"""The one column whose value depends on the run: it is 1 for a page alone, and the assembly of the dataset sets it."""


def _run(state: PageState, rules: DedupRules, tools: Toolbox) -> Iterable[Check]:
    if rules.enabled:
        state.signature = tools.signer.sign(state.text, tools.tokenizer_for(state.language))
    if rules.cluster_size:
        state.columns[CLUSTER_SIZE.name] = 1
    return ()


def _columns(rules: DedupRules) -> tuple[Column, ...]:
    return (CLUSTER_SIZE,) if rules.cluster_size else ()


DEDUP = Stage(
    name="dedup", section="dedup", rules=DedupRules, run=_run, needs=("text", "language", "columns"),
    provides=("signature", "columns"), columns_of=_columns, title="Duplicates", finishes=True,
    question="Is it nearly the same as another page?",
    reasons={DUPLICATE: "Nearly the same text as another page of this run, which was kept."},
)  # fmt: skip
