"""Compute the cost of judging for a validator in a day, by the number of validators, from the product's own draws.

    python -m bench.subnet.cost                256 miners with 48 tasks of four WARCs a day

A validator judges the tasks for which it is drawn and its spot checks; fails and disagreements come on top. Beside it
stands what it would judge if every validator judged every task.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from bench.subnet.settings import LEASED_WARCS, VERDICT_CPU_S
from bench.subnet.task import sha
from finest.validator.loop.committee import committee, is_spot_check
from finest.validator.seed import make_seed

MINERS, TASKS = 256, 48
"""The seats of a subnet, and the leases that a hotkey gets in a day by default."""
VERDICT_CPU_RANGE_S, VERDICT_GB_RANGE = (50, 80), (0.35, 0.55)
"""An estimate for a task of four WARCs and the default audit."""
VALIDATORS = (3, 16, 64)
LINES = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """The work that one of `validators` judges of a day's tasks."""

    validators: int
    share: float
    """Share of all tasks that a validator judges."""

    @property
    def verdicts(self) -> float:
        """Verdicts of one validator in a day."""
        return self.share * MINERS * TASKS

    @property
    def cpu_s_of_a_warc(self) -> float:
        """CPU seconds of all validators together for each WARC that is paid."""
        return self.share * self.validators * VERDICT_CPU_S / LEASED_WARCS


def cost(validators: int, lines: int = LINES) -> Cost:
    """Count the draws of validators with equal stakes over so many lines."""
    stakes = {f"validator {number}": 1.0 for number in range(validators)}
    judged = 0
    for number in range(lines):
        beacon, line = "0x" + sha(f"beacon {number}"), f"line {number}"
        members = set(committee(beacon, line, stakes))
        judged += sum(name in members or is_spot_check(make_seed(beacon, line, name)) for name in stakes)
    return Cost(validators, judged / lines / validators)


def table(found: Sequence[Cost]) -> str:
    """Return the figures as Markdown."""
    heads = (
        "validators", "verdicts of each a day", "share of what it would judge alone", "CPU hours", "terabytes",
        "CPU seconds of all for each WARC", "if each judged all",
    )  # fmt: skip
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for one in found:
        hours = " to ".join(f"{one.verdicts * seconds / 3600:.0f}" for seconds in VERDICT_CPU_RANGE_S)
        terabytes = " to ".join(f"{one.verdicts * size / 1000:.1f}" for size in VERDICT_GB_RANGE)
        cells = (f"{one.verdicts:,.0f}", f"{one.share:.0%}", hours, terabytes, f"{one.cpu_s_of_a_warc:.0f}")
        rows.append(f"| {one.validators} | {' | '.join(cells)} | {one.cpu_s_of_a_warc / one.share:,.0f} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(prog="python -m bench.subnet.cost", description=__doc__).parse_args()
    print(table([cost(validators) for validators in VALIDATORS]))


if __name__ == "__main__":
    main()
