"""What an audit found, for a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from finest.figures import counted, showable, whole
from finest.validator.evidence import kept_pages, pages_counted, rows_counted

if TYPE_CHECKING:
    from rich.console import Console

    from finest.validator.models import Evidence

_STYLES = {"pass": "green", "fail": "red", "no_evidence": "yellow"}
_EXAMPLES = 3


def show_evidence(console: Console, evidence: Evidence) -> None:
    """Every part of the audit in a line, what was found wrong by example, and the verdict."""
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
