"""A crawl on loopback with its columnar index, made of the devnet's WARCs."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from finest.devnet.crawl import CRAWL, sample_crawl
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

SUBSET = f"cc-index/table/cc-main/warc/crawl={CRAWL}/subset=warc"
ROWS_A_GROUP = 20


def plant_crawl(folder: Path, *, warcs: int = 2, files: int = 2) -> list[dict[str, object]]:
    """Write the crawl and its index, of that many Parquet files, into `folder`; return the index's rows."""
    for key, data in sample_crawl(warcs).items():
        plant(folder / key, data)
    rows = sorted(rows_of(folder), key=lambda row: str(row["url_surtkey"]))
    names = [f"{SUBSET}/part-{number:05d}-0a1b.c000.gz.parquet" for number in range(files)]
    each = -(-len(rows) // files)
    for number, name in enumerate(names):
        plant(folder / name, parquet(rows[number * each : (number + 1) * each]))
    other = SUBSET.replace("subset=warc", "subset=robotstxt") + "/part-00000.parquet"
    listed = "\n".join([other, *names]).encode()
    plant(folder / f"crawl-data/{CRAWL}/cc-index-table.paths.gz", gzip.compress(listed, mtime=0))
    return rows


def plant(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def rows_of(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for path in sorted((folder / "crawl-data").rglob("*.warc.gz")):
        source = inspect(str(path))
        for record in read_slice(source, Slice(0, 0, 0, source.size_bytes), max_record_bytes=1 << 24):
            host = urlsplit(record.url).hostname or ""
            parts = host.split(".")[::-1]
            codes = [code for code, _ in record.languages or ()]
            found.append({
                "url_surtkey": f"{','.join(parts)}){urlsplit(record.url).path}", "url": record.url,
                "url_host_name": host, "url_host_tld": parts[0], "content_languages": ",".join(codes) or None,
                "fetch_status": 200, "warc_filename": str(path.relative_to(folder)),
                "warc_record_offset": record.offset, "warc_record_length": record.length,
            })  # fmt: skip
    return found


def parquet(rows: list[dict[str, object]]) -> bytes:
    file = io.BytesIO()
    schema = pa.schema([
        *((name, pa.string()) for name in ("url_surtkey", "url", "url_host_name", "url_host_tld", "content_languages")),
        ("fetch_status", pa.int16()), ("warc_filename", pa.string()), ("warc_record_offset", pa.int32()),
        ("warc_record_length", pa.int32()),
    ])  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema), file, row_group_size=ROWS_A_GROUP)
    return file.getvalue()
