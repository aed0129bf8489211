"""Terminal views of quality models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from finest.formatting import counted, share, showable
from finest.masking import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from finest.models.check import CheckedSet
    from finest.models.record import FoldEvaluation, Interval, Measures, ModelRecord, SetEvaluation, TrainingSet
    from finest.models.score import Scores
    from finest.recipe.quality_model import QualityModel

SHOWN_SETS = 12
BAR_CELLS = 30


def show_record(console: Console, record: ModelRecord) -> None:
    """Print what a model is, what it was trained on, how it was evaluated and what its bins mean."""
    what = f"{len(record.classes)} classes" if record.classes else "a score in 20 bins"
    lines = [
        ("model", f"{record.name}, {what}, {record.kind}{_size(record.bits)}"),
        ("sha256", record.model_sha256),
        ("labels", ", ".join(f"{name} {count:,}" for name, count in record.labels.items())),
        ("method", record.settings.method if record.settings else "imported"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in record.libraries.items())),
    ]
    for name, value in lines:
        if value:
            _line(console, name, value)
    for number, one in enumerate(record.training_sets[:SHOWN_SETS]):
        _line(console, "" if number else "trained on", _trained_on(one))
    if len(record.training_sets) > SHOWN_SETS:
        _line(console, "", f"and {counted(len(record.training_sets) - SHOWN_SETS, 'more source')}, see model.json")
    if record.evaluation.folds:
        _line(console, "folds", _folds(record.evaluation.folds))
    for one_set in record.evaluation.sets:
        _line(console, "held out", _held_out(one_set))
    console.print()
    _classes(console, record)
    _bins(console, record)


def show_model(console: Console, model: QualityModel) -> None:
    """Print what the model's file alone tells."""
    what = f"classes {', '.join(model.classes)}" if model.classes else "a score in 20 bins"
    _line(console, "model", f"{model.name}, {what}, {model.kind}{_size(model.bits)}")
    _line(console, "sha256", model.sha256)
    _line(console, "record", "no model.json beside the file names this sha256")


def show_scores(console: Console, model: QualityModel, scores: Scores) -> None:
    """Print a histogram of bins or classes, each with the beginning of its first text."""
    empty = f", {scores.empty:,} of them without text" if scores.empty else ""
    console.print(f"{counted(scores.documents, 'document')} scored by {model.name}{empty}", markup=False)
    most = max(scores.counts.values(), default=1)
    for place in model.classes or range(20):
        count = scores.counts[place]
        cells = "\u2588" * -(-count * BAR_CELLS // most)
        words = one_line(showable(scores.samples.get(place, ""), 60))
        console.print(
            Text(f"{place!s:>12} {count:>9,} {share(count, scores.documents):>6} {cells:{BAR_CELLS}} {words}")
        )


def scores_dict(model: QualityModel, scores: Scores) -> dict[str, Any]:
    """Return the distribution of scores as JSON values."""
    counts = {str(place): scores.counts[place] for place in model.classes or range(20)}
    return {
        "model": model.name, "model_sha256": model.sha256, "documents": scores.documents, "empty": scores.empty,
        "raw_sum": scores.raw_sum, "counts": counts,
    }  # fmt: skip


def show_checks(console: Console, checked: Sequence[CheckedSet]) -> None:
    """Print the outcome for each held-out set."""
    if not checked:
        console.print("model.json names no held-out set, so there is nothing to compute again")
    for one in checked:
        if one.found is None:
            console.print(Text(f"not found  {one.name}: name its file with --heldout"))
        elif one.differences:
            console.print(Text(f"different  {one.name}: {'; '.join(one.differences)}"))
        else:
            console.print(Text(f"equal      {one.name}: {_held_out(one.found)}"))


def figures(measures: Measures) -> str:
    """Return the figures of an evaluation in one line, each with its 95 % interval."""
    named = (
        ("AUC", measures.auc), ("Spearman", measures.spearman), ("accuracy", measures.accuracy),
        ("macro F1", measures.macro_f1),
    )  # fmt: skip
    return ", ".join(f"{name} {interval(one)}" for name, one in named if one is not None)


def interval(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _short(one: Interval) -> str:
    """Return a figure with half the width of its interval, for tables."""
    return f"{one.value:.3f} \u00b1{(one.high - one.low) / 2:.3f}"


def _size(bits: int) -> str:
    """Return what a model holds: an imported one has no single number of weights."""
    return f", 2^{bits} weights" if bits else ", numbers of words and n-grams"


def _line(console: Console, name: str, value: str) -> None:
    console.print(Text(f"{name:11} {value}"))


def _trained_on(one: TrainingSet) -> str:
    proof = f"sha256 {one.sha256[:16]}" if one.sha256 else f"root {one.root[:16]}" if one.root else ""
    left_out = [
        (one.empty, "empty"),
        (one.duplicates, "duplicate"),
        (one.held_out, "held out"),
        (_not_drawn(one), "beyond --max-documents"),
    ]
    words = "".join(f", {count:,} {why}" for count, why in left_out if count)
    role = "" if one.role == "labels" else f"{one.role}: "
    return f"{role}{one.name}, {one.used:,} of {counted(one.documents, 'document')}{words}; {proof}"


def _not_drawn(one: TrainingSet) -> int:
    return one.documents - one.used - one.empty - one.duplicates - one.held_out


def _folds(one: FoldEvaluation) -> str:
    return f"{figures(one)}; {one.documents:,} documents in {one.folds} folds by {one.grouped_by} ({one.groups:,})"


def _held_out(one: SetEvaluation) -> str:
    seen = f", {one.of_trained_groups:,} of them of groups it was trained on" if one.of_trained_groups else ""
    return f"{figures(one)}; {one.path}, {one.documents:,} documents of {counted(one.groups, 'group')}{seen}"


def _classes(console: Console, record: ModelRecord) -> None:
    folds = record.evaluation.folds
    if folds is None or not folds.classes:
        return
    table = _table("class", "documents", "precision", "recall", "F1")
    for one in folds.classes:
        table.add_row(one.name, f"{one.documents:,}", f"{one.precision:.3f}", f"{one.recall:.3f}", _short(one.f1))
    console.print(table)


def _bins(console: Console, record: ModelRecord) -> None:
    """Print the calibration with the threshold curve: one row per bin."""
    folds = record.evaluation.folds
    if not record.calibration or folds is None:
        return
    curve = {one.min_bin: one for one in folds.thresholds}
    shared = "right" if record.classes else "positive"
    names = ["bin", "raw from", "documents", shared]
    table = _table(*names, *(() if record.classes else ("kept", "precision", "recall")))
    for one in record.calibration:
        cells = [str(one.bin), f"{one.min_raw:,}" if one.min_raw is not None else "", f"{one.documents:,}"]
        cells.append("" if one.share is None else f"{one.share:.3f}")
        point = curve.get(one.bin)
        if point is not None:
            cells += [share(point.kept, 1), _short(point.precision) if point.precision else "", _short(point.recall)]
        table.add_row(*cells)
    console.print(table)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
