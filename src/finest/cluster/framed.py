"""Parse the output of Slurm's commands into records, separated by random marks that no text can contain.

Comments, job names and reasons hold arbitrary text: newlines, separators, Slurm's own words. A site's wrapper may also
print a banner around the output. squeue and sinfo print the text between the fields of a format unchanged, and sacct
accepts any delimiter. Each call therefore draws random marks, and text outside them belongs to no record. `--json`
would also work, but it needs a plugin that not every site has, and its format changes between releases.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from finest.cluster.commands import slurm
from finest.errors import ClusterError

_MARK_BYTES = 8
"""Length of a mark: 64 random bits per call, which the author of a text cannot guess in advance."""


def records(*argv: str, fields: Sequence[str], timeout_s: float) -> list[tuple[str, ...]]:
    """Run squeue or sinfo and return its records with `fields` (`%F`, `%k`); raise ClusterError if that fails."""
    mark = secrets.token_hex(_MARK_BYTES)
    between = f"{mark}|"
    told = slurm(*argv, "-h", "-o", f"{mark}<{between.join(fields)}{mark}>", timeout_s=timeout_s)
    found = []
    for rest in told.split(f"{mark}<")[1:]:
        record, _, _ = rest.partition(f"{mark}>")
        found.append(_checked(argv[0], record.split(between), fields))
    return found


def delimited(*argv: str, fields: Sequence[str], timeout_s: float) -> list[tuple[str, ...]]:
    """Run sacct and return its records with `fields`; the first field must be a number or an id. Raises
    ClusterError.
    """
    mark = f"{secrets.token_hex(_MARK_BYTES)}|"
    told = slurm(*argv, "-n", "-p", f"--delimiter={mark}", "-o", ",".join(fields), timeout_s=timeout_s)
    *parts, _ = told.split(mark)
    size = len(fields)
    found = [parts[start : start + size] for start in range(0, len(parts), size)]
    # the text before an id is the end of the previous line, or a banner
    return [_checked(argv[0], [one[0].rpartition("\n")[2], *one[1:]], fields) for one in found]


def unreadable(command: str) -> ClusterError:
    """Return the error for output that matches no known release of Slurm."""
    return ClusterError(f"the output of {command} is not Slurm's; check whether it is a wrapper: which {command}")


def _checked(command: str, record: list[str], fields: Sequence[str]) -> tuple[str, ...]:
    if len(record) != len(fields):
        raise unreadable(command)
    return tuple(record)
