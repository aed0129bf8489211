"""The output of `finest contest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from finest.formatting import byte_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from finest.contest.decision import TrackDecision
    from finest.contest.result import Measured, Result
    from finest.contest.standing import Standing
    from finest.contest.submission import Submission
    from finest.contest.trial import Trial

_PARTS = 1000


def show_check(to: Console, submission: Submission, trial: Trial) -> None:
    """Show a submission that may take part."""
    files = ", ".join(f"{name} {byte_size(len(data))}" for name, data in submission.files.items())
    lines = {
        "recipe": f"{submission.recipe.name}, hash {submission.recipe.hash}",
        "files": files,
        "digest": submission.digest,
        "time": f"{trial.ms_a_page:.1f} ms a page of the sample; fineweb takes {trial.ms_a_page_of_fineweb:.1f}",
        "keeps": f"{trial.kept} of {trial.pages} pages of the sample; fineweb keeps {trial.kept_by_fineweb}",
    }
    _lines(to, lines)
    to.print("It may take part. Which track it is for depends on real pages: finest contest run", markup=False)


def show_result(to: Console, result: Result) -> None:
    """Show what was measured."""
    lines = {
        "pool": f"{sum(window.pages for window in result.windows):,} pages, of which fineweb keeps "
        f"{result.reference_tokens:,} tokens",
        "held-out": f"{len(result.documents):,} documents, {sum(one.size_bytes for one in result.documents):,} bytes; "
        f"{result.near:,} were left out because the pool has their text",
        "trained on": ", ".join(f"track {track}: {tokens:,} tokens a fit" for track, tokens in result.budgets.items()),
        "model": ", ".join([f"tier {result.tier}", *(f"{name} {what}" for name, what in result.runs_on.items())]),
    }
    _lines(to, lines)
    table = Table("track", "entry", "share of fineweb", "bits per byte", "", box=None, pad_edge=False)
    for one in sorted(result.entries, key=lambda one: (one.entry.track, not one.entry.incumbent)):
        table.add_row(
            str(one.entry.track), _named(one), f"{one.tokens / max(result.reference_tokens, 1):.1%}",
            _bits(one, result), one.refused or ("incumbent" if one.entry.incumbent else ""),
        )  # fmt: skip
    to.print(table)


def show_decisions(to: Console, result: Result, found: Sequence[TrackDecision], after: Standing) -> None:
    """Show who won each track, and what became of each entry."""
    for one in found:
        winner = "the incumbent stays" if one.winner is None else f"{_named(one.winner)} wins"
        to.print(
            f"track {one.track}: {winner} (margin {one.margin:.4f} bpb, {one.z:.2f} standard errors)", markup=False
        )
        _lines(to, {f"  {_named(result.entries[place])}": note for place, note in sorted(one.notes.items())})
    paid = sum(win.rate for win in after.wins)
    to.print(f"{len(after.wins)} wins are paid; {paid / 3:.1%} of mechanism 1, the rest is burned", markup=False)


def _bits(one: Measured, result: Result) -> str:
    if not one.bits:
        return ""
    size = sum(document.size_bytes for document in result.documents)
    return f"{sum(map(sum, one.bits)) / len(one.bits) / _PARTS / size:.4f}"


def _named(one: Measured) -> str:
    return f"{one.entry.place} ({one.recipe})" if one.recipe and one.recipe != one.entry.place else one.entry.place


def _lines(to: Console, lines: Mapping[str, str]) -> None:
    width = max(map(len, lines), default=0) + 2
    for name, value in lines.items():
        to.print(f"{name:{width}}{value}", markup=False)
