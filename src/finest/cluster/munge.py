"""Check munge, whose daemon signs the messages between Slurm's commands and daemons."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from finest.cluster.commands import conf_value, environment

_ANSWER_S = 5.0
"""Timeout of a command; one takes 20 ms, and without a daemon the client gives up after 2 s."""


def socket_of_cluster() -> Path | None:
    """Return the path of the socket in slurm.conf; None means munge's default."""
    for option in (conf_value("AuthInfo") or "").split(","):
        name, _, value = option.partition("=")
        if name.strip() == "socket":
            return Path(value)
    return None


def complaint(socket: Path | None) -> str | None:
    """Sign a credential and read it again; return munge's error message, or None if both work."""
    where = ["-S", str(socket)] if socket else []
    signed, said = _run("munge", ["-n", *where], b"")
    if signed is None:
        return said
    read, said = _run("unmunge", where, signed)
    return None if read is not None else said


def _run(name: str, options: list[str], told: bytes) -> tuple[bytes | None, str]:
    variables = environment()
    program = shutil.which(name, path=variables["PATH"])
    if program is None:
        return None, f"{name} is not installed"
    try:
        done = subprocess.run(  # noqa: S603
            [program, *options], env=variables, input=told, capture_output=True, timeout=_ANSWER_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"{name} gives no answer"
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return (None, said.removeprefix(f"{name}: ")) if done.returncode else (done.stdout, "")
