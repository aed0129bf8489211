"""Slurm: its commands are there, and its controller answers."""

from __future__ import annotations

import shutil
import subprocess

from finest.doctor.check import Finding, failure, ok, skipped
from finest.doctor.subject import Subject

COMMANDS = ("sbatch", "squeue", "sinfo", "scancel", "sacct")
_ANSWER_S = 15.0


def slurm(subject: Subject) -> Finding:
    """With `--executor slurm`: jobs can be handed in."""
    if subject.executor != "slurm":
        return skipped(f"not asked for: --executor {subject.executor}")
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        return failure(
            f"not installed: {', '.join(missing)}", "sudo apt-get install slurm-client, on a node of the cluster"
        )
    return _partitions()


def _partitions() -> Finding:
    asked = ["sinfo", "--noheader", "--format=%P %a %D"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_ANSWER_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return failure(f"sinfo does not answer in {_ANSWER_S:.0f} s", "scontrol ping")
    up = [words[0] for line in done.stdout.splitlines() if (words := line.split())[1:2] == ["up"]]
    if done.returncode:
        return failure(f"sinfo: {done.stderr.strip().partition(chr(10))[0][:200]}", "scontrol ping")
    if not up:
        return failure("no partition is up", "sinfo --list-reasons")
    return ok(f"partitions {', '.join(up[:5])}")
