"""Measure the dataset of a whole crawl: assembly by shards, the manifest, and the memory of what reads 1,000 shards.

    python -m bench.shards assembly               CPU seconds a WARC with 1 and 2 workers, and the memory of a process;
                                                  how much faster 2 are: by wall clock, and by the CPU seconds of
                                                  the first process, during which the others wait
    python -m bench.shards manifest               bytes of the manifest of 90,000 WARCs
    python -m bench.shards commands               memory of verify, open, report, select and publish on 1,000 shards

The ledgers are synthetic: nobody has judged their pages. Those of `assembly` have the size of a WARC of 1 GB (33,300
pages, 2,250 kept rows of 5,700 characters, 30 % of them duplicates); those of `commands` have four pages a source.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finest.dataset.manifest import Manifest, root_of
from finest.dataset.rows import SCHEMA, Row, VerdictRow, batch_of, verdict_batch
from finest.dataset.shards import Shard
from finest.dataset.sources import SourceFile, SourceTotals
from finest.pipeline.assemble import assemble
from finest.pipeline.assembly import shards
from finest.pipeline.dedup.signatures import write_signatures
from finest.pipeline.ledger import Ledger
from finest.pipeline.options import RunOptions
from finest.pipeline.outcome import parquet_writer
from finest.pipeline.pack import PART_FILES
from finest.pipeline.plan import local_tasks
from finest.pipeline.progress import Progress
from finest.pipeline.run_plan import RunPlan, SliceRule
from finest.pipeline.source_table import Sources
from finest.pipeline.summary import SliceSummary
from finest.recipe.recipe import load_recipe
from finest.sample.prose import read_articles
from finest.settings import default_cache
from finest.warc.layout import Layout
from finest.warc.slices import Slice
from finest.warc.source import CommonCrawl, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

DUMP = "CC-MAIN-2026-30"
WARC_BYTES = 1_000_000_000
DUPLICATES = 0.3


@dataclass(frozen=True)
class Size:
    """The pages of a source."""

    pages: int
    kept: int
    chars: int


_DRAW = (
    "import random, sys; from finest.dataset.open import open_dataset;"
    "from finest.pipeline.drawn import draw_published;"
    "print(len(draw_published(open_dataset(sys.argv[1]), 64, random.Random(1))))"
)
"""Draws the sample of `finest verify`; judging it again would need the WARCs."""

LARGE, SMALL = Size(33_300, 2_250, 5_700), Size(4, 2, 200)


def main() -> None:
    """Measure what is asked for, and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("assembly", "manifest", "commands"))
    parser.add_argument("--sources", type=int, default=32)
    parser.add_argument("--shards", type=int, default=1_000)
    parser.add_argument("--work", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        if args.what == "assembly":
            found = assembly(Path(name), args.sources)
        else:
            found = manifest(90_000) if args.what == "manifest" else commands(Path(name), args.shards)
    print(json.dumps(found, indent=1))


def assembly(folder: Path, sources: int) -> dict[str, Any]:
    """Assemble one ledger with each number of workers; shards of a 32nd of the sources (a crawl has 1,407)."""
    shards.SERIES_SOURCES = max(1, sources // 32)
    made = write_ledger(folder / "made", sources, LARGE)
    found: dict[str, Any] = {"sources": sources}
    for workers in (1, 2):
        out = folder / f"out-{workers}"
        shutil.copytree(made.out, out, copy_function=os.link)
        began, before = time.monotonic(), _cpu()
        pid = os.fork()
        if not pid:
            manifest = _assembled(Ledger.read(out), workers)
            alone = time.process_time()
            print(f"{manifest.rows:,} rows, root {manifest.root}, {alone:.2f} CPU s in one process", file=sys.stderr)
            (out / "alone").write_text(str(alone))
            os._exit(0)
        _, _, used = os.wait4(pid, 0)
        wall = time.monotonic() - began
        spent, alone = _cpu() - before, float((out / "alone").read_text())
        found[f"{workers} workers"] = {
            "cpu_s_a_warc": round(spent / sources, 3), "cpu_s_of_first_process": round(alone, 2),
            "wall_s_a_warc": round(wall / sources, 3),
            "largest_process_mb": round(used.ru_maxrss / 1024),
        }  # fmt: skip
    found["times_as_fast_by_cpu"] = round(spent / (alone + (spent - alone) / 2), 2)
    found["times_as_fast"] = round(found["1 workers"]["wall_s_a_warc"] / found["2 workers"]["wall_s_a_warc"], 2)
    return found


def _assembled(made: Ledger, workers: int) -> Manifest:
    options = _options(made.out, workers)
    return assemble(made, options, local_tasks(made, options, Progress(quiet=True)))


def manifest(sources: int) -> dict[str, Any]:
    """Return the size of a manifest of so many sources, in shards of 64."""
    count = -(-sources // shards.SERIES_SOURCES)
    sha = [random.Random(n).randbytes(32).hex() for n in range(count)]
    rows = 64 * LARGE.kept
    data = [
        Shard(path=f"data/{DUMP}/{n:03d}_00000.parquet", rows=rows, size_bytes=256_000_000 + n, sha256=sha[n])
        for n in range(count)
    ]
    judged = [
        replace_path(one, f"verdicts/{DUMP}/{n:03d}_00000.parquet", 64 * LARGE.pages) for n, one in enumerate(data)
    ]
    totals = SourceTotals(sources=64, common_crawl=64, size_bytes=64 * WARC_BYTES, pages=64 * LARGE.pages, losses={})
    files = [
        SourceFile(path=f"sources/{DUMP}/{n:05d}.json.gz", size_bytes=130_000, sha256=sha[n], totals=totals)
        for n in range(count)
    ]
    roots = {f"data/{DUMP}/{n:03d}": sha[n] for n in range(count)}
    recipe = load_recipe("fineweb")
    built = Manifest(
        created_by="finest-data 0.1.0", python="3.11.7", engine="finest", libraries=recipe.libraries,
        recipe=recipe.resolved(), recipe_hash=recipe.hash, dumps=(DUMP,), sources=(), source_files=tuple(files),
        shards=tuple(data), verdicts=tuple(judged), rows=rows * count, token_count=rows * count * 1_000, roots=roots,
        root=root_of(roots, data), reasons={"kept": rows * count, "language": (64 * LARGE.pages - rows) * count},
        losses={}, languages={"en": rows * count},
    )  # fmt: skip
    return {"sources": sources, "shards": count, "manifest_bytes": len(built.model_dump_json(indent=1))}


def replace_path(shard: Shard, path: str, rows: int) -> Shard:
    return shard.model_copy(update={"path": path, "rows": rows})


def commands(folder: Path, count: int) -> dict[str, Any]:
    """Make a dataset of so many shards of one source each, and run the commands that read it."""
    from finest.devnet.hub.server import HubServer

    shards.SERIES_SOURCES = 1
    made = write_ledger(folder / "made", count, SMALL)
    manifest = _assembled(made, 1)
    out = str(made.out)
    finest = [sys.executable, "-m", "finest.cli"]
    found: dict[str, Any] = {
        "shards": len(manifest.shards),
        "manifest_bytes": (made.out / "manifest.json").stat().st_size,
    }
    runs = {
        "verify": [*finest, "verify", out, "--sample", "0"], "draw": [sys.executable, "-c", _DRAW, out],
        "open": [*finest, "open", out, "--rows", "5"], "status": [*finest, "status", out],
        "report": [*finest, "report", out],
        "select": [*finest, "select", out, "--where", "token_count > 1", "--out", str(folder / "selected")],
    }  # fmt: skip
    for name, command in runs.items():
        found[name] = _measured(command, dict(os.environ))
    with HubServer(folder / "hub") as hub:
        token = hub.add_user("alice")
        env = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token, "HF_HOME": str(folder / "hf")}
        found["publish"] = _measured([*finest, "publish", out, "--hf-repo", "alice/web"], env)
    return found


def _measured(command: list[str], env: dict[str, str]) -> dict[str, Any]:
    """Run a command; its peak is that of its largest process."""
    began = time.monotonic()
    script = (
        "import os,sys;p=os.posix_spawnp(sys.argv[1],sys.argv[1:],os.environ);_,s,u=os.wait4(p,0);"
        "print(s,u.ru_utime+u.ru_stime,u.ru_maxrss,file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], env=env, capture_output=True, text=True, check=True)
    status, cpu, peak = done.stderr.split()[-3:]
    return {
        "exit": os.waitstatus_to_exitcode(int(status)), "cpu_s": round(float(cpu), 1),
        "peak_mb": round(int(peak) / 1024),
        "wall_s": round(time.monotonic() - began, 1),
    }  # fmt: skip


def write_ledger(out: Path, sources: int, size: Size) -> Ledger:
    """Write the ledger of a run whose sources are all packed."""
    recipe = load_recipe("fineweb")
    found = [
        Source(
            f"https://x.example/{DUMP}/{n:05d}.warc.gz",
            f"s3://commoncrawl/crawl-data/{DUMP}/{n:05d}.warc.gz",
            WARC_BYTES,
            f'"{n}"',
            Layout.MEMBERS,
        )
        for n in range(sources)
    ]
    rule = SliceRule(WARC_BYTES, WARC_BYTES)
    plan = RunPlan(recipe.resolved(), recipe.hash, "finest", None, Sources.of(found), rule)
    ledger = Ledger.begin(out, plan)
    for number in range(sources):
        _write_source(ledger, ledger.plan.slices[number], size)
    return ledger


def _write_source(ledger: Ledger, slice_: Slice, size: Size) -> None:
    name, rng = ledger.plan.sources.name(slice_.source_index), random.Random(slice_.source_index)
    rows = [_row(n, name, rng, size) for n in range(size.kept)]
    folder = ledger.scratch(slice_)
    with parquet_writer(folder / PART_FILES["rows"], SCHEMA) as file:
        for start in range(0, len(rows), 1_000):
            file.write_batch(batch_of(rows[start : start + 1_000]))
    step = size.pages // size.kept
    verdicts = [
        _verdict(n, rows[n // step] if n % step == 0 and n // step < size.kept else None, name)
        for n in range(size.pages)
    ]
    with parquet_writer(folder / PART_FILES["verdicts"], verdict_batch([]).schema) as file:
        for start in range(0, len(verdicts), 1_000):
            file.write_batch(verdict_batch(verdicts[start : start + 1_000]))
    write_signatures(folder / PART_FILES["signatures"], list(_signatures(slice_.source_index, size)))
    kept = sum(verdict.reason == "kept" for verdict in verdicts)
    summary = SliceSummary(
        source=slice_.source_index, index=0, start=slice_.start, end=slice_.end, first_offset=0, next_offset=slice_.end,
        sha256="0" * 64, records={"response": size.pages}, pages=size.pages, kept=kept, tokens=kept * 1_000,
        payload_bytes=0, compressed_bytes=slice_.end, cpu_s=1.0, wall_s=1.0, peak_rss_bytes=0, stage_cpu_s={},
        reasons={"kept": kept, "language": size.pages - kept}, languages={"en": size.pages}, text_chars={},
    )  # fmt: skip
    (folder / "slice.json").write_text(json.dumps(summary.to_dict()))
    ledger.commit(slice_, folder, summary)


def _row(number: int, name: str, rng: random.Random, size: Size) -> Row:
    words = _words()
    start = rng.randrange(len(words) - 1_200)
    text = f"{rng.random()} {' '.join(words[start : start + 1_200])}"[: size.chars]
    id = f"<urn:uuid:{rng.getrandbits(128):032x}>"
    return Row(
        text,
        id,
        DUMP,
        f"https://example.org/{id[10:20]}",
        "2026-07-01T10:00:00Z",
        name,
        "en",
        0.9,
        1_000,
        20 * number * 1_000,
        9_000,
    )


def _verdict(number: int, row: Row | None, name: str) -> VerdictRow:
    if row is not None:
        return VerdictRow(
            row.id,
            row.url,
            name,
            row.warc_offset,
            9_000,
            "kept",
            language="en",
            language_score=0.9,
            payload_bytes=50_000,
            text_chars=5_000,
            token_count=1_000,
        )
    id = f"<urn:uuid:{random.Random(f'{name}{number}').getrandbits(128):032x}>"
    return VerdictRow(
        id,
        f"https://example.org/dropped/{number}",
        name,
        1_000 * number,
        9_000,
        "language",
        0.3,
        0.65,
        "de",
        0.3,
        50_000,
    )


def _signatures(source: int, size: Size) -> Iterator[Any]:
    """Yield signatures; some are those of a row of an earlier source."""
    rng = np.random.default_rng(source)
    for number in range(size.kept):
        seed = source * size.kept + number
        if source and rng.random() < DUPLICATES:
            seed = int(rng.integers(source * size.kept))
        yield np.random.default_rng(seed).integers(0, 2**63, (14, 8), np.uint64)


_WORDS: list[str] = []


def _words() -> list[str]:
    if not _WORDS:
        _WORDS.extend(word for article in read_articles("articles") for line in article.blocks for word in line.split())
        _WORDS.extend(_WORDS * (1 + 5_000 // len(_WORDS)))
    return _WORDS


def _options(out: Path, workers: int) -> RunOptions:
    return RunOptions((), out, load_recipe("fineweb"), default_cache(), CommonCrawl("", ""), workers)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
