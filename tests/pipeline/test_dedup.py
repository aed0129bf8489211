"""Clusters and survivors, against DataTrove's own MinHash stages."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.errors import LedgerError, RunError
from finest.pipeline.dedup import SignatureFile, cluster, plan, write_signatures
from finest.recipe.minhash import Signer
from finest.recipe.recipe import DedupRules
from finest.recipe.words import Tokenizer

AMPLE = 1 << 30


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
    folder.mkdir(exist_ok=True)
    for number, slice_ in enumerate(signatures):
        write_signatures(folder / f"{number}.npy", slice_)
    return [SignatureFile.open(folder / f"{number}.npy") for number in range(len(signatures))]


@pytest.fixture
def in_many_partitions(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], int]:
    """A function from a number of rows to memory that makes `cluster` take several passes."""
    monkeypatch.setattr("finest.pipeline.dedup._MIN_PARTITION_ROWS", 1)
    return lambda rows: rows * 16 + 72 * (rows // 5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_survivors_are_datatroves(seed: int, tmp_path: Path, in_many_partitions: Callable[[int], int]) -> None:
    """The same pages survive as in DataTrove's stages, in one pass and in several."""
    slices = made_texts(slices=4, per_slice=60, seed=seed)
    signer, tokenizer = Signer(DedupRules()), Tokenizer()
    files = files_of([[signer.sign(text, tokenizer) for text in texts] for texts in slices], tmp_path / "ours")
    expected = datatrove_survivors(slices, tmp_path)
    assert sum(survivor != row for row, survivor in enumerate(expected)) > 50
    assert any(survivor > row for row, survivor in enumerate(expected)), "a later page survives somewhere"
    assert cluster(files, memory_bytes=AMPLE).tolist() == expected
    small = in_many_partitions(240)
    assert plan(240, DedupRules(), small).partitions > 3
    assert cluster(files, memory_bytes=small).tolist() == expected


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


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.none(), st.lists(st.integers(0, 2), min_size=4, max_size=4)), min_size=1, max_size=40),
    st.integers(1, 4),
)
def test_any_signatures_give_the_plain_algorithms_survivors(
    tmp_path_factory: pytest.TempPathFactory, made: list[list[int] | None], slices: int
) -> None:
    """Ties, chains and signatures that agree in their first hash only are joined in the same order."""
    signatures = [None if values is None else np.array(values, np.uint64).reshape(2, 2) for values in made]
    size = -(-len(signatures) // slices)
    parts = [signatures[i : i + size] for i in range(0, len(signatures), size)]
    files = files_of(parts, tmp_path_factory.mktemp("files"))
    expected = naive_survivors(signatures)
    assert cluster(files, memory_bytes=AMPLE).tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finest.pipeline.dedup._MIN_PARTITION_ROWS", 1)
        assert cluster(files, memory_bytes=len(signatures) * 16 + 72 * 3).tolist() == expected


def test_no_rows_are_no_clusters(tmp_path: Path) -> None:
    """Slices without a row or without a signature are nobody's duplicates."""
    assert cluster([], memory_bytes=AMPLE).tolist() == []
    assert cluster(files_of([[], [None, None]], tmp_path), memory_bytes=AMPLE).tolist() == [0, 1]


def test_too_little_memory_is_refused() -> None:
    """A plan that cannot hold says how much it needs, before anything is read."""
    with pytest.raises(RunError, match=r"1,000,000 rows needs 16\.7 MB, 8\.0 MB are allowed"):
        plan(1_000_000, DedupRules(), 8_000_000)


def test_less_memory_takes_more_passes() -> None:
    """The plan trades passes over the files for memory, and says both in one line."""
    ample, tight = plan(10_000_000, DedupRules(), 1 << 30), plan(10_000_000, DedupRules(), 300_000_000)
    assert ample.partitions == 1 < tight.partitions
    assert tight.peak_bytes <= 300_000_000 < ample.peak_bytes
    assert tight.read_bytes > ample.read_bytes
    assert str(ample).startswith("10,000,000 rows in 1 pass over each bucket: reads up to")


def test_a_damaged_signature_file_is_named(tmp_path: Path) -> None:
    """A file that is cut or is something else is an error that names it."""
    path = tmp_path / "signatures.npy"
    write_signatures(path, [np.ones((14, 8), np.uint64)])
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(LedgerError, match=r"signatures .*signatures\.npy"):
        SignatureFile.open(path)
    np.save(path, np.ones(3))
    with pytest.raises(LedgerError):
        SignatureFile.open(path)


def test_files_of_different_recipes_are_refused(tmp_path: Path) -> None:
    """Signatures of different shapes cannot be compared."""
    files = files_of([[np.ones((14, 8), np.uint64)], [np.ones((2, 8), np.uint64)]], tmp_path)
    with pytest.raises(RunError, match="different recipes"):
        cluster(files, memory_bytes=AMPLE)
