"""Every error that Finest Data raises on purpose.

    FinestError                a person can act on it; the command line prints it as one line
    ├── UsageError             the command or its arguments make no sense                     exit 2
    ├── SourceError            a source cannot be named, found, opened or read                exit 3
    ├── RecipeError            a recipe file is wrong, or asks for what is not installed      exit 4
    ├── LedgerError            the output folder belongs to another run, recipe or process    exit 5
    ├── RunError               a run stopped: too many failures, disk full, worker crashed    exit 6
    │   └── JobFailed              a job of a cluster ended badly; a rerun does what is missing
    ├── VerifyError            a dataset is not what its manifest says                        exit 7
    ├── PageError              text cannot be extracted from a page: it passes a limit        exit 1
    ├── HubError               the Hub refuses: no token, no right, a name it will not have   exit 8
    │   ├── HubNotFound        no such repository, revision or file for whoever asks
    │   └── HubUnavailable     it cannot be reached, or asks to wait for too long
    ├── ChainError             the chain refuses or cannot be reached (kinds: chain/errors.py) exit 9
    ├── DevnetError            a devnet is not there, or a part of it cannot run              exit 10
    ├── TaskServerError        the task server refuses (kinds: tasks/client.py)               exit 11
    │   └── TaskServerUnavailable   it cannot be reached, or asks to wait for too long
    ├── LeaseLost              the task is somebody else's now; work on it has ended          exit 12
    ├── ClusterError           Slurm is not there, is ill, or refuses                         exit 13
    │   └── ClusterUnavailable      it does not answer; waiting may help
    └── NeedsPerson            nothing that a restart mends; pm2 and systemd leave it down    exit 78

A message says what, where, and the command that mends it. It holds no secret and no control character, whatever it was
made of: see masking.py.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from finest.masking import masked, printable

NO_EVIDENCE = 75
"""Exit status of an audit or a proof that could not be made (sysexits.h: EX_TEMPFAIL): try again later."""


class FinestError(Exception):
    """Base of all; `exit_code` is what the command line returns."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(masked(super().__str__()))


class UsageError(FinestError):
    exit_code = 2


class SourceError(FinestError):
    exit_code = 3


class RecipeError(FinestError):
    exit_code = 4


class LedgerError(FinestError):
    exit_code = 5


class RunError(FinestError):
    exit_code = 6


class JobFailed(RunError):
    pass


class VerifyError(FinestError):
    exit_code = 7


class PageError(FinestError):
    pass


class HubError(FinestError):
    exit_code = 8


class HubNotFound(HubError):
    pass


class HubUnavailable(HubError):
    pass


class ChainError(FinestError):
    exit_code = 9


class DevnetError(FinestError):
    exit_code = 10


class TaskServerError(FinestError):
    exit_code = 11


class TaskServerUnavailable(TaskServerError):
    pass


class LeaseLost(FinestError):
    exit_code = 12


class ClusterError(FinestError):
    exit_code = 13


class ClusterUnavailable(ClusterError):
    pass


class NeedsPerson(FinestError):
    exit_code = 78  # sysexits.h: EX_CONFIG


FULL_BELOW_BYTES = 64 * 1024
"""A file system with less room than this is taken for full where a library says only that a write was short."""


def plain_os_error(error: OSError, folder: Path) -> str:
    """What the operating system refused, where, and what to do; `folder` is where the run was writing."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or (error.errno is None and shutil.disk_usage(folder).free < FULL_BELOW_BYTES):
        what = f"the disk is full at {error.filename or folder}; free some space"
    else:
        what = f"{error.strerror or error}{f' at {error.filename}' if error.filename else ''}; solve that"
    return f"{what} and run the same command again: finished slices are kept"
