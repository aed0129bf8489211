"""Terminal views of the commands that refine, check and explain datasets."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from finest.formatting import beside, byte_size, counted
from finest.masking import one_line
from finest.recipe.reasons import FAILURES, KEPT, Reasons, reasons_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from finest.dataset.manifest import Manifest
    from finest.pipeline.slurm.status import SlurmStatus
    from finest.pipeline.status import Status
    from finest.pipeline.verify import Verification
    from finest.pipeline.why import Why
    from finest.recipe.quality_model.explain import Explained

TEXT_CHARS = 2000
"""Maximum number of characters of a page's text that `why` shows; `--json` prints all."""
SHOWN_LOSSES = 10


def show_manifest(console: Console, out: Path, manifest: Manifest, against: Sequence[str] = ()) -> None:
    """Print a finished dataset in a few lines, and what to do next.

    `against` are the places of the earlier datasets that it was made against, where they are known.
    """
    earlier = against or ("FOLDER|REPO@REVISION",) * len(manifest.against)
    console.print(reasons_table(manifest.reasons, reasons_of(manifest.recipe)))
    if manifest.losses:
        lost = ", ".join(f"{name} {count}" for name, count in manifest.losses.items())
        console.print(f"Unreadable parts of the sources: {lost}", markup=False)
    console.print(
        f"{manifest.rows:,} rows, {manifest.token_count:,} tokens, {byte_size(manifest.size_bytes)} in {out}\n"
        f"root {manifest.root}\n"
        f"Report:  finest report {out}\n"
        f"Verify:  finest verify {out}{''.join(f' --against {place}' for place in earlier)}",
        markup=False,
    )


def reasons_table(reasons: dict[str, int], known: Reasons) -> Table:
    """Build the table of pages by reason, in the order of the stages, with their share."""
    order = list(known.stages)
    total = sum(reasons.values()) or 1
    table = Table("stage", "reason", "pages", "share", box=None, header_style="bold", pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for name in sorted(reasons, key=lambda name: (order.index(known.stage_of(name)), -reasons[name])):
        style = "green" if name == KEPT else "red" if name in FAILURES else ""
        table.add_row(known.stage_of(name), name, f"{reasons[name]:,}", f"{reasons[name] / total:.1%}", style=style)
    return table


def show_status(console: Console, folder: Path, status: Status) -> None:
    """Print a run's state, its reasons so far and its losses."""
    from finest.pipeline.progress import time_left

    share = status.bytes_done / max(status.bytes, 1)
    console.print(
        f"{folder}: {status.state}, {status.slices_done} of {status.slices} slices ({share:.0%}), "
        f"{status.pages:,} pages, {status.kept:,} kept before deduplication",
        markup=False,
    )
    if status.cpu_s:
        expected = "" if status.forecast_cpu_s is None else f" of {status.forecast_cpu_s:,.0f} forecast"
        pace = f"{status.pages_per_s:.1f} pages/s per worker"
        console.print(f"{pace}, {status.cpu_s:,.0f} CPU s spent{expected}", markup=False)
    if status.state != "finished" and status.cpu_left_s is not None:
        console.print(f"{time_left(status.cpu_left_s)} for one worker", markup=False)
    for why in status.missing[:SHOWN_LOSSES]:
        console.print(one_line(f"could not be read: {why}"), style="yellow", markup=False)
    if status.waiting is not None:
        console.print(status.waiting, style="yellow", markup=False)
    if status.reasons:
        console.print(reasons_table(status.reasons, reasons_of(status.recipe)))
    for loss in status.losses[:SHOWN_LOSSES]:
        console.print(
            one_line(f"lost: {loss['source']} offset {loss['offset']}: {loss['reason']} ({loss['detail']})"),
            markup=False,
        )
    if status.lost > SHOWN_LOSSES:
        console.print(f"... and {status.lost - SHOWN_LOSSES} more: finest status {folder} --json", markup=False)
    if status.slurm is not None:
        _show_jobs(console, folder, status.slurm)
    if status.state == "stopped":
        console.print("To continue, run the command that started it again.")


def _show_jobs(console: Console, folder: Path, slurm: SlurmStatus) -> None:
    """Print the state of the run's Slurm jobs, one line per job."""
    for job in slurm.jobs:
        states = ", ".join(f"{count} {state.lower()}" for state, count in job.states.items())
        reason = f" ({job.reason})" if job.reason else ""
        what = "judging slices" if job.stage == "slices" else "making the dataset"
        console.print(f"Slurm job {job.job}, {what}, partition {slurm.partition}: {states}{reason}", markup=False)
    if slurm.trouble:
        console.print(f"Slurm: {slurm.trouble}", style="red", markup=False)
    if slurm.at_work:
        console.print(f"Follow the jobs: finest attach {folder}", markup=False)


def show_verification(console: Console, found: Verification) -> None:
    """Print what the verification proved, and what it could not check."""
    from finest.pipeline.verify import NOT_REPEATABLE

    manifest = found.manifest
    console.print(
        f"{len(manifest.files)} files, {manifest.rows:,} rows and the root agree with the "
        f"manifest", markup=False,
    )  # fmt: skip
    judged = sum(found.judged.values())
    if judged:
        console.print(
            f"{judged} pages judged again ({found.judged.get(KEPT, 0)} kept, the rest dropped): all as stored "
            f"(seed {found.seed})", markup=False,
        )  # fmt: skip
    for selection in manifest.selections:
        console.print(f"every row satisfies the selection: {one_line(str(selection.rule))}", markup=False)
    if found.parent:
        console.print(f"and they are all rows of the parent that do: {found.parent}", markup=False)
    elif manifest.selections:
        where = manifest.selections[-1].parent or "FOLDER|REPO@REVISION"
        console.print(f"to check that it omits no row that does, add --parent {where}", markup=False)
    if found.no_evidence:
        console.print(
            f"{len(found.no_evidence)} pages could not be judged again, first: {found.no_evidence[0]}", markup=False
        )
    if found.elsewhere:
        console.print(
            f"{found.elsewhere} pages are dropped for rows of an earlier dataset that is not at hand (root "
            f"{', '.join(manifest.against)})", markup=False,
        )  # fmt: skip
    if found.not_repeatable:
        console.print(
            f"{found.not_repeatable} pages have a verdict that may differ on another machine "
            f"({' or '.join(NOT_REPEATABLE)})", markup=False,
        )  # fmt: skip
    if found.readable_again:
        console.print(
            f"{counted(len(found.readable_again), 'source')} that the manifest calls unreadable can be read now, "
            f"first: {one_line(found.readable_again[0])}. The pages are missing, which makes no row false; an audit of "
            "paid work fails a dataset without them. To have them, refine again without --allow-missing",
            style="yellow", markup=False,
        )  # fmt: skip
    if found.is_verified:
        console.print(f"verified: root {manifest.root}", style="green")
        return
    if not found.sample:
        why = "with --sample 0 only the files were checked"
    elif found.elsewhere:
        why = "name the earlier dataset with --against FOLDER|REPO@REVISION"
    else:
        why = (
            f"only {judged} of {found.drawn} sampled pages could be judged again, and {found.judged.get(KEPT, 0)} of "
            f"the {found.drawn_kept} kept ones among them; name the WARCs with --source"
        )
    console.print(f"files agree, rows NOT verified: {why}", style="yellow", markup=False)


def show_why(console: Console, answer: Why) -> None:
    """Print a page's verdict, every statistic next to its limit, and its text."""
    from finest.pipeline.verify import NOT_REPEATABLE

    stored, verdict = answer.stored, answer.verdict
    console.print(Text(f"{one_line(stored['url'])}\n{one_line(stored['id'])}"))
    console.print(f"in {one_line(stored['file_path'])} at offset {stored['offset']}", markup=False)
    line = f"{stored['reason']}: {reasons_of(answer.recipe).reason(stored['reason']).explanation}"
    console.print(line, style="green" if stored["reason"] == KEPT else "red", markup=False)
    if stored["duplicate_of"]:
        console.print(f"duplicate of the page {stored['duplicate_of']}", markup=False)
    if verdict.reason != stored["reason"] and not stored["duplicate_of"]:
        console.print(f"judged again it is {verdict.reason}", style="yellow", markup=False)
    if verdict.reason in NOT_REPEATABLE:
        console.print("not judged again: it exceeded a limit, or crashed the worker that judged it", style="yellow")
    if answer.trail.error:
        what = "stopped by an exception" if verdict.reason in FAILURES else "found"
        console.print(f"{what}: {one_line(answer.trail.error)}", style="red", markup=False)
    if answer.trail.state.encoding:
        console.print(f"decoded as {answer.trail.state.encoding}", markup=False)
    console.print(checks_table(answer))
    for scored in answer.scores:
        console.print(score_line(scored), markup=False)
        console.print(words_table(scored))
    console.print("\ntext" + (" (as it reached the last stage)" if not verdict.kept else ""))
    text = verdict.text or answer.trail.state.text
    console.print(Text(text[:TEXT_CHARS] or "(no text)"))
    if len(text) > TEXT_CHARS:
        console.print(f"... {len(text) - TEXT_CHARS:,} more characters: --json gives all")


def checks_table(answer: Why) -> Table:
    """Build the table of every stage's statistics and limits."""
    table = Table("stage", "test", "value", "limit", "", box=None, header_style="bold", pad_edge=False)
    for stage, checks in answer.trail.stages.items():
        for check in checks:
            word, style = ("fails", "red") if check.failed else ("passes", "")
            table.add_row(stage, check.reason, *beside(check.value, check.limit), word, style=style)
    return table


def score_line(scored: Explained) -> str:
    """Describe a score in one line."""
    score = scored.score
    shown = f"{score.label}, by {score.raw:,} more than the second class" if score.label else f"bin {score.bin} of 0-19"
    return f"\n{scored.name}: {shown}" + ("" if score.label else f", raw score {score.raw:,}")


def words_table(scored: Explained) -> Table:
    """Build the table of the n-grams that speak most for a score, and most against it."""
    table = Table("for", "adds", "against", "adds", box=None, header_style="bold", pad_edge=False)
    for one, other in zip_longest(scored.speaks_for, scored.speaks_against):
        cells = [(Text(words.text), f"{words.raw:+,}") if words else ("", "") for words in (one, other)]
        table.add_row(*cells[0], *cells[1])
    return table


def why_dict(answer: Why) -> dict[str, Any]:
    """Return the answer of `finest why` as JSON values."""
    return {
        "stored": answer.stored,
        "reason": answer.verdict.reason,
        "text": answer.verdict.text or answer.trail.state.text,
        "error": answer.trail.error or None,
        "encoding": answer.trail.state.encoding or None,
        "language": answer.trail.state.language,
        "language_score": answer.trail.state.language_score,
        "checks": [
            {"stage": stage, **check._asdict()} for stage, checks in answer.trail.stages.items() for check in checks
        ],
        "scores": [scored.as_dict() for scored in answer.scores],
        "pieces": [piece._asdict() for piece in answer.pieces],
    }
