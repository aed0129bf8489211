"""A page is dropped only for a kept page that has nearly its text, for any number of tasks and blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pytest

from finest.dataset.parts import RowGroup
from finest.pipeline.dedup import earlier_texts, pairs
from finest.pipeline.dedup.against import Earlier
from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
from finest.pipeline.dedup.index import NONE, Made, place_index, write_buckets
from finest.pipeline.dedup.pairs import Pairs
from finest.pipeline.dedup.signatures import RunSignatures
from finest.pipeline.progress import Progress
from finest.pipeline.tasks import Tasks
from finest.recipe.judge import toolbox
from finest.recipe.minhash import simplify
from finest.recipe.recipe import DedupRules, Recipe
from finest.settings import default_cache
from tests.pipeline.dedup.test_stages import files_of, made_texts, stages_of

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.dataset.signature_index import SignatureIndex

LEAST = 0.75
TOOLS = toolbox(Recipe(name="test", dedup=DedupRules(min_jaccard=LEAST)), default_cache())
QUIET = Progress(quiet=True)


class MadeTexts:
    """Texts in memory."""

    def __init__(self, slices: list[list[str]]) -> None:
        self.slices = slices
        self.read: list[int] = []

    def of(self, part: int) -> Iterator[pa.RecordBatch]:
        self.read.append(part)
        for start in range(0, len(self.slices[part]), 7):
            texts = self.slices[part][start : start + 7]
            yield pa.record_batch({"language": ["en"] * len(texts), "text": texts})


def signed(slices: list[list[str]]) -> list[list[np.ndarray | None]]:
    return [[TOOLS.signer.sign(text, TOOLS.tokenizer) for text in texts] for texts in slices]


def found_by_minhash(slices: list[list[str]], folder: Path) -> tuple[list[int], list[int]]:
    """The survivors by MinHash alone, in the folder `dedup`, and the first rows of the slices."""
    stages = stages_of(files_of(signed(slices), folder / "files"), folder / "dedup")
    stages.run(Tasks(0, folder, QUIET))
    return np.load(stages.survivors_path).tolist(), np.cumsum([0, *map(len, slices)]).tolist()


def verified(slices: list[list[str]], folder: Path, workers: int = 0) -> tuple[list[int], list[float]]:
    _, starts = found_by_minhash(slices, folder)
    work = Pairs(folder / "dedup", starts, MadeTexts(slices), TOOLS, LEAST, 1_000_000_000)
    work.run(Tasks(workers, folder / "logs", QUIET))
    assert {path.name for path in (folder / "dedup").iterdir()} == {
        "plan.json", "survivors.npy", "verified.npy", "jaccard.npy"
    }  # fmt: skip
    return np.load(work.verified_path).tolist(), np.load(work.jaccard_path).tolist()


def jaccard(one: str, other: str) -> float:
    """The similarity of two texts, written plainly."""
    if one == other:
        return 1.0
    words = [TOOLS.tokenizer.words(simplify(text)).tokens for text in (one, other)]
    a, b = (set(zip(*(tokens[i:] for i in range(5)), strict=False)) for tokens in words)
    return len(a & b) / len(a | b) if a | b else 0.0


def plainly(texts: list[str], found: list[int]) -> tuple[list[int], list[float]]:
    """The greedy choice over each cluster, written plainly."""
    survivors, similar = list(range(len(texts))), [0.0] * len(texts)
    for root in sorted(set(found)):
        kept = [root]
        for row in (row for row in range(len(texts)) if found[row] == root != row):
            near = [other for other in kept if jaccard(texts[row], texts[other]) >= LEAST]
            if near:
                survivors[row], similar[row] = near[0], jaccard(texts[row], texts[near[0]])
            else:
                kept.append(row)
    return survivors, similar


@pytest.mark.parametrize(("tasks_of", "blocks", "workers"), [(1_000_000, 1, 0), (30, 5, 0), (50, 3, 2), (30, 0, 2)])
def test_each_dropped_page_has_a_kept_witness(
    tasks_of: int, blocks: int, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness is the first kept page of the cluster that is similar enough; without one the page is kept."""
    slices = made_texts(slices=4, per_slice=40, seed=3)
    texts = [text for part in slices for text in part]
    found, _ = found_by_minhash(slices, tmp_path / "first")
    clustered = len({row for pair in enumerate(found) if pair[0] != pair[1] for row in pair})
    monkeypatch.setattr(pairs, "_TASK_ROWS", tasks_of)
    monkeypatch.setattr(pairs, "_CLUSTER_BYTES", 2 * blocks * 1_000_000_000 // clustered)
    monkeypatch.setattr(pairs, "_BLOCK_ROWS", 1_000 if blocks else clustered // 4)  # several, although one would fit
    survivors, similar = verified(slices, tmp_path, workers)
    assert (survivors, similar) == plainly(texts, found)
    dropped = [row for row, survivor in enumerate(survivors) if survivor != row]
    unlike = [row for row, survivor in enumerate(found) if survivor != row and survivors[row] == row]
    assert dropped and unlike, "the texts have both kinds"
    assert all(survivors[survivors[row]] == survivors[row] and similar[row] >= LEAST for row in dropped)


class OldRows:
    """As much of an earlier dataset as the comparison reads: rows in row groups of seven."""

    def __init__(self, folder: Path, texts: list[str], index: SignatureIndex) -> None:
        self.place, self.texts = folder, texts
        self.manifest = SimpleNamespace(index=index, rows=len(texts))

    def again(self) -> nullcontext[OldRows]:
        return nullcontext(self)

    def row_groups_between(self, first: int, end: int) -> list[RowGroup]:
        total = len(self.texts)
        return [RowGroup("", n // 7, n, min(7, total - n)) for n in range(0, total, 7) if first <= n < end]

    def read_rows(self, numbers: list[int]) -> pa.Table:
        texts = [self.texts[n] for n in numbers]
        return pa.table({"language": ["en"] * len(texts), "text": texts, "dump": ["D"] * len(texts)})


def made_before(slices: list[list[str]], folder: Path) -> tuple[OldRows, list[int]]:
    """The dataset of these pages with its index, and for each page the number of the row that is kept of it."""
    survivors, _ = verified(slices, folder)
    texts = [text for part in slices for text in part]
    kept = [row for row, survivor in enumerate(survivors) if row == survivor]
    numbers = np.full(len(texts), NONE)
    numbers[kept] = np.arange(len(kept), dtype=np.uint32)
    files = files_of(signed(slices), folder / "signed")
    made = Made(files, RunSignatures(files).starts, np.array(survivors), numbers)
    write_buckets(folder / "made", made, 1_000_000_000, Tasks(0, folder, QUIET), lambda: False)
    index = place_index(folder / "made", folder, QUIET)
    return OldRows(folder, [texts[row] for row in kept], index), numbers[survivors].tolist()


@pytest.mark.parametrize(("span_rows", "blocks", "workers"), [(1_000_000, 1, 0), (10, 4, 2)])
def test_rows_of_an_earlier_dataset_come_first(
    span_rows: int, blocks: int, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is dropped for the first similar row that shares a bucket with its cluster, else as in a run alone."""
    slices = made_texts(slices=6, per_slice=30, seed=3)
    old, new = slices[:3], slices[3:]
    dataset, row_of = made_before(old, tmp_path / "old")
    both = EarlierDatasets([cast("Dataset", dataset)])
    found, starts = found_by_minhash(new, tmp_path / "new")
    monkeypatch.setattr(earlier_texts, "_SPAN_ROWS", span_rows)
    monkeypatch.setattr(earlier_texts, "_SPANS", 10)
    monkeypatch.setattr(pairs, "_BLOCK_ROWS", len(found) // blocks)
    folder, tasks = tmp_path / "new" / "dedup", Tasks(workers, tmp_path / "logs", QUIET)
    earlier = Earlier(folder, files_of(signed(new), tmp_path / "signed"), both)
    earlier.look_up(tasks)
    work = Pairs(folder, starts, MadeTexts(new), TOOLS, LEAST, 1_000_000_000, earlier)
    work.run(tasks)
    texts, near = [text for part in new for text in part], rows_near(old, new, row_of, found)
    survivors, similar, rows = list(range(len(texts))), [0.0] * len(texts), [int(NONE)] * len(texts)
    for root in sorted(set(found)):
        kept: list[int] = []
        for page in sorted((row for row, its in enumerate(found) if its == root), key=lambda row: (row != root, row)):
            alike = [n for n in sorted(near[root])[:32] if jaccard(texts[page], dataset.texts[n]) >= LEAST]
            others = [row for row in kept if jaccard(texts[page], texts[row]) >= LEAST]
            if alike:
                rows[page], similar[page] = alike[0], jaccard(texts[page], dataset.texts[alike[0]])
            elif others:
                survivors[page], similar[page] = others[0], jaccard(texts[page], texts[others[0]])
            else:
                kept.append(page)
    assert np.load(earlier.rows_path).tolist() == rows
    assert np.load(work.verified_path).tolist() == survivors and np.load(work.jaccard_path).tolist() == similar
    dropped = sum(row != NONE for row in rows)
    assert dropped and any(row != survivor for row, survivor in enumerate(survivors)), "there are both kinds"


def rows_near(
    old: list[list[str]], new: list[list[str]], row_of: list[int], found: list[int]
) -> defaultdict[int, set[int]]:  # fmt: skip
    """For each cluster the rows that share a bucket with one of its pages, themselves or as witnesses of others."""
    rows = defaultdict[tuple[int, ...], set[int]](set)
    for page, signature in enumerate(one for part in signed(old) for one in part):
        for bucket, hashes in enumerate([] if signature is None else signature.tolist()):
            rows[(bucket, *hashes)].add(row_of[page])
    near = defaultdict[int, set[int]](set)
    for page, signature in enumerate(one for part in signed(new) for one in part):
        for bucket, hashes in enumerate([] if signature is None else signature.tolist()):
            near[found[page]] |= rows[(bucket, *hashes)]
    return near


def test_a_killed_comparison_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that were sorted before the kill are not read again."""
    slices = made_texts(slices=4, per_slice=20, seed=3)
    expected = verified(slices, tmp_path / "whole")
    monkeypatch.setattr(pairs, "_TASK_ROWS", 20)
    _, starts = found_by_minhash(slices, tmp_path)
    killed = Pairs(tmp_path / "dedup", starts, MadeTexts(slices), TOOLS, LEAST, 1_000_000_000)
    for task in (0, 2):
        killed._sort_texts(task)
    texts = MadeTexts(slices)
    again = Pairs(tmp_path / "dedup", starts, texts, TOOLS, LEAST, 1_000_000_000)
    again.run(Tasks(0, tmp_path / "logs", QUIET))
    assert texts.read == [1, 3]
    assert (np.load(again.verified_path).tolist(), np.load(again.jaccard_path).tolist()) == expected


def test_a_cluster_of_different_pages_has_few_witnesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of pages that all differ costs a bounded number of comparisons, and loses no page."""
    monkeypatch.setattr(pairs, "MAX_WITNESSES", 2)
    words = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(26 * 26)]
    chain = [" ".join(words[10 * i : 10 * i + 60]) for i in range(40)]
    found, starts = found_by_minhash([chain], tmp_path)
    counts: list[int] = []
    shingles = Pairs._witness
    monkeypatch.setattr(
        Pairs, "_witness", lambda self, page, kept: counts.append(len(kept)) or shingles(self, page, kept)
    )
    work = Pairs(tmp_path / "dedup", starts, MadeTexts([chain]), TOOLS, LEAST, 1_000_000_000)
    work.run(Tasks(0, tmp_path / "logs", QUIET))
    assert max(counts, default=0) <= 2
    assert all(
        jaccard(chain[a], chain[b]) >= LEAST for a, b in enumerate(np.load(work.verified_path).tolist()) if a != b
    )
    assert sum(a != b for a, b in pairwise(found)) > 0
