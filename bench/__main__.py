"""The bench: DataTrove's FineWeb pipeline and ours by turns on the same WARCs, each run a process of its own.

    python -m bench --warc PATH...                 three rounds: bench/results and docs/concepts/performance.md
    python -m bench --warc PATH... --every 10      every tenth page alone: a quick look
    python -m bench --warc PATH... --language all  recipe fineweb-2 in these languages beside DataTrove's steps
    python -m bench --warc PATH... --rounds 0      equality alone, against a stored run of DataTrove's if there is one
    python -m bench --warc PATH... --ours          no run of DataTrove's, no equality: what our own stages cost

Recipe `finest-scored` also matches every text with an index of evaluation items, if `--index FILE.decon` gives one.

A round on 120 MB of WARCs takes about ten minutes of CPU. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import shlex
import shutil
import sys
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import languages
from bench.compare import agreement, equality
from bench.gold import read_gold
from bench.measure import Cost, machine, measure
from bench.outcome import (
    Outcomes,
    keep_reference,
    our_outcomes,
    reference_key,
    reference_outcomes,
    removed_by_us,
    stored_reference,
    thin,
)
from bench.recipes import UNGATED, scored
from bench.reference import KEPT, ReferencePage
from bench.reference_dedup import run_reference_dedup
from bench.report import render, render_ours, write_report
from finest.pipeline.ledger import Ledger

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "bench-run"
RECIPES = ("fineweb-ungated", "fineweb", "finest", "finest-scored")
WARM_UP = "warm-up.warc.gz"
STEPS = ("read", "url", "extraction", "language", "repetition", "quality", "c4", "fineweb", "write")
"""DataTrove's steps in the order of `stats.json`, by the names that our stages have."""


@dataclass(slots=True)
class Runs:
    """What the rounds measured, by run."""

    costs: dict[str, list[Cost]] = field(default_factory=dict)
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def add(self, name: str, cost: Cost, stages: dict[str, float]) -> None:
        self.costs.setdefault(name, []).append(cost)
        rest = cost.cpu_s - sum(stages.values())
        self.stages.setdefault(name, []).append(stages | {"rest": rest})


def main() -> None:
    """Measure, compare, write."""
    args = _arguments()
    if args.language:
        print(languages.report(languages.compare(args.warc, args.language, args.pages)))
        return
    WORK.mkdir(exist_ok=True)
    warcs = [_thinned(warc, args.every) for warc in args.warc]
    if len({warc.name for warc in warcs}) < len(warcs):
        raise SystemExit("two WARCs have the same name; rename one of them")
    runs = Runs()
    _warm_up(warcs, with_datatrove=not args.ours)
    (WORK / "ungated.toml").write_text(UNGATED)
    (WORK / "scored.toml").write_text(scored(args.index))
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", flush=True)
        _round(warcs, runs, with_datatrove=not args.ours)
    if args.ours:
        print(render_ours(_ours(warcs, runs)))
        return
    result = _result(args, warcs, runs)
    whole = args.every == 1 and args.rounds > 0
    target = ROOT / "bench" / "results" / f"{result['date']}.json" if whole else WORK / "result.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=1, default=_plain) + "\n")
    if whole:
        write_report(json.loads(target.read_text()), ROOT / "docs" / "concepts" / "performance.md")
    else:
        print(render(json.loads(target.read_text())))
    print(f"{target.relative_to(ROOT)}: equal: { ({k: v.equal for k, v in result['equality'].items()}) }")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--warc", nargs="+", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, metavar="K", help="measure every K-th page alone")
    parser.add_argument("--ours", action="store_true", help="measure our recipes alone, and print the table of stages")
    parser.add_argument("--index", type=Path, help="index of evaluation items for recipe finest-scored")
    parser.add_argument("--language", metavar="CODES|all", help="compare recipe fineweb-2 in these languages instead")
    parser.add_argument("--pages", type=int, default=sys.maxsize, help="with --language: pages of each language")
    parser.add_argument("--gold", type=Path, help="pages.jsonl.gz with gold_text  [default: beside the first WARC]")
    return parser.parse_args()


def _round(warcs: list[Path], runs: Runs, *, with_datatrove: bool) -> None:
    if with_datatrove:
        cost = _datatrove(warcs, WORK / "datatrove")
        keep_reference(warcs, WORK / "datatrove", _cache(warcs))
        stages = _datatrove_stages(WORK / "datatrove")
        runs.add("datatrove", cost, stages)
        last = _last_stages(WORK / "datatrove" / "kept", WORK / "last-stages")
        runs.add("datatrove-whole", cost + last, stages | {"finish": last.cpu_s})
    for recipe in RECIPES:
        cost = _finest(warcs, WORK / recipe, recipe, workers=1)
        runs.add(recipe, cost, _our_stages(WORK / recipe))


def _datatrove(warcs: list[Path], out: Path) -> Cost:
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "bench.reference", *map(str, warcs), "--out", str(out)]
    return measure(command, out.with_suffix(".log"))


def _last_stages(kept: Path, out: Path) -> Cost:
    shutil.rmtree(out, ignore_errors=True)
    return measure([sys.executable, "-m", "bench.reference_dedup", str(kept), str(out)], out.with_suffix(".log"))


def _finest(warcs: list[Path], out: Path, recipe: str, workers: int) -> Cost:
    shutil.rmtree(out, ignore_errors=True)
    name = {"fineweb-ungated": str(WORK / "ungated.toml"), "finest-scored": str(WORK / "scored.toml")}.get(
        recipe, recipe
    )
    command = [str(Path(sys.executable).with_name("finest")), "refine", *map(str, warcs), "--out", str(out)]
    return measure([*command, "--workers", str(workers), "--recipe", name, "--quiet"], out.with_suffix(".log"))


def _warm_up(warcs: list[Path], *, with_datatrove: bool) -> None:
    """What is built once per machine (URL lists) is built before anything is measured."""
    few = thin(warcs[0], 200, WORK / WARM_UP)
    if with_datatrove:
        _datatrove([few], WORK / "warm-up-datatrove")
    _finest([few], WORK / "warm-up-finest", "fineweb", workers=1)


def _datatrove_stages(out: Path) -> dict[str, float]:
    steps = json.loads((out / "logs" / "stats.json").read_text())
    return {name: step["time_stats"]["total"] for name, step in zip(STEPS, steps, strict=True)}


def _our_stages(out: Path) -> dict[str, float]:
    return dict(Ledger.read(out).so_far().stage_cpu_s)


def _result(args: argparse.Namespace, warcs: list[Path], runs: Runs) -> dict[str, Any]:
    pages = _reference(warcs)
    if not args.rounds:
        for recipe in RECIPES:
            _finest(warcs, WORK / recipe, recipe, workers=1)
    reference = reference_outcomes(pages)
    ours = {recipe: our_outcomes(WORK / recipe) for recipe in RECIPES}
    size = sum(warc.stat().st_size for warc in warcs)
    kept = {"datatrove": reference, "datatrove-whole": reference} | ours
    gold = read_gold(args.gold or args.warc[0].parent / "pages.jsonl.gz")
    return {
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "command": shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        "machine": machine(),
        "warcs": [warc.name for warc in warcs],
        "rounds": args.rounds,
        "pages": len(pages),
        "compressed_bytes": size,
        "runs": {name: _figures(name, runs, len(pages), size, kept[name]) for name in runs.costs},
        "equality": {name: equality(reference, ours[name]) for name in ("fineweb-ungated", "fineweb")},
        "dedup": _dedup(pages, WORK / "fineweb-ungated"),
        "agreement": agreement(ours["fineweb"], ours["finest"], gold),
        "workers": _two_workers(warcs[0]) if args.rounds else None,
    }


def _figures(name: str, runs: Runs, pages: int, size: int, outcomes: Outcomes) -> dict[str, Any]:
    costs, stages = runs.costs[name], runs.stages[name]
    cpu_s = median(cost.cpu_s for cost in costs)
    base, whole = (median(c.cpu_s for c in runs.costs[run]) for run in ("datatrove", "datatrove-whole"))
    return {
        "cpu_s": cpu_s,
        "cpu_ms_per_page": cpu_s / pages * 1e3,
        "ratio": cpu_s / base,
        "ratio_whole": cpu_s / whole,
        "mb_per_s": size / 1e6 / median(cost.wall_s for cost in costs),
        "peak_mb": max(cost.peak_bytes for cost in costs) / 1e6,
        "kept": sum(outcome.kept for outcome in outcomes.values()),
        "stage_ms_per_page": _medians(stages, pages),
        "rounds": costs,
    }


def _ours(warcs: list[Path], runs: Runs) -> dict[str, Any]:
    """What the stages of our recipes cost, by page of the WARCs and, for those of a row, by kept page."""
    totals = {recipe: Ledger.read(WORK / recipe).so_far() for recipe in RECIPES}
    pages = totals["finest-scored"].pages
    return {
        "machine": machine(), "rounds": len(runs.costs["finest-scored"]), "warcs": [warc.name for warc in warcs],
        "pages": pages, "compressed_bytes": sum(warc.stat().st_size for warc in warcs),
        "kept": {recipe: totals[recipe].kept for recipe in RECIPES},
        "runs": {
            recipe: {"stage_ms_per_page": _medians(runs.stages[recipe], pages)} for recipe in RECIPES
        },
    }  # fmt: skip


def _medians(rounds: list[dict[str, float]], pages: int) -> dict[str, float]:
    """CPU milliseconds per page of each stage."""
    return {stage: median(part.get(stage, 0.0) for part in rounds) / pages * 1e3 for stage in rounds[0]}


def _cache(warcs: list[Path]) -> Path:
    return WORK / "reference" / reference_key(warcs)


def _reference(warcs: list[Path]) -> list[ReferencePage]:
    stored = stored_reference(_cache(warcs))
    if stored is None:
        _datatrove(warcs, WORK / "datatrove")
        stored = keep_reference(warcs, WORK / "datatrove", _cache(warcs))
    return stored


def _dedup(pages: list[ReferencePage], out: Path) -> dict[str, int]:
    """Rows that MinHash removes, in DataTrove's four stages over its kept rows and in ours."""
    shutil.rmtree(WORK / "dedup", ignore_errors=True)
    kept = [(place, page) for place, page in enumerate(pages) if page.reason == KEPT]
    with (WORK / "dedup.log").open("w") as log, contextlib.redirect_stderr(log):
        removed = run_reference_dedup([(page.id, page.text) for _, page in kept], WORK / "dedup")
    places = list(reference_outcomes(pages))
    reference = {places[kept[row][0]] for row in removed}
    ours = removed_by_us(out)
    return {"reference": len(reference), "ours": len(ours), "both": len(reference & ours)}


def _two_workers(warc: Path) -> dict[str, Any]:
    """Wall clock of one and of two workers on one WARC; `start_s` is that of a run over next to nothing."""
    start_s = _finest([WORK / WARM_UP], WORK / "workers", "fineweb", 1).wall_s
    one_s, two_s = (_finest([warc], WORK / "workers", "fineweb", workers).wall_s for workers in (1, 2))
    return {
        "warc": warc.name, "start_s": start_s, "wall_1_s": one_s, "wall_2_s": two_s, "speedup": one_s / two_s,
        "speedup_without_start": (one_s - start_s) / (two_s - start_s),
    }  # fmt: skip


def _thinned(warc: Path, every: int) -> Path:
    if every == 1:
        return warc.resolve()
    folder = WORK / f"every-{every}"
    folder.mkdir(exist_ok=True)
    return thin(warc, every, folder / warc.name)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(type(value).__name__)


if __name__ == "__main__":
    main()
