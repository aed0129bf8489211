"""All errors that Finest Data raises on purpose.

    FinestError                base class: the user can act on it; printed as one line
    ├── UsageError             the command or its arguments are invalid                       exit 2
    │   └── WhereError             an expression (--where) is not of the language, or not of these columns
    ├── SourceError            a source cannot be named, found, opened or read                exit 3
    │   └── SourceBusy             a server refuses requests for longer than --max-pause   exit 75
    ├── RecipeError            a recipe is invalid or needs something not installed           exit 4
    ├── LedgerError            the output folder belongs to another run, recipe or process    exit 5
    ├── RunError               a run stopped: too many failures, disk full, worker crashed    exit 6
    │   ├── JobFailed              a cluster job failed; a rerun does what is missing
    │   └── NoRoom                 disk or memory are too small for the work, which has not begun
    ├── VerifyError            a dataset does not match its manifest or its sources           exit 7
    ├── PageError              text cannot be extracted from a page, e.g. past a limit        exit 1
    ├── HubError               the Hub refuses: no token, no permission, invalid name         exit 8
    │   ├── HubNotFound        no such repository, revision or file for this user
    │   └── HubUnavailable     the Hub is unreachable, or asks to wait too long
    ├── ChainError             the chain refuses or cannot be reached (kinds: chain/errors.py) exit 9
    ├── DevnetError            a devnet is missing, or one of its services cannot run         exit 10
    ├── TaskServerError        the task server refuses (kinds: tasks/transport.py)            exit 11
    │   └── TaskServerUnavailable   the server is unreachable, or asks to wait too long
    ├── LeaseLost              the task's lease was lost, so work on it has ended             exit 12
    ├── ClusterError           Slurm is missing, unhealthy, or refuses                        exit 13
    │   └── ClusterUnavailable      Slurm does not answer; waiting may help
    ├── ModelError             a quality model is invalid, or is not the one that is asked for exit 14
    └── NeedsPerson            a restart cannot help; pm2 and systemd do not restart it       exit 78

A message states the problem, its place, and the command that repairs it. Every message is free of secrets and
control characters: see masking.py.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from finest.masking import masked, printable

NO_EVIDENCE = TRY_LATER = 75
"""Exit status of an audit or verification without enough evidence, and of a run whose sources' server keeps refusing
requests (sysexits.h: EX_TEMPFAIL): try again later."""


class FinestError(Exception):
    """Base class of all errors; `exit_code` is the exit status of the command line."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(masked(super().__str__()))


class UsageError(FinestError):
    exit_code = 2


class WhereError(UsageError):
    pass


class SourceError(FinestError):
    exit_code = 3


class SourceBusy(SourceError):
    exit_code = TRY_LATER


class RecipeError(FinestError):
    exit_code = 4


class LedgerError(FinestError):
    exit_code = 5


class RunError(FinestError):
    exit_code = 6


class JobFailed(RunError):
    pass


class NoRoom(RunError):
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


class ModelError(FinestError):
    exit_code = 14


class NeedsPerson(FinestError):
    exit_code = 78  # sysexits.h: EX_CONFIG


FULL_BELOW_BYTES = 64 * 1024
"""Free space below which a file system counts as full, when a library only reports a short write."""


def plain_os_error(error: OSError, folder: Path) -> str:
    """Describe what the operating system refused, where, and what to do; `folder` is where the run was writing."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and error.filename:
        return f"a file is in the way at {error.filename}, where a folder is needed; name another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and isinstance(error.filename, str | bytes | Path):
        return _no_permission(error, Path(os.fsdecode(error.filename)))
    if full or (error.errno is None and shutil.disk_usage(folder).free < FULL_BELOW_BYTES):
        what = f"the disk is full at {error.filename or folder}; free some space"
    else:
        what = f"{error.strerror or error}{f' at {error.filename}' if error.filename else ''}; solve that"
    return f"{what} and run the same command again: finished slices are kept"


def _no_permission(error: OSError, path: Path) -> str:
    """Describe whose the file or folder is that refuses, and what to do."""
    place = path.absolute()
    with suppress(OSError):
        while not place.exists() or (place.is_file() and os.access(place, os.W_OK)):
            place = place.parent
    refused = f"{error.strerror} at {printable(str(path))}"
    if error.errno == errno.EROFS:
        return f"{refused}: its file system is mounted for reading only; name a folder on another one"
    try:
        seen = place.stat()
    except OSError:
        return f"{refused}; name a folder that is yours"
    name, owner, you = printable(str(place)), _user(seen.st_uid), _user(os.geteuid())
    whose = f"{name} belongs to {owner} ({stat.filemode(seen.st_mode)}), and you are {you}"
    grant = f"setfacl -m u:{you}:rwX {shlex.quote(name)}"
    return f"{refused}: {whose}; name a folder that is yours, or have {owner} type: {grant}"


def _user(number: int) -> str:
    """Return the user's name; the number if it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
