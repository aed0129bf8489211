"""A page is dropped only for a kept page that has nearly its text, for any number of tasks and blocks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from finest.pipeline.dedup import pairs
from finest.pipeline.dedup.pairs import Pairs
from finest.pipeline.progress import Progress
from finest.pipeline.tasks import Tasks
from finest.recipe.judge import toolbox
from finest.recipe.minhash import simplify
from finest.recipe.recipe import DedupRules, Recipe
from finest.settings import default_cache
from tests.pipeline.dedup.test_stages import files_of, made_texts, stages_of

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


def found_by_minhash(slices: list[list[str]], folder: Path) -> tuple[list[int], list[int]]:
    """The survivors by MinHash alone, in the folder `dedup`, and the first rows of the slices."""
    signatures = [[TOOLS.signer.sign(text, TOOLS.tokenizer) for text in texts] for texts in slices]
    stages = stages_of(files_of(signatures, folder / "files"), folder / "dedup")
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
