"""The stages give the survivors of DataTrove's own MinHash stages, for any number of tasks, and after a kill."""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.errors import RunError
from finest.pipeline.dedup.signatures import RunSignatures, SignatureFile, write_signatures
from finest.pipeline.dedup.stages import DedupPlan, Stages, plan
from finest.pipeline.options import DEDUP_MEMORY_BYTES
from finest.pipeline.progress import Progress
from finest.pipeline.tasks import Tasks
from finest.recipe.minhash import Signer
from finest.recipe.recipe import DedupRules
from finest.recipe.words import Tokenizer

QUIET = Progress(quiet=True)


def made_texts(slices: int, per_slice: int, seed: int) -> list[list[str]]:
    """Texts of which many are near-duplicates of an earlier one, in chains, and some too short for a shingle."""
    chance = random.Random(seed)
    words = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(26 * 26)]
    texts: list[str] = []
    for _ in range(slices * per_slice):
        kind = chance.random()
        if kind < 0.05:
            texts.append("too short")
        elif kind < 0.55 or not texts:
            texts.append(" ".join(chance.choices(words, k=80)))
        else:
            changed = chance.choice(texts[-40:]).split()
            for _ in range(chance.choice((0, 1, 1, 2, 4))):
                changed[chance.randrange(len(changed))] = chance.choice(words)
            texts.append(" ".join(changed))
    return [texts[i * per_slice : (i + 1) * per_slice] for i in range(slices)]


def datatrove_survivors(slices: list[list[str]], folder: Path) -> list[int]:
    """What stages 1 to 3 of DataTrove make of the same documents: for each its cluster's root."""
    config = MinhashConfig(hash_config=HashConfig(precision=64, hash_fc="sha1"))
    for rank, texts in enumerate(slices):
        documents = (Document(text=text, id=str(i)) for i, text in enumerate(texts))
        MinhashDedupSignature(str(folder / "signatures"), config).run(documents, rank=rank)
    buckets = MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets"), config=config)
    for bucket in range(config.num_buckets):
        buckets.run(rank=bucket, world_size=config.num_buckets)
    MinhashDedupCluster(str(folder / "buckets"), str(folder / "removed"), config, save_cluster_id=True).run()
    return _read_survivors(slices, folder / "removed")


def _read_survivors(slices: list[list[str]], folder: Path) -> list[int]:
    starts = np.cumsum([0, *map(len, slices)]).tolist()
    removed, clusters = set(), {}
    for rank, start in enumerate(starts[:-1]):
        removed.update(start + row for (row,) in _records(folder / f"{rank:06d}.remove", "<I"))
        clusters.update({start + row: number for row, number in _records(folder / f"{rank:06d}.clusters", "<II")})
    roots = {number: row for row, number in clusters.items() if row not in removed}
    return [roots[clusters[row]] if row in clusters else row for row in range(starts[-1])]


def _records(path: Path, form: str) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack(form, path.read_bytes())) if path.exists() else []


def files_of(signatures: list[list[np.ndarray | None]], folder: Path) -> list[SignatureFile]:
    folder.mkdir(parents=True, exist_ok=True)
    for number, slice_ in enumerate(signatures):
        write_signatures(folder / f"{number}.npy", slice_)
    return [SignatureFile.open(folder / f"{number}.npy") for number in range(len(signatures))]


def stages_of(files: list[SignatureFile], folder: Path, *, ranges: int = 1, batch_rows: int = 1000) -> Stages:
    """The stages of a run whose buckets are divided into that many ranges."""
    run = RunSignatures(files)
    return Stages(run, DedupPlan(run.total_rows, ranges, batch_rows, 0, 0, 0, 0), folder)


def survivors(
    files: list[SignatureFile], folder: Path, *, ranges: int = 1, batch_rows: int = 1000, workers: int = 0
) -> list[int]:
    stages = stages_of(files, folder, ranges=ranges, batch_rows=batch_rows)
    stages.run(Tasks(workers, folder / "logs", QUIET))
    return np.load(stages.survivors_path).tolist()


@pytest.mark.parametrize("seed", [1, 2])
def test_survivors_are_datatroves(seed: int, tmp_path: Path) -> None:
    """The same pages survive as in DataTrove's stages, with one range of hashes per bucket and with several."""
    slices = made_texts(slices=4, per_slice=60, seed=seed)
    signer, tokenizer = Signer(DedupRules()), Tokenizer()
    files = files_of([[signer.sign(text, tokenizer) for text in texts] for texts in slices], tmp_path / "ours")
    expected = datatrove_survivors(slices, tmp_path)
    assert sum(survivor != row for row, survivor in enumerate(expected)) > 50
    assert any(survivor > row for row, survivor in enumerate(expected)), "a later page survives somewhere"
    assert survivors(files, tmp_path / "one") == expected
    assert survivors(files, tmp_path / "several", ranges=5, batch_rows=7) == expected


def naive_survivors(signatures: list[np.ndarray | None]) -> list[int]:
    """DataTrove's algorithm, written plainly."""
    parents = list(range(len(signatures)))
    sizes = [1] * len(signatures)

    def root(row: int) -> int:
        return row if parents[row] == row else root(parents[row])

    signed = [(signature, row) for row, signature in enumerate(signatures) if signature is not None]
    for bucket in range(2):
        ordered = sorted((tuple(signature[bucket].tolist()), row) for signature, row in signed)
        for (left, a), (right, b) in pairwise(ordered):
            one, other = root(a), root(b)
            if left == right and one != other:
                if sizes[one] < sizes[other]:
                    one, other = other, one
                parents[other] = one
                sizes[one] += sizes[other]
    return [root(row) for row in range(len(signatures))]


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.none(), st.lists(st.integers(0, 2), min_size=4, max_size=4)), min_size=1, max_size=40),
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 9), st.sampled_from((1, 1 << 40, 1 << 62)),
    st.sampled_from((0, 3, 1000)),
)  # fmt: skip
def test_any_signatures_give_the_plain_algorithms_survivors(
    tmp_path_factory: pytest.TempPathFactory, made: list[list[int] | None], slices: int, ranges: int, batch_rows: int,
    scale: int, alone: int,
) -> None:  # fmt: skip
    """Ties, chains, signatures that agree in their first hash only or in its leading bits: all join in that order."""
    signatures = [None if values is None else np.array(values, np.uint64).reshape(2, 2) for values in made]
    signatures = [None if signature is None else signature * np.uint64(scale) for signature in signatures]
    size = -(-len(signatures) // slices)
    parts = [signatures[i : i + size] for i in range(0, len(signatures), size)]
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finest.pipeline.dedup.forest.MOST_ALONE", alone)
        found = survivors(files_of(parts, folder), folder / "stages", ranges=ranges, batch_rows=batch_rows)
    assert found == naive_survivors(signatures)


def test_no_rows_are_no_clusters(tmp_path: Path) -> None:
    """Slices without a row or without a signature are nobody's duplicates."""
    assert survivors([], tmp_path / "none") == []
    assert survivors(files_of([[], [None, None]], tmp_path / "files"), tmp_path / "some") == [0, 1]


def random_signatures(rows: int, buckets: int = 2) -> list[np.ndarray | None]:
    """Signatures of which a third repeat an earlier one."""
    chance = np.random.default_rng(1)
    numbers = np.where(chance.random(rows) < 0.3, chance.integers(0, rows, rows), np.arange(rows))
    known = chance.integers(0, 1 << 61, (rows, buckets, 3), np.uint64)
    return [known[number] for number in numbers.tolist()]


def test_forked_processes_give_the_same_survivors(tmp_path: Path) -> None:
    """A run too large for one process is divided among workers."""
    signatures = random_signatures(500)
    files = files_of([signatures[:200], signatures[200:]], tmp_path / "files")
    found = survivors(files, tmp_path / "dedup", ranges=3, workers=2)
    assert found == naive_survivors(signatures)


def test_a_killed_deduplication_continues_with_the_missing_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edge files that are there are not made again; half a file, under its temporary name, counts for nothing."""
    signatures = random_signatures(200)
    files = files_of([signatures], tmp_path / "files")
    killed = stages_of(files, tmp_path / "dedup", ranges=3)
    killed.begin()
    for number in (0, 1, 4):
        killed.write_edges(number)
    (tmp_path / "dedup" / ".edges-00-00002.bin.1.tmp").write_bytes(b"half")
    again = stages_of(files, tmp_path / "dedup", ranges=3)
    made: list[int] = []
    write = Stages.write_edges
    monkeypatch.setattr(Stages, "write_edges", lambda self, number: (made.append(number), write(self, number)))
    again.run(Tasks(0, tmp_path / "logs", QUIET))
    assert made == [2, 3, 5]
    assert np.load(again.survivors_path).tolist() == naive_survivors(signatures)


def test_what_another_run_left_is_removed(tmp_path: Path) -> None:
    """Edges of other signatures, or of other ranges, are never joined with these."""
    signatures = random_signatures(200)
    assert survivors(files_of([signatures], tmp_path / "a"), tmp_path / "dedup") == naive_survivors(signatures)
    fewer = signatures[:150]
    assert survivors(files_of([fewer], tmp_path / "b"), tmp_path / "dedup") == naive_survivors(fewer)
    assert survivors(files_of([fewer], tmp_path / "b"), tmp_path / "dedup", ranges=2) == naive_survivors(fewer)


def test_a_finished_deduplication_is_not_repeated(tmp_path: Path) -> None:
    """Its survivors are there, and its edges are gone."""
    files = files_of([random_signatures(200)], tmp_path / "files")
    expected = survivors(files, tmp_path / "dedup")
    assert {path.name for path in (tmp_path / "dedup").iterdir()} == {"plan.json", "survivors.npy"}
    for path in (tmp_path / "files").iterdir():
        path.write_bytes(b"")
    assert survivors(files, tmp_path / "dedup") == expected


def test_too_little_memory_is_refused() -> None:
    """A plan that cannot hold says how much it needs, before anything is read."""
    with pytest.raises(RunError, match=r"100,000,000 rows needs 440.MB of memory per process, and 300.MB are allowed"):
        plan(100_000_000, DedupRules(), 300_000_000)


def test_less_memory_takes_more_ranges() -> None:
    """The plan trades passes over the signatures for memory, and says both in one line."""
    ample, tight = plan(10_000_000, DedupRules(), 1_000_000_000), plan(10_000_000, DedupRules(), 100_000_000)
    assert ample.ranges == 1 < tight.ranges
    assert tight.peak_bytes <= 100_000_000 < ample.peak_bytes
    assert tight.read_bytes > ample.read_bytes
    assert str(ample).startswith("10,000,000 rows in 1 range of each bucket: reads up to")


def test_the_default_memory_holds_a_whole_crawl() -> None:
    """200 million rows fit into the default memory, and from 2^31 rows on a row takes 8 bytes."""
    assert plan(200_000_000, DedupRules(), DEDUP_MEMORY_BYTES).peak_bytes <= DEDUP_MEMORY_BYTES
    with pytest.raises(RunError, match=r"needs 17\.2.GB"):
        plan(1 << 31, DedupRules(), 10_000_000_000)


def test_files_of_different_recipes_are_refused(tmp_path: Path) -> None:
    """Signatures of different shapes cannot be compared."""
    files = files_of([[np.ones((14, 8), np.uint64)], [np.ones((2, 8), np.uint64)]], tmp_path)
    with pytest.raises(RunError, match="different recipes"):
        RunSignatures(files)
