"""Answers of Slurm's commands as records, told apart by marks that nobody can have written into them.

Comments, job names and reasons hold whatever their authors wrote: lines, separators, words of Slurm's own; and a site's
wrapper may print a banner around an answer. squeue and sinfo print what stands between the fields of a format as it is,
and sacct takes any delimiter. So each call draws its own marks at random, and what is not between them is nobody's
record. `--json` would do the same, but needs a plugin that not every site has, and changes its shape between releases.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from finest.cluster.commands import slurm
from finest.errors import ClusterError

_MARK_BYTES = 8
"""64 bits, drawn for each call: an author would have to guess them beforehand."""


def records(*argv: str, fields: Sequence[str], timeout_s: float) -> list[tuple[str, ...]]:
    """What squeue or sinfo answers, by `fields` (`%F`, `%k`); raises ClusterError."""
    mark = secrets.token_hex(_MARK_BYTES)
    between = f"{mark}|"
    told = slurm(*argv, "-h", "-o", f"{mark}<{between.join(fields)}{mark}>", timeout_s=timeout_s)
    found = []
    for rest in told.split(f"{mark}<")[1:]:
        record, _, _ = rest.partition(f"{mark}>")
        found.append(_checked(argv[0], record.split(between), fields))
    return found


def delimited(*argv: str, fields: Sequence[str], timeout_s: float) -> list[tuple[str, ...]]:
    """What sacct answers, by `fields`, of which the first is a number or an id; raises ClusterError."""
    mark = f"{secrets.token_hex(_MARK_BYTES)}|"
    told = slurm(*argv, "-n", "-p", f"--delimiter={mark}", "-o", ",".join(fields), timeout_s=timeout_s)
    *parts, _ = told.split(mark)
    size = len(fields)
    found = [parts[start : start + size] for start in range(0, len(parts), size)]
    # what stands before an id is the end of the line before, or a banner
    return [_checked(argv[0], [one[0].rpartition("\n")[2], *one[1:]], fields) for one in found]


def unreadable(command: str) -> ClusterError:
    """The error for an answer that no release known here gives."""
    return ClusterError(f"the output of {command} is not Slurm's; check whether it is a wrapper: which {command}")


def _checked(command: str, record: list[str], fields: Sequence[str]) -> tuple[str, ...]:
    if len(record) != len(fields):
        raise unreadable(command)
    return tuple(record)
