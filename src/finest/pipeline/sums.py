"""The totals over the finished sources of a run, kept so that the next question reads only what is new.

    OUT/ledger/done/sums.json   the totals, which sources they are of, and how far each log was read

The file only saves work: whoever cannot read it, or finds it to be of another run, sums up again.
"""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from finest.atomic_files import write_whole
from finest.pipeline.done import Tail
from finest.pipeline.summary import Totals, add_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

NAME = "sums.json"


def sum_up(
    folder: Path, packed: NDArray[np.bool_], each: Callable[[NDArray[np.bool_], Tail], Iterator[tuple[int, Totals]]]
) -> Totals:  # fmt: skip
    """Return the totals over the packed sources of a run whose logs are in `folder`, and keep them there.

    `each` yields the totals of the sources that it is asked for, from the logs where they name them.
    """
    sums = _Sums.load(folder, packed)
    new, tail = packed & ~sums.counted, Tail(folder, sources_only=True, read=sums.read)
    if not new.any():
        return sums.totals
    totals = add_up(chain([sums.totals], (totals for _, totals in each(new, tail))))
    _Sums(totals, packed, tail.read).save(folder)
    return totals


@dataclass(frozen=True, slots=True)
class _Sums:
    """The totals over some sources."""

    totals: Totals
    counted: NDArray[np.bool_]
    """For each source of the run, whether the totals have it."""
    read: dict[str, int]
    """Bytes of each log up to which its sources are counted."""

    @staticmethod
    def load(folder: Path, packed: NDArray[np.bool_]) -> _Sums:
        """Return the sums kept in a folder; those of nothing if there are none, or if one of their sources is open."""
        try:
            data = json.loads((folder / NAME).read_bytes())
            flags = np.frombuffer(base64.b64decode(data["counted"]), np.uint8)
            counted = np.unpackbits(flags, count=len(packed)).astype(np.bool_)
            if not (counted & ~packed).any():
                return _Sums(
                    Totals.from_dict(data["totals"]), counted, {str(k): int(v) for k, v in data["read"].items()}
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return _Sums(Totals(), np.zeros(len(packed), np.bool_), {})

    def save(self, folder: Path) -> None:
        """Keep the sums in a folder, unless it may not be written to."""
        flags = base64.b64encode(np.packbits(self.counted).tobytes()).decode()
        data = {"counted": flags, "read": self.read, "totals": self.totals.to_dict()}
        with suppress(OSError):
            write_whole(folder / NAME, json.dumps(data).encode())
