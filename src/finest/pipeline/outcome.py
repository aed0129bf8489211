"""Write the outcomes of a slice's pages to the ledger's files: rows, verdicts, signatures, summary."""

from __future__ import annotations

import hashlib
import math
import resource
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from finest.dataset.rows import SCHEMA, VerdictRow, batch_of, verdict_batch
from finest.dataset.shards import REPEATED_COLUMNS
from finest.pipeline.dedup.signatures import with_language, write_signatures
from finest.pipeline.record import row_of
from finest.pipeline.summary import SliceSummary
from finest.recipe.stages.decontaminate import REASON as CONTAMINATED

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from finest.dataset.rows import Row
    from finest.pipeline.missing import NothingRead
    from finest.recipe.judge import Verdict
    from finest.warc.slices import Record, Slice, SliceReader

SAMPLES_PER_REASON = 3
"""Number of sample pages that a slice keeps per reason, for the report."""
EXCERPT_CHARS = 600


@dataclass(frozen=True, slots=True)
class Outcome:
    """A page's record and its verdict."""

    record: Record
    verdict: Verdict


class SliceOutput:
    """Collects the outcomes of one slice and writes its files.

    It holds the kept text of one slice in memory: a slice is at most a few tens of megabytes of WARC.
    """

    def __init__(self, source_name: str, schema: pa.Schema = SCHEMA, *, dedup_first: bool = False) -> None:
        """`dedup_first`: whether the recipe deduplicates before the filters; then each page has a signature or None."""
        self._name, self._schema, self._dedup_first = source_name, schema, dedup_first
        self._rows: list[Row] = []
        self._verdicts: list[VerdictRow] = []
        self._signatures: list[Any] = []
        self._samples = Samples()
        self._chars: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._payload_bytes = 0
        self._tokens = 0

    def add(self, outcome: Outcome) -> None:
        record, verdict = outcome.record, outcome.verdict
        self._reasons[verdict.reason] += 1
        self._payload_bytes += verdict.payload_bytes
        if verdict.language:
            self._languages[verdict.language] += 1
        self._samples.offer(record, verdict)
        self._verdicts.append(_verdict_row(record, verdict, self._name))
        if self._dedup_first:
            self._signatures.append(with_language(verdict.signature, verdict.language))
        elif verdict.kept:
            self._signatures.append(verdict.signature)
        if verdict.kept:
            self._keep(record, verdict)

    def _keep(self, record: Record, verdict: Verdict) -> None:
        assert verdict.text is not None
        self._chars[str(int(math.log2(max(len(verdict.text), 1))))] += 1
        self._tokens += verdict.token_count or 0
        self._rows.append(row_of(record, verdict, self._name))

    def write(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Write rows.parquet, verdicts.parquet and signatures.npy; return sha256, size and rows of each."""
        _write_parquet(folder / "rows.parquet", batch_of(self._rows, self._schema))
        _write_parquet(folder / "verdicts.parquet", verdict_batch(self._verdicts))
        write_signatures(folder / "signatures.npy", self._signatures)
        counts = {"rows.parquet": len(self._rows), "verdicts.parquet": len(self._verdicts),
                  "signatures.npy": len(self._signatures)}  # fmt: skip
        return {name: _describe(folder / name, rows) for name, rows in counts.items()}

    def summary(
        self, slice_: Slice, read: SliceReader | NothingRead, files: dict[str, dict[str, Any]], *,
        stage_cpu_s: dict[str, float], cpu_s: float, wall_s: float, fallbacks: dict[str, int],
    ) -> SliceSummary:  # fmt: skip
        """Return the numbers of the slice, from which progress, statistics and the report are summed."""
        return SliceSummary(
            source=slice_.source_index, index=slice_.index, start=slice_.start, end=slice_.end,
            first_offset=read.first_offset, next_offset=read.next_offset, sha256=read.sha256,
            records=dict(read.records), pages=len(self._verdicts), kept=len(self._rows), tokens=self._tokens,
            payload_bytes=self._payload_bytes, compressed_bytes=read.next_offset - read.first_offset,
            cpu_s=cpu_s, wall_s=wall_s, peak_rss_bytes=peak_rss_bytes(), stage_cpu_s=dict(stage_cpu_s),
            reasons=dict(self._reasons), languages=dict(self._languages), text_chars=dict(self._chars),
            losses=[asdict(loss) for loss in read.losses], samples=self._samples.chosen(), files=files,
            fallbacks=fallbacks, lost_bytes=read.lost_bytes,
        )  # fmt: skip


class Samples:
    """A few sample pages per reason, chosen by the hash of the record id, so every run of a slice chooses the same."""

    def __init__(self) -> None:
        self._by_reason: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)

    def offer(self, record: Record, verdict: Verdict) -> None:
        key = hashlib.sha256(record.id.encode("utf-8", "replace")).hexdigest()
        best = self._by_reason[verdict.reason]
        if len(best) == SAMPLES_PER_REASON and key >= best[-1][0]:
            return
        best.append((key, _sample(record, verdict)))
        best.sort(key=lambda pair: pair[0])
        del best[SAMPLES_PER_REASON:]

    def chosen(self) -> dict[str, list[dict[str, Any]]]:
        return {reason: [sample for _, sample in best] for reason, best in self._by_reason.items()}


def _sample(record: Record, verdict: Verdict) -> dict[str, Any]:
    return {
        "id": record.id, "url": record.url, "value": verdict.value, "limit": verdict.limit,
        "language": verdict.language, "excerpt": verdict.seen[:EXCERPT_CHARS],
        **({"detail": verdict.error} if verdict.reason == CONTAMINATED else {}),
    }  # fmt: skip


def _verdict_row(record: Record, verdict: Verdict, source_name: str) -> VerdictRow:
    return VerdictRow(
        id=record.id, url=record.url, file_path=source_name, offset=record.offset, length=record.length,
        reason=verdict.reason, value=verdict.value, limit=verdict.limit, language=verdict.language,
        language_score=verdict.language_score, payload_bytes=verdict.payload_bytes, text_chars=len(verdict.seen),
        token_count=verdict.token_count, error=verdict.error or None,
    )  # fmt: skip


def parquet_writer(where: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer to a path or an open file, which is soon read back in full: speed matters more than size.

    Measured on a crawl's rows and verdicts, writing and reading: LZ4 takes half of zstd's CPU and 4/3 of its bytes.
    """
    repeated = [name for name in schema.names if name in REPEATED_COLUMNS]
    return pq.ParquetWriter(where, schema, compression="lz4", use_dictionary=repeated, write_statistics=False)


def _write_parquet(path: Path, batch: pa.RecordBatch) -> None:
    with parquet_writer(path, batch.schema) as writer:
        writer.write_batch(batch, row_group_size=1000)


def _describe(path: Path, rows: int) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"sha256": digest, "size_bytes": path.stat().st_size, "rows": rows}


def peak_rss_bytes() -> int:
    """Return the peak resident memory of this process in bytes (Linux reports it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
