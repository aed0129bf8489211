"""Compute a model's published evaluation again: integers must be equal, figures equal up to rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finest.models.heldout import evaluate_set
from finest.models.place import OpenModel, find_set

if TYPE_CHECKING:
    from pathlib import Path

    from finest.models.documents import FileSource
    from finest.models.record import SetEvaluation

Progress = Callable[[str, float, str], None]
_INTEGERS = ("task", "documents", "groups", "positives", "empty", "raw_sum", "raw_sha256")
_FIGURES = ("positive_from", "auc", "spearman", "accuracy", "macro_f1", "thresholds", "classes")
_ROUNDING = 0.0002
"""Largest difference of a figure with four decimals: sums of floats depend on the processor in their last bits."""
_INTERVAL = 0.01
"""Largest difference of an interval's end: NumPy may change how it draws resamples."""


@dataclass(frozen=True, slots=True)
class CheckedSet:
    """The outcome for one held-out set."""

    name: str
    found: SetEvaluation | None
    """The computed value; None if the set's file was not found."""
    differences: tuple[str, ...] = ()
    """For each field that differs: what it is, and what the record says."""


def check(opened: OpenModel, given: tuple[FileSource, ...], cache: Path, progress: Progress) -> tuple[CheckedSet, ...]:
    """Evaluate the model on each held-out set of its record. `given` are files to look for the sets in.

    Raises VerifyError if a file is not the one that the record states, ModelError if there is no record.
    """
    sets = opened.needed_record().evaluation.sets
    return tuple(
        _checked(opened, stated, given, cache, lambda share, at=number, name=stated.name: progress(  # type: ignore[misc]
            "Checking", (at + share) / len(sets), name,
        ))
        for number, stated in enumerate(sets)
    )  # fmt: skip


def _checked(
    opened: OpenModel, stated: SetEvaluation, given: tuple[FileSource, ...], cache: Path,
    progress: Callable[[float], None],
) -> CheckedSet:  # fmt: skip
    source = find_set(opened, stated, given, cache)
    if source is None:
        return CheckedSet(stated.name, None)
    found = evaluate_set(opened.model, source, stated.path, progress)
    return CheckedSet(stated.name, found, tuple(differences(found, stated)))


def differences(found: SetEvaluation, stated: SetEvaluation) -> list[str]:
    """Return what the record states wrongly, in words."""
    ours, theirs = found.model_dump(mode="json"), stated.model_dump(mode="json")
    wrong = [name for name in _INTEGERS if ours[name] != theirs[name]]
    wrong += [name for name in _FIGURES if not _close(ours[name], theirs[name], _ROUNDING)]
    return [f"{name} is {_said(ours[name])}, model.json says {_said(theirs[name])}" for name in wrong]


def _close(one: Any, other: Any, most: float) -> bool:
    """Return whether two JSON values have the same shape and numbers that differ by rounding only."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _close(one[key], other[key], _INTERVAL if key in ("low", "high") else most) for key in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(lambda a, b: _close(a, b, most), one, other))
    if isinstance(one, float) and isinstance(other, float | int):
        return abs(one - other) <= most
    return bool(one == other)


def _said(value: Any) -> str:
    if isinstance(value, dict) and "value" in value:
        return f"{value['value']} ({value['low']} to {value['high']})"
    return str(value)[:80]
