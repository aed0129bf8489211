"""Run one Slurm command with a timeout, in a clean environment, and explain its errors in plain words.

The package uses no Slurm library: each one on PyPI is tied to one release of Slurm. It does not use `--json` either,
whose format changes between releases, while the fields of `-o` have kept theirs for a decade (framed.py reads them).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finest.cluster.layout import SYSTEM_CONF, default_conf
from finest.errors import ClusterError, ClusterUnavailable

TIMEOUT_S = 30.0
"""Timeout of a command: more than the 9 s for which a client tries to reach a controller that is down, because a busy
controller may take as long."""

_KEPT = ("SLURM_CONF", "SLURM_JWT")
"""Slurm variables that select the cluster; all others set formats or filters, or describe the current job."""
_SCRUBBED = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SRUN_", "SALLOC_", "SACCTMGR_")
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class CommandRefused(ClusterError):
    """Raised when Slurm refuses a request; `said` is its own message."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


_CONTROLLER = "the Slurm controller (slurmctld) does not answer; see: finest cluster check"
_MUNGE = (
    "munge does not answer, or its key differs from the controller's, so Slurm accepts no request; "
    "see: finest cluster check"
)
_DATABASE = "the accounting database (slurmdbd) does not answer; see: finest cluster check"
_NO_CLUSTER = (
    "this machine knows of no Slurm cluster: there is no slurm.conf, and SLURM_CONF names none; "
    "a cluster of this one machine: sudo finest cluster up"
)
_NO_ACCOUNTS = "this cluster keeps no accounts (no slurmdbd), so Slurm forgets finished jobs after minutes"
_UNAVAILABLE = {
    "Unable to contact slurm controller": _CONTROLLER,
    "Munge encode failed": _MUNGE,
    "Munge decode failed": _MUNGE,
    "Invalid authentication credential": _MUNGE,
    "Protocol authentication error": _MUNGE,
    "Problem talking to the database": _DATABASE,
    "Unable to connect to database": _DATABASE,
    "slurm_persist_conn_open_without_init": _DATABASE,
    "Could not establish a configuration source": _NO_CLUSTER,
}
"""Messages of Slurm (22.05 to 24.11) and their meanings; the first one found counts."""


def slurm(*argv: str, timeout_s: float = TIMEOUT_S) -> str:
    """Run a Slurm command and return its standard output.

    Raises CommandRefused if Slurm refuses, ClusterUnavailable if it does not respond within `timeout_s`, and
    ClusterError if it is not installed or its configuration is missing.
    """
    done = run(*argv, timeout_s=timeout_s)
    if done.returncode:
        raise explained(argv[0], done.returncode, done.stderr or done.stdout)
    return done.stdout


def run(*argv: str, timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Run a Slurm command and return its output and exit status, also if it fails.

    Raises ClusterError if it cannot run, ClusterUnavailable if it exceeds `timeout_s`.
    """
    variables = environment()
    program = shutil.which(argv[0], path=variables["PATH"])
    if program is None:
        raise ClusterError(
            f"Slurm's {argv[0]} is not installed here; on a node of a cluster: sudo apt-get install slurm-client; "
            "for a cluster of this one machine: sudo finest cluster up"
        )
    require_conf(variables)
    try:
        return subprocess.run(  # noqa: S603 - argv, no shell
            [program, *argv[1:]],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            start_new_session=True,  # finest handles Ctrl-C; it must not end the running command
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterUnavailable(
            f"{argv[0]} gave no answer in {timeout_s:.0f} s; see `finest cluster check`"
        ) from error


def environment() -> dict[str, str]:
    """Return the environment for a Slurm command: this process's, with only those Slurm variables that select a
    cluster.

    A job inherits it (`sbatch --export=ALL`), so it must not contain the variables of a job around this process: with
    SLURM_ARRAY_TASK_ID set, DataTrove runs a task instead of submitting it.
    """
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or not k.startswith(_SCRUBBED)}
    kept["PATH"] = os.pathsep.join([kept.get("PATH", os.defpath), *_SBIN])
    kept["SLURM_BITSTR_LEN"] = "0"  # show an array's full list of tasks: squeue truncates it to 64 bytes by default
    conf = default_conf()
    if "SLURM_CONF" not in kept and not SYSTEM_CONF.exists() and conf.exists():
        kept["SLURM_CONF"] = str(conf)  # the cluster that `finest cluster up` created here
    return kept


@contextmanager
def cluster_at(conf: Path) -> Iterator[None]:
    """Direct this process's Slurm commands to the cluster of that slurm.conf inside the block."""
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(conf)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def require_conf(variables: dict[str, str]) -> None:
    """Raise ClusterError if SLURM_CONF is not a readable file: every Slurm command would search for it for 59 s."""
    conf = variables.get("SLURM_CONF")
    if conf and not os.access(conf, os.R_OK):
        raise ClusterError(f"SLURM_CONF names {conf}, which cannot be read; set it to your cluster's slurm.conf")


def explained(command: str, code: int, complaint: str) -> ClusterError:
    """Return the error to raise for the error output of a Slurm command."""
    for words, meaning in _UNAVAILABLE.items():
        if words in complaint:
            return ClusterUnavailable(meaning)
    said = _essence(complaint) or f"exit status {code}, without output"
    if "Slurm accounting storage is disabled" in complaint:
        return CommandRefused(_NO_ACCOUNTS, said)
    return CommandRefused(f"{command} failed: {said}", said)


def _essence(complaint: str) -> str:
    """Return the last error line without `sbatch: error:`; the first lines often come from plugins."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line or "fatal:" in line] or lines
    if not errors:
        return ""
    _, _, told = errors[-1].rpartition("error: ")
    return told.rpartition("fatal: ")[2]


def conf_value(key: str) -> str | None:
    """Return the value of `key` in the local slurm.conf; None if there is no such line or file."""
    conf = Path(environment().get("SLURM_CONF") or SYSTEM_CONF)
    try:
        text = conf.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = None
    for line in text.splitlines():
        name, equals, value = line.partition("#")[0].strip().partition("=")
        if equals and name.strip().lower() == key.lower():
            found = value.strip()
    return found
