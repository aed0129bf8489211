"""Measure the ledger of a whole crawl: files, bytes, CPU and memory by the number of WARCs.

    python -m bench.crawl_size                        1,000, 10,000 and 100,000 WARCs
    python -m bench.crawl_size --warcs 90000 --keep FOLDER

The runs are made up: every pack is that of the sample's first pages, and nothing is judged. Each step is a process of
its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

from finest.pipeline.done import SliceDone, SourceDone
from finest.pipeline.ledger import Ledger
from finest.pipeline.options import RunOptions
from finest.pipeline.plan import begin, finished
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.run_plan import RunPlan, SliceRule
from finest.pipeline.slices import FailureWatch, take_in
from finest.pipeline.source_table import Sources
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.warc.common_crawl import CommonCrawl
from finest.warc.layout import Layout
from finest.warc.source import Source, name_sources

SAMPLE = Path(str(resources.files("finest.sample").joinpath("sample.warc.gz")))
CRAWL = CommonCrawl("https://data.commoncrawl.org", "commoncrawl")
WARC_BYTES = 10**9
LINKS = 50_000
"""Links to one file; ext4 allows 65,000."""


def options(out: Path, *specs: str) -> RunOptions:
    return RunOptions(
        specs=specs, out=out, recipe=load_recipe("fineweb"), cache=default_cache(), common_crawl=CRAWL,
    )  # fmt: skip


def make(out: Path, warcs: int) -> None:
    """Write the ledger and the manifest of a finished run over so many WARCs, and the list of its sources."""
    one = out.parent / "one"
    if not one.exists():
        refine(replace(options(one, str(SAMPLE)), limit=60), Progress(quiet=True))
    made = Ledger.read(one)
    folder = "crawl-data/CC-MAIN-2026-30/segments"
    file = "CC-MAIN-20260701000000-20260701030000"
    paths = [f"{folder}/{n // 1000:013d}/warc/{file}-{n:05d}.warc.gz" for n in range(warcs)]
    (out.parent / f"{warcs}.paths").write_text("\n".join(paths) + "\n")
    places = [f"{CRAWL.base}/{path}" for path in paths]
    sources = Sources.of(
        Source(place, name, WARC_BYTES, f'"{n:032x}-125"', Layout.MEMBERS)
        for n, (place, name) in enumerate(zip(places, name_sources(places), strict=True))
    )
    plan = RunPlan(
        recipe=made.plan.recipe, recipe_hash=made.plan.recipe_hash, engine="finest", limit=None, sources=sources,
        rule=SliceRule.of(warcs * WARC_BYTES),
    )  # fmt: skip
    ledger = Ledger.begin(out, plan)
    pack, slices = made.pack(0), plan.slices.count(0)
    totals = replace(pack.totals, slices=slices, planned_bytes=WARC_BYTES)
    for number in range(warcs):
        path = ledger.pack_path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        template = out.parent / f"pack-{number // LINKS}"
        if not template.exists():
            template.write_bytes(pack.path.read_bytes())
        os.link(template, path)
        for index in range(slices):
            ledger.log.add(SliceDone(plan.slices.number(number, index), 1111, 75, 3.7, {}))
        ledger.log.add(SourceDone(number, totals))
    (out / "manifest.json").write_bytes((one / "manifest.json").read_bytes())


def resume(out: Path, warcs: int) -> None:
    """The same command again, on a finished run."""
    ledger = begin(options(out, f"@{out.parent / f'{warcs}.paths'}"), Progress(quiet=True))
    with ledger.lock():
        ledger.sweep()
        assert finished(ledger, Progress(quiet=True))


def task(out: Path, warcs: int) -> None:
    """What a task of a cluster holds besides its page: the plan, what is missing, and its watch."""
    ledger = Ledger.read(out)
    assert not ledger.pending()
    FailureWatch(ledger, print, only_own=True)
    assert ledger.plan.slices[len(ledger.plan.slices) - 1].source_index == warcs - 1


def follow(out: Path, warcs: int) -> None:  # noqa: ARG001
    """Begin to follow, then 100 ticks with a slice each."""
    ledger, progress = Ledger.read(out), Progress(quiet=True)
    watch = FailureWatch(ledger, progress.say)
    progress.begin(ledger, watch.found, 1)
    began = time.process_time()
    for number in range(100):
        ledger.log.add(SliceDone(number, 1, 1, 1.0, {}))
        take_in(ledger, watch, progress)
    print(f"{(time.process_time() - began) * 10:.2f} ms a tick", file=sys.stderr)


def totals(out: Path, warcs: int) -> None:
    """What `finest status` sums up, and a report shows."""
    assert Ledger.read(out).totals().planned_bytes == warcs * WARC_BYTES


STEPS: dict[str, Callable[[Path, int], None]] = {
    "make": make, "resume": resume, "task": task, "follow": follow, "totals": totals
}  # fmt: skip


def main() -> None:
    """Make each run, measure each step, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warcs", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--keep", type=Path, help="folder for the runs; by default a temporary one")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        STEPS[args.step](args.keep / str(args.warcs[0]), args.warcs[0])
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"cpu_s": round(used.ru_utime + used.ru_stime, 2), "peak_mb": used.ru_maxrss // 1024}))
        return
    with tempfile.TemporaryDirectory() as folder:
        for warcs in args.warcs:
            measure(args.keep or Path(folder), warcs)


def measure(folder: Path, warcs: int) -> None:
    """Print what the run over so many WARCs costs."""
    for step in STEPS:
        if step == "make" and (folder / str(warcs)).exists():
            continue
        command = [sys.executable, "-m", "bench.crawl_size", "--warcs", str(warcs), "--keep", str(folder)]
        began = time.monotonic()
        done = subprocess.run([*command, "--step", step], check=True, stdout=subprocess.PIPE, stderr=None, text=True)
        print(f"{warcs:7,} WARCs  {step:7} {done.stdout.strip()}, {time.monotonic() - began:.1f} s")
    ledger = folder / str(warcs) / "ledger"
    files = sum(len(names) for _, _, names in os.walk(ledger))
    size = {path.name: path.stat().st_size / warcs for path in (ledger / "sources.jsonl", *ledger.glob("done/*"))}
    print(f"{warcs:7,} WARCs  {files / warcs:.3f} files a WARC; bytes a WARC: {[round(one) for one in size.values()]}")


if __name__ == "__main__":
    main()
