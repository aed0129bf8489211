"""The command of the simulation; see the package's docstring."""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields, replace
from pathlib import Path

from bench.measure import machine
from bench.subnet.collusion import STAKES, collude
from bench.subnet.report import compared, save, summary, table
from bench.subnet.run import Result, simulate
from bench.subnet.sampling import LOADS, SIZES, weight_of
from bench.subnet.settings import SETTINGS, TEMPO, Setting
from finest.atomic_files import write_whole


def main() -> None:
    """Simulate all seeds, print the tables, and keep them if asked to."""
    args = _arguments()
    setting = replace(SETTINGS[args.size], load=args.load, colluding_stake=args.colluding, reveal_epochs=args.reveal)
    if args.weigh is not None:
        setting = replace(setting, weigh_blocks=args.weigh * TEMPO)
    found = summary(setting, run_all(setting, args.seeds, args.workers, args.keep))
    found["others"] = [compared(other, run_all(other, seeds, args.workers, args.keep)) for other, seeds in args.beside]
    if args.save:
        found["collusion"] = [asdict(collude(stake, seed=1)) for stake in STAKES]
        found["sampling"] = [asdict(weight_of(load, size, seed=1)) for load in LOADS for size in SIZES]
    print(table(found))
    if args.save:
        told = [one for one in sys.argv[1:] if one not in ("--keep", str(args.keep))]
        save(found, " ".join(["python -m bench.subnet", *told]), machine())


def run_all(setting: Setting, seeds: int, workers: int, keep: Path | None = None) -> list[Result]:
    """Simulate seeds 1 to `seeds` in so many processes; say how long each took."""
    started, found = time.monotonic(), []
    with ProcessPoolExecutor(workers) as pool:
        months = pool.map(_kept, [setting] * seeds, range(1, seeds + 1), [keep] * seeds)
        for number, result in enumerate(months, start=1):
            found.append(result)
            passed = time.monotonic() - started
            left = passed / number * (seeds - number)
            print(f"seed {number} of {seeds}: {passed:.0f} s, about {left:.0f} s left", file=sys.stderr, flush=True)
    return found


def _kept(setting: Setting, seed: int, keep: Path | None) -> Result:
    """Read the month of a seed from the folder, or simulate it and write it there."""
    if keep is None:
        return simulate(setting, seed)
    numbers = (setting.load, setting.colluding_stake, setting.reveal_epochs, setting.weigh_blocks, seed)
    path = keep / f"{setting.name}-{'-'.join(f'{number:g}' for number in numbers)}.json"
    if path.is_file():
        return Result(**json.loads(path.read_text()))
    result = simulate(setting, seed)
    keep.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({one.name: getattr(result, one.name) for one in fields(result)}).encode())
    return result


def _other(text: str) -> tuple[Setting, int]:
    size, load, seeds = text.split(":")
    return replace(SETTINGS[size], load=float(load)), int(seeds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.subnet", description=__doc__)
    parser.add_argument("--size", choices=sorted(SETTINGS), default="standard")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="processes; a seed is one")
    parser.add_argument(
        "--load", type=float, default=0.7, help="tasks divided by the verdicts that a validator can give"
    )
    parser.add_argument("--colluding", type=float, default=0.2, help="share of the stake of colluding validators")
    parser.add_argument("--reveal", type=int, default=1, help="epochs after which weights are visible to copiers")
    parser.add_argument("--weigh", type=int, help="tempos between two computations of weights; one on the main network")
    parser.add_argument("--keep", type=Path, help="folder for the month of each seed, so that a stopped run goes on")
    parser.add_argument(
        "--beside", type=_other, action="append", default=[], metavar="SIZE:LOAD:SEEDS",
        help="another setting to compare with; may be repeated",
    )  # fmt: skip
    parser.add_argument("--save", action="store_true", help="keep figures, pictures and tables of the docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
