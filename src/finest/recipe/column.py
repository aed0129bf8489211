"""A column that a stage adds to each row of a dataset.

It is apart from `finest.recipe.stage` so that the process that decodes untrusted files starts without pydantic.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple


class Column(NamedTuple):
    """A column that a stage adds to each row of a dataset; the row's hash covers it."""

    name: str
    type: Literal["string", "int64", "float64"]
    """The Arrow type. No value may be missing, and no number may be NaN."""
    doc: str
    """One line that describes the column on the dataset card."""

    def checked(self, value: object) -> str | int | float:
        """Return `value` as the row stores it; raise ValueError if the column cannot hold it."""
        if self.type == "string" and isinstance(value, str):
            value.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
            return value
        if self.type == "int64" and type(value) is int and -(2**63) <= value < 2**63:
            return value
        if self.type == "float64" and type(value) in (int, float) and not math.isnan(value):  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
        raise ValueError(f"column {self.name} of type {self.type} cannot hold a value of type {type(value).__name__}")
