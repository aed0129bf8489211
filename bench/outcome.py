"""What became of each page in a run, in one form for DataTrove's run and for ours."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from datatrove.pipeline.formatters import PIIFormatter
from fastwarc.warc import ArchiveIterator, WarcRecordType

from bench.reference import KEPT, ReferencePage, collect, read_pages

Key = tuple[str, str, int]
"""(name of the WARC, record id, how often the id came before in that WARC): ids repeat in real files."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` before deduplication over the run; `text` of a page that is in the dataset, else None."""

    url: str
    reason: str
    text: str | None

    @property
    def kept(self) -> bool:
        return self.reason == KEPT


Outcomes = dict[Key, Outcome]


def reference_outcomes(pages: Iterable[ReferencePage]) -> Outcomes:
    """DataTrove's verdicts, with its own PII replacement on the kept texts: its pipeline's last step.

    A fresh formatter for each page: one that lives longer goes round its replacements from page to page, and a text
    would depend on the pages before it.
    """
    return _keyed(
        (Path(p.file).name, p.id, p.url, p.reason, PIIFormatter().format(p.text) if p.reason == KEPT else None)
        for p in pages
    )


def our_outcomes(out: Path) -> Outcomes:
    """The verdicts and texts of a folder that `finest refine` wrote. A duplicate was kept by its own verdict."""
    columns = ["file_path", "id", "offset", "url", "reason"]
    verdicts = pq.ParquetDataset(out / "verdicts").read(columns=columns).to_pylist()
    data = pq.ParquetDataset(out / "data").read(columns=["file_path", "warc_offset", "text"]).to_pylist()
    texts = {(row["file_path"], row["warc_offset"]): row["text"] for row in data}
    verdicts.sort(key=lambda v: (v["file_path"], v["offset"]))
    rows = [
        (
            Path(v["file_path"]).name, v["id"], v["url"],
            KEPT if v["reason"] == "duplicate" else v["reason"], texts.get((v["file_path"], v["offset"])),
        )
        for v in verdicts
    ]  # fmt: skip
    return _keyed(rows)


def removed_by_us(out: Path) -> set[Key]:
    """The pages that our deduplication removed."""
    columns = ["file_path", "id", "offset", "reason"]
    verdicts = pq.ParquetDataset(out / "verdicts").read(columns=columns).to_pylist()
    verdicts.sort(key=lambda v: (v["file_path"], v["offset"]))
    keyed = _keyed((Path(v["file_path"]).name, v["id"], "", v["reason"], None) for v in verdicts)
    return {key for key, outcome in keyed.items() if outcome.reason == "duplicate"}


def _keyed(rows: Iterable[tuple[str, str, str, str, str | None]]) -> Outcomes:
    seen: Counter[tuple[str, str]] = Counter()
    outcomes = {}
    for file, id_, url, reason, text in rows:
        outcomes[file, id_, seen[file, id_]] = Outcome(url, reason, text)
        seen[file, id_] += 1
    return outcomes


def reference_key(warcs: Sequence[Path]) -> str:
    """Names a result of DataTrove's: the WARCs' names and bytes, and the versions that decide."""
    digest = hashlib.sha256()
    for warc in warcs:
        digest.update(warc.name.encode() + hashlib.sha256(warc.read_bytes()).digest())
    versions = "-".join(importlib.metadata.version(name) for name in ("datatrove", "trafilatura", "lxml"))
    return f"{versions}-{digest.hexdigest()[:16]}"


def keep_reference(warcs: Sequence[Path], run: Path, cache: Path) -> list[ReferencePage]:
    """The verdicts of a finished run of DataTrove's, also stored for later comparisons."""
    pages = collect(warcs, run)
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "pages.jsonl").write_bytes((run / "pages.jsonl").read_bytes())
    (cache / "warcs.json").write_text(json.dumps([str(warc) for warc in warcs]))
    return pages


def stored_reference(cache: Path) -> list[ReferencePage] | None:
    """The verdicts of an earlier run; None where there was none."""
    return read_pages(cache / "pages.jsonl") if (cache / "pages.jsonl").exists() else None


def thin(warc: Path, every: int, out: Path, first: int = 0) -> Path:
    """A WARC with every `every`-th page of `warc`, from number `first` on: requests, responses, metadata."""
    data = warc.read_bytes()
    starts, chosen, page = [], [], -1
    for record in ArchiveIterator(io.BytesIO(data), parse_http=False):
        page += record.record_type == WarcRecordType.request
        starts.append(record.stream_pos)
        chosen.append(page < 0 or page % every == first)
    ends = [*starts[1:], len(data)]
    out.write_bytes(b"".join(data[s:e] for s, e, take in zip(starts, ends, chosen, strict=True) if take))
    return out
