"""Uniqueness: finds rows whose text another row or an earlier submission had before.

Exact duplicates are found by the hash of the text, near-duplicates by MinHash: two rows are similar if their signatures
agree in a bucket. Of each pair the row with the smaller number counts. All rows are read if the plan allows it;
otherwise whole row groups are read in an order drawn by the seed, and the duplicates are scaled up to the whole
dataset.

Copies of earlier submissions are reported but do not affect the verdict: soundness has shown that a row comes from its
own record, and two crawls of one page are not a copy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from finest.errors import VerifyError
from finest.pipeline.witnesses import Text, jaccard
from finest.recipe.judge import toolbox
from finest.validator.models import Uniqueness
from finest.validator.seed import Draw
from finest.validator.soundness import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from finest.dataset.open import Dataset
    from finest.dataset.parts import RowGroup
    from finest.recipe.recipe import Recipe
    from finest.validator.context import AuditContext

SKETCH_SIZE = 1024
"""Number of fingerprints stored per submission: the smallest ones, so that equal rows give equal fingerprints."""

MAX_COMPARED = 32
"""Earlier rows that a row is compared with if the recipe compares texts (`finest.pipeline.dedup.pairs`)."""


@dataclass(slots=True)
class ReadRows:
    """The data kept of the rows that were read, in row order."""

    numbers: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    """First 63 bits of each text's sha256."""
    buckets: list[NDArray[np.int64]] = field(default_factory=list)
    """For each row, a hash of each bucket of its signature, or of the text if that is too short for a signature."""


def check_unique(
    dataset: Dataset, recipe: Recipe, seed: str, count: int, context: AuditContext
) -> tuple[Uniqueness, list[int]]:
    """Return the duplicates, without copies, and the submission's fingerprints; raises VerifyError, OverBudget."""
    read = ReadRows()
    for group in sorted(_drawn(dataset.row_groups(), seed, count), key=lambda group: group.first_row):
        context.budget.check()
        numbers = range(group.first_row, group.first_row + group.rows)
        read.numbers.extend(numbers)
        for batch in dataset.read_rows(numbers).select(["text", "token_count", "language", "dump"]).to_batches():
            _read(batch, recipe, context, read)
    exact, near = duplicates(read)
    if recipe.dedup.min_jaccard:
        near = _confirmed(near, read, dataset, recipe, context)
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
    """Return row groups in the order of the draw until they hold `count` rows."""
    chosen, rows = [], 0
    for number in Draw(seed, "groups").sample(len(groups), len(groups)):
        if rows >= count:
            break
        chosen.append(groups[number])
        rows += groups[number].rows
    return chosen


def _read(batch: pa.RecordBatch, recipe: Recipe, context: AuditContext, read: ReadRows) -> None:
    tools = toolbox(recipe, context.cache)
    columns = (batch[name].to_pylist() for name in ("text", "token_count", "language", "dump"))
    for text, tokens, language, dump in zip(*columns, strict=True):
        if len(text) > MAX_TEXT_BYTES:
            raise VerifyError(f"a row has a text of {len(text)} characters: longer than rows of ours can be")
        context.budget.check()
        group = dump.encode() if recipe.dedup.scope == "dump" else b""
        digest = _number(hashlib.sha256(group + text.encode()).digest())
        signature = tools.signer.sign(text, tools.tokenizer_for(language))
        read.tokens.append(max(0, min(tokens, 2**40)))
        read.texts.append(digest)
        read.buckets.append(_bucket_hashes(signature, digest, recipe.dedup.buckets, group))


def _bucket_hashes(signature: NDArray[np.uint64] | None, text: int, buckets: int, group: bytes) -> NDArray[np.int64]:
    if signature is None:
        return np.full(buckets, text, np.int64)
    hashes = [
        hashlib.sha256(bytes([n % 256]) + bucket.astype("<u8").tobytes() + group) for n, bucket in enumerate(signature)
    ]
    return np.array([_number(found.digest()) for found in hashes], np.int64)


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little") >> 1


def duplicates(read: ReadRows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Flag rows with the text of an earlier row, and other rows that agree with an earlier row in a bucket."""
    exact = _seen_before(np.array(read.texts, np.int64))
    near = np.zeros(len(exact), bool)
    for bucket in np.array(read.buckets, np.int64).T:
        near |= _seen_before(bucket)
    return exact, near & ~exact


def _confirmed(
    near: NDArray[np.bool_], read: ReadRows, dataset: Dataset, recipe: Recipe, context: AuditContext
) -> NDArray[np.bool_]:
    """Return those of the `near` rows whose text is similar enough to one of the earlier rows that they agree with."""
    buckets, found = np.array(read.buckets, np.int64), near.copy()
    for row in np.flatnonzero(near).tolist():
        context.budget.check()
        earlier = np.flatnonzero((buckets[:row] == buckets[row]).any(axis=1))[:MAX_COMPARED].tolist()
        rows = dataset.read_rows([read.numbers[number] for number in (row, *earlier)])
        own, *others = map(Text, rows["text"].to_pylist(), rows["language"].to_pylist())
        least = recipe.dedup.min_jaccard
        found[row] = any(jaccard(own, other, recipe, context.cache) >= least for other in others)
    return found


def _seen_before(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Flag the values that also occur at an earlier position."""
    seen = np.ones(len(values), bool)
    seen[np.unique(values, return_index=True)[1]] = False
    return seen


def fingerprints(read: ReadRows) -> list[int]:
    """Return the submission's fingerprints: the distinct smallest hashes of its texts and first buckets, ascending."""
    texts, first = set(read.texts), {int(row[0]) for row in read.buckets}
    return sorted({*sorted(texts)[: SKETCH_SIZE // 2], *sorted(first)[: SKETCH_SIZE // 2]})


def _unique_tokens(dataset: Dataset, rows: int, tokens: int, lost: int) -> int:
    """Estimate the unique tokens of the whole dataset from the rows that were read.

    A sample of share s sees only s^2 of all duplicate pairs, so the lost share is scaled up.
    """
    if not tokens:
        return 0
    shown = rows / dataset.manifest.rows
    lost_share = min(1.0, lost / tokens / shown)
    return round(dataset.manifest.token_count * (1 - lost_share))
