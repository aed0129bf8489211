"""Show findings as a live list on a terminal, as one line per check elsewhere, or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from finest.findings import Check, Finding, State
from finest.formatting import counted

_STYLE = {State.OK: "green", State.WARNING: "yellow", State.FAILURE: "bold red", State.SKIPPED: "dim"}
_WORD = {State.OK: "ok", State.WARNING: "warning", State.FAILURE: "FAILURE", State.SKIPPED: "skipped"}
_STATE_WIDTH = max(map(len, _WORD.values()))


class Watch:
    """Shows findings as they arrive, in the order of the checks. Without a terminal, it prints each only once."""

    def __init__(self, checks: Sequence[Check[Any]], console: Console) -> None:
        self._checks, self._console = checks, console
        self._width = max(len(check.name) for check in checks)
        self._findings: dict[str, Finding] = {}
        self._written = 0
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._table, transient=True) if console.is_terminal else None

    def __enter__(self) -> Watch:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
        self._write()

    def found(self, check: Check[Any], finding: Finding) -> None:
        """Record the finding of a check."""
        self._findings[check.name] = finding
        if self._live is None:
            self._write()

    def _write(self) -> None:
        """Print the findings up to the first check that has not finished."""
        for check in self._checks[self._written :]:
            if check.name not in self._findings:
                break
            self._console.print(self._lines(check), soft_wrap=True)
            self._written += 1

    def _table(self) -> RenderableType:
        """Build the live list of all checks, finished or not; each is one line, so that the list fits the screen."""
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=_STATE_WIDTH, no_wrap=True)
        table.add_column(width=self._width, no_wrap=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for check in self._checks:
            finding = self._findings.get(check.name)
            if finding is None:
                table.add_row(self._spinner, check.name, "")
            else:
                style = _STYLE[finding.state]
                table.add_row(Text(_WORD[finding.state], style), Text(check.name), Text(finding.line))
        return table

    def _lines(self, check: Check[Any]) -> Text:
        finding = self._findings[check.name]
        text = Text(f"{_WORD[finding.state]:{_STATE_WIDTH}} ", _STYLE[finding.state])
        text.append(
            f"{check.name:{self._width}} {finding.line}", "dim" if finding.state is State.SKIPPED else "default"
        )
        if finding.mend:
            text.append(
                f"\n{'':{_STATE_WIDTH + self._width + 2}}-> {finding.mend}", "bold" if is_failure(finding) else ""
            )
        return text


def is_failure(finding: Finding) -> bool:
    return finding.state is State.FAILURE


def summary(findings: Mapping[str, Finding]) -> str:
    """Summarise the findings as `18 ok, 1 warning, 2 failures, 3 skipped`."""
    counts = Counter(finding.state for finding in findings.values())
    parts = [
        f"{counts[State.OK]} ok",
        counted(counts[State.WARNING], "warning"),
        counted(counts[State.FAILURE], "failure"),
    ]
    return ", ".join([*parts, f"{counts[State.SKIPPED]} skipped"])


def as_dict(findings: Mapping[str, Finding]) -> dict[str, Any]:
    """Return the findings as JSON values."""
    checks = [
        {"name": name, "state": finding.state.value, "line": finding.line, "mend": finding.mend}
        for name, finding in findings.items()
    ]
    return {"ok": not any(map(is_failure, findings.values())), "checks": checks}
