"""The labels that a labelling allows: 0 and 1, grades from 0 to 5, or names of classes."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from finest.errors import UsageError
from finest.models.labels import parse_label
from finest.recipe.quality_model.format import MAX_CLASSES

GRADES = 5
"""Highest grade, as in FineWeb-Edu's labels (https://hf.co/datasets/HuggingFaceFW/fineweb-edu-llama3-annotations)."""
_KEYS = "123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Scale:
    """All labels, in the order in which they are shown; either numbers or names."""

    labels: tuple[int, ...] | tuple[str, ...]

    @property
    def has_names(self) -> bool:
        return isinstance(self.labels[0], str)

    @property
    def keys(self) -> dict[str, int | str]:
        """The key on the keyboard for each label: the number itself, or 1 to 9 and then letters for names."""
        keys = _KEYS if self.has_names else map(str, self.labels)
        return dict(zip(keys, self.labels, strict=False))

    @property
    def arrow(self) -> pa.DataType:
        """Type of the column of labels."""
        return pa.string() if self.has_names else pa.int64()

    def label_in(self, answer: str) -> int | str | None:
        """Return the label that a model's answer gives; None if it gives none.

        The last line that is not empty must be one of the labels and nothing else, so a model may first give its
        reasons. Names are compared without case.
        """
        lines = answer.strip().splitlines()
        last = lines[-1].strip().lower() if lines else ""
        return next((label for label in self.labels if str(label) == last), None)


def scale_of(classes: str | None, *, grades: bool) -> Scale:
    """Return the scale for the command's flags: `classes` is a list of names with commas.

    Raises UsageError if a name is not one that a model can have, or if there are fewer than two.
    """
    if classes is None:
        return Scale(tuple(range(GRADES + 1)) if grades else (0, 1))
    if grades:
        raise UsageError("labels are either grades or classes; leave out --grades or --classes")
    try:
        labels = [parse_label(name) for name in classes.split(",")]
    except ValueError as error:
        raise UsageError(f"--classes: {error}") from None
    names = tuple(label for label in labels if isinstance(label, str))
    if len(names) < len(labels):
        raise UsageError("--classes: a number is no name; label with 0 and 1 (the default) or with --grades")
    if not 2 <= len(set(names)) == len(names) <= MAX_CLASSES:
        raise UsageError(f"--classes: name 2 to {MAX_CLASSES} different classes, such as article,forum,product")
    return Scale(names)
