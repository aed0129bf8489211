"""Measure what a merge and its audit cost by the number of rows: CPU time and the memory of the largest process.

    python -m bench.merges [--rows 100000 400000] [--work FOLDER]

Two made-up datasets of half of the rows each are merged, with recipe `fineweb`. A tenth of the second one's rows have
the texts of rows of the first one. Texts are of 200 characters, so the signatures, whose cost grows with the text, are
measured apart, with texts of 5,700.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from bench.shards import DUMP, LARGE, _row
from finest.dataset.manifest import Manifest, root_of, write_manifest
from finest.dataset.open import open_dataset
from finest.dataset.rows import SCHEMA, VERDICT_SCHEMA, digests
from finest.dataset.shards import ShardWriter
from finest.dataset.sources import Source, source_digest
from finest.pipeline.merging.merge import MergeOptions, merge
from finest.pipeline.progress import Progress
from finest.recipe.recipe import load_recipe
from finest.recipe.toolbox import toolbox
from finest.settings import default_cache
from finest.validator.merge_rows import compare

SERIES_ROWS = 50_000
SHARED = 0.1
WORDS = np.array(["".join(letters) for letters in itertools.product("bcdfgklmnprstvwz", repeat=4)])
"""Without digits, which the comparison takes for one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 400_000])
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    recipe = load_recipe("fineweb")
    tools, texts = toolbox(recipe, default_cache()), [_row(n, "a", random.Random(n), LARGE).text for n in range(200)]
    began = time.process_time()
    for text in texts:
        tools.signer.sign(text, tools.tokenizer_for("en"))
    print(f"{1e6 * (time.process_time() - began) / len(texts):.0f} us of CPU for the signature of a row")
    for rows in options.rows:
        with tempfile.TemporaryDirectory(dir=options.work) as name:
            print(json.dumps({"rows": rows, **measured(Path(name), rows)}), flush=True)


def measured(folder: Path, rows: int) -> dict[str, Any]:
    parts = [made(folder / str(number), rows // 2, number) for number in range(2)]
    out = folder / "out"

    def merged() -> None:
        merge([str(part) for part in parts], out, MergeOptions(default_cache(), 1, 10**9), Progress(quiet=True))

    def audited() -> None:
        with ExitStack() as stack:
            inputs = [stack.enter_context(open_dataset(str(part))) for part in parts]
            found = compare(stack.enter_context(open_dataset(str(out))), inputs, lambda: None)
        assert found.foreign is None and found.unexplained is None and not len(found.without_winner())
        print(f"{len(found.numbers):,} rows dropped", file=sys.stderr)

    return {"merge": cost(merged), "audit": cost(audited)}


def cost(work: Callable[[], None]) -> dict[str, float]:
    """Run it in a process of its own; return its CPU seconds with those of its children, and its peak memory."""
    pid = os.fork()
    if not pid:
        work()
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        print(f"largest child {both[1].ru_maxrss >> 10} MB", file=sys.stderr)
        os._exit(0)
    _, status, used = os.wait4(pid, 0)
    assert not status
    return {"cpu_s": round(used.ru_utime + used.ru_stime, 1), "peak_mb": used.ru_maxrss >> 10}


def made(out: Path, rows: int, number: int) -> Path:
    """Write a dataset; the first tenth of each series of the second one repeats texts of the first one."""
    recipe, sources, shards, verdicts, roots = load_recipe("fineweb"), [], [], [], {}
    for series, first in enumerate(range(0, rows, SERIES_ROWS)):
        count = min(SERIES_ROWS, rows - first)
        name = f"s3://commoncrawl/crawl-data/{DUMP}/{number}-{first:09d}.warc.gz"
        sources.append(Source(name=name, size_bytes=count, slices=(), sha256=source_digest(()), records=count,
                              pages=count, losses={}))  # fmt: skip
        with ShardWriter(out, f"data/{DUMP}/{series:03d}", SCHEMA) as data:
            for start in range(0, count, 5_000):
                data.write(batch(SCHEMA, name, number, first, start, min(5_000, count - start)))
        with ShardWriter(out, f"verdicts/{DUMP}/{series:03d}", VERDICT_SCHEMA) as judged:
            for start in range(0, count, 5_000):
                judged.write(batch(VERDICT_SCHEMA, name, number, first, start, min(5_000, count - start)))
        shards, verdicts, roots = [*shards, *data.shards], [*verdicts, *judged.shards], roots | data.roots
    write_manifest(out, Manifest(
        created_by="finest-data 0.1.0", python="3.11.7", engine="finest", libraries=recipe.libraries,
        recipe=recipe.resolved(), recipe_hash=recipe.hash, dumps=(DUMP,), sources=tuple(sources), shards=tuple(shards),
        verdicts=tuple(verdicts), rows=rows, token_count=rows, roots=roots, root=root_of(roots, shards),
        reasons={"kept": rows}, losses={}, languages={"en": rows},
    ))  # fmt: skip
    return out


def batch(schema: pa.Schema, name: str, number: int, first: int, start: int, count: int) -> pa.RecordBatch:
    """Return rows or verdicts."""
    rows = [first + start + row for row in range(count)]
    values = SimpleNamespace(
        id=[f"<urn:uuid:{random.Random(f'{number} {row}').getrandbits(128):032x}>" for row in rows],
        url=[f"https://example.org/{number}/{row}" for row in rows],
        offset=[1_000 * row for row in rows],
    )
    columns: dict[str, Any] = {
        "id": values.id, "url": values.url, "warc_offset": values.offset, "offset": values.offset,
        "text": [text_of(0 if start + at < SHARED * SERIES_ROWS else number, row) for at, row in enumerate(rows)],
    }  # fmt: skip
    constant = {
        "dump": DUMP, "date": "2026-07-01T10:00:00Z", "file_path": name, "language": "en", "language_score": 0.9,
        "token_count": 1, "warc_length": 900, "length": 900, "reason": "kept", "payload_bytes": 50_000,
        "text_chars": 200, "row_hash": "",
    }  # fmt: skip
    arrays = [pa.array(columns.get(field.name, [constant.get(field.name)] * count), field.type) for field in schema]
    made = pa.record_batch(arrays, schema=schema)
    if "row_hash" not in schema.names:
        return made
    at = schema.get_field_index("row_hash")
    return made.set_column(at, schema.field(at), pa.array([one.hex() for one in digests(made)], pa.string()))


def text_of(number: int, row: int) -> str:
    return " ".join(WORDS[np.random.default_rng((number, row)).integers(0, len(WORDS), 40)])


if __name__ == "__main__":
    main()
