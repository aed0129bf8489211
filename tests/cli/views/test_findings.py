"""How findings look."""

from __future__ import annotations

import io

from rich.console import Console

from finest.cli.views.findings import Watch, as_dict, summary
from finest.findings import Check, Finding, State, failure, ok, skipped, warning

CHECKS = tuple(Check(name, lambda _: ok("")) for name in ("python", "wallet", "chain", "slurm"))
FINDINGS = {
    "python": ok("Python 3.11"),
    "wallet": failure("there is no [hotkey]", "btcli wallet create"),
    "chain": warning("no new block", None),
    "slurm": skipped("not asked for"),
}


def written(order: list[str], *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, highlight=False, width=60, color_system=None)
    with Watch(CHECKS, console) as watch:
        for name in order:
            watch.found(next(check for check in CHECKS if check.name == name), FINDINGS[name])
    return out.getvalue()


LINES = (
    "ok      python Python 3.11\n"
    "FAILURE wallet there is no [hotkey]\n"
    "               -> btcli wallet create\n"
    "warning chain  no new block\n"
    "skipped slurm  not asked for\n"
)


def test_lines_come_in_the_order_of_the_list() -> None:
    """Whatever the order in which checks end, elsewhere than on a terminal it is always the same text."""
    assert written(list(FINDINGS), terminal=False) == LINES
    assert written(list(reversed(FINDINGS)), terminal=False) == LINES


def test_a_terminal_ends_with_the_same_lines() -> None:
    """What moved is gone in the end, what was found stays."""
    assert written(list(FINDINGS), terminal=True).endswith(LINES.replace("\n", "\n"))


def test_json_and_summary() -> None:
    """`ok` is false if one failed; every finding is there with its mending."""
    said = as_dict(FINDINGS)
    assert said["ok"] is False
    assert said["checks"][1] == {
        "name": "wallet", "state": "failure", "line": "there is no [hotkey]", "mend": "btcli wallet create",
    }  # fmt: skip
    assert summary(FINDINGS) == "1 ok, 1 warning, 1 failure, 1 skipped"
    assert as_dict({"python": FINDINGS["python"], "x": Finding(State.SKIPPED, "")})["ok"] is True
