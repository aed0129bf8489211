"""Labels of training texts: 0 or 1, grades from 0 to 5, or names of classes."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from finest.errors import UsageError
from finest.masking import one_line

if TYPE_CHECKING:
    from finest.models.record import Task

Label = float | str
MAX_GRADE = 5.0
"""The scale of FineWeb-Edu's labels (https://hf.co/datasets/HuggingFaceFW/fineweb-edu-llama3-annotations)."""
_NAME = re.compile(r"[a-z0-9][a-z0-9 _.-]{0,39}")
"""The class names that a model's file can hold."""


def parse_label(value: object) -> Label:
    """Return a number, or a class name; raises ValueError with the reason for anything else.

    A string that spells a number is that number, since CSV knows no others. Names are folded to lower case.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValueError("the label is missing")
    if isinstance(value, bool | int | float):
        return _grade(float(value))
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - one kind of error for a label that does not fit
            f"the label is a {type(value).__name__}, and neither a number nor a name"
        )
    name = value.strip()
    try:
        number = float(name)
    except ValueError:
        return _name(name)
    return _grade(number)


def _grade(number: float) -> float:
    if not 0 <= number <= MAX_GRADE:  # NaN too
        raise ValueError(f"the label {number:g} is not a grade from 0 to {MAX_GRADE:g}; write other labels as names")
    return number


def _name(name: str) -> str:
    lower = name.lower()
    if not _NAME.fullmatch(lower):
        raise ValueError(
            f"the label {one_line(name)[:40]!r} is no class name: at most 40 letters (a-z), digits, spaces and _ . -"
        )
    return lower


def task_of(labels: Collection[Label]) -> Task:
    """Return what the distinct labels are; raises UsageError if a model cannot be trained on them."""
    names = sorted(label for label in labels if isinstance(label, str))
    numbers = sorted(label for label in labels if not isinstance(label, str))
    if names and numbers:
        raise UsageError(f"the labels mix names ({names[0]}) with numbers ({numbers[0]:g}); use either of them")
    if len(labels) < 2:
        only = label_name(next(iter(labels))) if labels else "none"
        raise UsageError(f"all texts have the same label ({only}); a model needs texts with at least two labels")
    if names:
        return "classes"
    return "binary" if set(numbers) <= {0.0, 1.0} else "grades"


def positive_from(task: Task, labels: Collection[Label]) -> float | None:
    """Return the grade from which a text counts as positive: the middle of the lowest and the highest grade.

    On the scale of 0 to 5 it is 2.5, so grades from 3 on are positive, as in FineWeb-Edu. None for class names.
    """
    if task == "classes":
        return None
    numbers = [label for label in labels if not isinstance(label, str)]
    return math.fsum((min(numbers), max(numbers))) / 2


def label_name(label: Label) -> str:
    """Return a label as text: `1`, `2.5`, `forum`."""
    return label if isinstance(label, str) else f"{label:g}"
