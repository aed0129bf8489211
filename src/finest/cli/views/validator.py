"""Terminal views of the validator: the findings of an audit, scores, and the miners' standings."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from finest.formatting import counted, showable, whole
from finest.validator.evidence import kept_pages, pages_counted, rows_counted, scored, total_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from finest.validator.loop.lines import Counts
    from finest.validator.loop.weights import HotkeyScore
    from finest.validator.models import Evidence

_STYLES = {"pass": "green", "fail": "red", "no_evidence": "yellow"}
_EXAMPLES = 3


def show_evidence(console: Console, evidence: Evidence) -> None:
    """Print one line per part of the audit, examples of what is wrong, and the verdict."""
    lines = [*_admission(evidence), *_rows(evidence), *_windows(evidence), *_unique(evidence)]
    for line in lines:
        console.print(line, markup=False)
    verdict = evidence.verdict.replace("_", " ")
    console.print(f"{verdict}: {showable(evidence.why, 600)}", style=_STYLES[evidence.verdict], markup=False)


def _admission(evidence: Evidence) -> list[str]:
    lines = [
        f"{check.name:12} {check.outcome.replace('_', ' ')}{'  ' if check.detail else ''}{showable(check.detail, 300)}"
        for check in evidence.admission
    ]
    found = evidence.declared
    dataset = f"{counted(found.rows, 'row')}, {whole(found.token_count)} tokens" if found else "not read"
    return [*lines, f"{'dataset':12} {dataset}", f"{'seed':12} {evidence.subject.seed}"]


def _rows(evidence: Evidence) -> list[str]:
    if not evidence.rows:
        return []
    checked, bad = rows_counted(evidence.rows)
    lines = [f"{'rows':12} {len(evidence.rows)} drawn, {checked} judged again, {bad} forged"]
    forged = [row for row in evidence.rows if row.outcome == "forged"][:_EXAMPLES]
    return lines + [f"{'':12} row {row.number} {showable(row.id, 80)}: {showable(row.detail, 200)}" for row in forged]


def _windows(evidence: Evidence) -> list[str]:
    if not evidence.windows:
        return []
    pages, (checked, missed) = kept_pages(evidence.windows), pages_counted(evidence.windows)
    kinds = Counter(page.outcome for page in pages)
    held, lost = kinds["held"], kinds["duplicate"]
    kept = f"{checked} pages that the recipe keeps: {held} held, {lost} duplicates, {missed} missing"
    lines = [f"{'windows':12} {len(evidence.windows)}, with {kept}"]
    missing = [page for page in pages if page.outcome == "missed"][:_EXAMPLES]
    return lines + [f"{'':12} {showable(page.id, 80)}: {showable(page.detail, 200)}" for page in missing]


def _unique(evidence: Evidence) -> list[str]:
    found = evidence.uniqueness
    if found is None:
        return []
    rows = f"{found.exact} exact, {found.near} near of {counted(found.rows, 'row')}"
    lines = [f"{'duplicates':12} {rows}; {whole(found.unique_tokens)} unique tokens"]
    return lines + [
        f"{'':12} {copy.hits} of {copy.of} fingerprints as {showable(copy.line, 140)}, block {copy.block}"
        for copy in found.copies[:_EXAMPLES]
    ]


def show_scores(console: Console, records: Sequence[tuple[str, Evidence]]) -> None:
    """Print the score of each record, factor by factor, and its reason."""
    table = _table([name for name, _ in records], "record", "verdict", "H", "min(R, V)", "Q", "P", "score")
    for name, evidence in records:
        found = scored(evidence)
        factors = [found.honesty, min(found.recall, found.volume), found.quality, found.promptness] if found else []
        cells = [f"{factor:.3f}" for factor in factors] or ["-"] * 4
        verdict = Text(evidence.verdict.replace("_", " "), _STYLES[evidence.verdict])
        table.add_row(name, verdict, *cells, f"{total_of(evidence):.3f}")
    console.print(table)
    for name, evidence in records:
        console.print(f"{name}: {showable(evidence.why, 300)}", markup=False)


def as_scores(records: Sequence[tuple[str, Evidence]]) -> dict[str, Any]:
    """Return the scores as JSON values."""
    return {
        name: {
            "verdict": evidence.verdict, "why": evidence.why, "score": total_of(evidence),
            "factors": asdict(found) if (found := scored(evidence)) else None,
        }
        for name, evidence in records
    }  # fmt: skip


def show_standings(console: Console, rows: Mapping[str, HotkeyScore], counts: Counts, block: int) -> None:
    """Print the miners by weight, the highest first, the counts of verdicts and how many commitments wait."""
    whole_weight = sum(one.weight for one in rows.values())
    table = _table(list(rows), "hotkey", "reliability", "pay", "vesting", "passed", "failed", "weight")
    for hotkey, one in sorted(rows.items(), key=lambda item: (-item[1].weight, item[0])):
        share = f"{one.weight / whole_weight:.1%}" if whole_weight else "-"
        table.add_row(
            hotkey, f"{one.reliability:.3f}", whole(round(one.pay)), whole(round(one.vesting)),
            str(one.passed), str(one.failed), share,
        )  # fmt: skip
    console.print(table)
    verdicts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(counts.verdicts.items()))
    console.print(f"Block {block}: {verdicts or 'no verdict yet'}; {counts.waiting} waiting", markup=False)


def _table(names: Sequence[str], *heads: str) -> Table:
    """Create a table whose first column holds the names and is never truncated."""
    table = Table(*heads, box=None, header_style="bold", pad_edge=False)
    table.columns[0].min_width = max(map(len, (*names, heads[0])))
    return table
