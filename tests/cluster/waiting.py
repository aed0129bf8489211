"""Handing in jobs and waiting for what the cluster does with them."""

from __future__ import annotations

import time
from collections.abc import Callable

from finest.cluster.commands import slurm

LONGEST_S = 300.0


def submit(script: str, *options: str) -> int:
    """Hand in a job of one core and little memory that writes nothing; returns its id."""
    told = slurm("sbatch", "--parsable", "-o", "/dev/null", "--mem=50M", "-t1", *options, "--wrap", script)
    return int(told.split(";")[0])


def nodes_ready(number: int) -> bool:
    """Whether that many nodes accept jobs."""
    return slurm("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * number


def wait_for(true: Callable[[], bool]) -> None:
    """Fail where it does not come true."""
    end = time.monotonic() + LONGEST_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
