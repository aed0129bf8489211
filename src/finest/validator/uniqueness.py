"""Uniqueness: finds rows whose text another row or an earlier submission had before.

Exact duplicates by the hash of the text, near ones by MinHash: two rows are alike where their signatures agree in a
bucket. Of each pair the one with the smaller number counts. All rows are read where the plan allows it, else whole row
groups in an order that the seed draws; then duplicates are scaled up to what all rows would show.

That somebody else submitted the same texts before is said, and judged by nobody: what a row says was proven to come
from its own record, and two crawls of one page are no copy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from finest.errors import VerifyError
from finest.recipe.judge import toolbox
from finest.validator.models import Uniqueness
from finest.validator.seed import Draw
from finest.validator.soundness import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from finest.dataset.open import Dataset, RowGroup
    from finest.recipe.recipe import Recipe
    from finest.validator.context import AuditContext

SKETCH_SIZE = 1024
"""Fingerprints of a submission that are remembered: the smallest ones, so that equal rows give equal fingerprints."""


@dataclass(slots=True)
class ReadRows:
    """What is kept of the rows that were read, in the order of their numbers."""

    tokens: list[int] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    """First 63 bits of each text's sha256."""
    buckets: list[NDArray[np.int64]] = field(default_factory=list)
    """A hash of each bucket of the signature; of a text too short to have one, of the text itself."""


def check_unique(
    dataset: Dataset, recipe: Recipe, seed: str, count: int, context: AuditContext
) -> tuple[Uniqueness, list[int]]:
    """What was found, with no copies named, and the submission's fingerprints; raises VerifyError, OverBudget."""
    read = ReadRows()
    for group in sorted(_drawn(dataset.row_groups(), seed, count), key=lambda group: group.first_row):
        context.budget.check()
        numbers = range(group.first_row, group.first_row + group.rows)
        for batch in dataset.read_rows(numbers).select(["text", "token_count"]).to_batches():
            _read(batch, recipe, context, read)
    exact, near = duplicates(read)
    tokens = np.array(read.tokens, np.int64)
    lost = int(tokens[exact | near].sum())
    sketch = fingerprints(read)
    found = Uniqueness(
        rows=len(tokens), tokens=int(tokens.sum()), exact=int(exact.sum()), near=int(near.sum()),
        duplicate_tokens=lost, unique_tokens=_unique_tokens(dataset, len(tokens), int(tokens.sum()), lost),
        fingerprints=hashlib.sha256(np.array(sketch, "<i8").tobytes()).hexdigest(),
    )  # fmt: skip
    return found, sketch


def _drawn(groups: Sequence[RowGroup], seed: str, count: int) -> list[RowGroup]:
    """Groups in the order of the draw until they hold `count` rows."""
    chosen, rows = [], 0
    for number in Draw(seed, "groups").sample(len(groups), len(groups)):
        if rows >= count:
            break
        chosen.append(groups[number])
        rows += groups[number].rows
    return chosen


def _read(batch: pa.RecordBatch, recipe: Recipe, context: AuditContext, read: ReadRows) -> None:
    tools = toolbox(recipe, context.cache)
    for text, tokens in zip(batch["text"].to_pylist(), batch["token_count"].to_pylist(), strict=True):
        if len(text) > MAX_TEXT_BYTES:
            raise VerifyError(f"a row has a text of {len(text)} characters: longer than rows of ours can be")
        context.budget.check()
        digest = _number(hashlib.sha256(text.encode()).digest())
        signature = tools.signer.sign(text, tools.tokenizer)
        read.tokens.append(max(0, min(tokens, 2**40)))
        read.texts.append(digest)
        read.buckets.append(_bucket_hashes(signature, digest, recipe.dedup.buckets))


def _bucket_hashes(signature: NDArray[np.uint64] | None, text: int, buckets: int) -> NDArray[np.int64]:
    if signature is None:
        return np.full(buckets, text, np.int64)
    hashes = [hashlib.sha256(bytes([n % 256]) + bucket.astype("<u8").tobytes()) for n, bucket in enumerate(signature)]
    return np.array([_number(found.digest()) for found in hashes], np.int64)


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little") >> 1


def duplicates(read: ReadRows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows with the text of an earlier one, and other rows that agree with an earlier one in a bucket."""
    exact = _seen_before(np.array(read.texts, np.int64))
    near = np.zeros(len(exact), bool)
    for bucket in np.array(read.buckets, np.int64).T:
        near |= _seen_before(bucket)
    return exact, near & ~exact


def _seen_before(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which values an earlier place has too."""
    seen = np.ones(len(values), bool)
    seen[np.unique(values, return_index=True)[1]] = False
    return seen


def fingerprints(read: ReadRows) -> list[int]:
    """The submission's: of the hashes of its texts and of their first buckets the smallest, ascending, one each."""
    texts, first = set(read.texts), {int(row[0]) for row in read.buckets}
    return sorted({*sorted(texts)[: SKETCH_SIZE // 2], *sorted(first)[: SKETCH_SIZE // 2]})


def _unique_tokens(dataset: Dataset, rows: int, tokens: int, lost: int) -> int:
    """Of the whole dataset. Of pairs that lie anywhere a share s of the rows shows s x s, so what is lost is scaled."""
    if not tokens:
        return 0
    shown = rows / dataset.manifest.rows
    lost_share = min(1.0, lost / tokens / shown)
    return round(dataset.manifest.token_count * (1 - lost_share))
