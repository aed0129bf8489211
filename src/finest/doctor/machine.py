"""Processors, memory, disk and open files: whether this machine can hold the work, and how much of it."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from finest.doctor.check import Finding, failure, ok, warning
from finest.doctor.subject import Subject
from finest.figures import byte_size, counted
from finest.miner.room import SPARE_BYTES, needed_bytes

WORKER_BYTES = 0.5e9
"""Memory of a worker as measured (docs/performance.md: 522 MB at the peak of a run with one)."""
WORKER_MOST_BYTES = 1.0e9
"""The same with the largest pages of a crawl in its hands."""
WARC_BYTES = 1.0e9
"""A file of Common Crawl's, compressed."""
TASK_WARCS = 4
"""What a lease holds unless more is asked for (tasks.models.LeaseRequest)."""
SOME_TASKS = 5
"""Tasks that wait for their verdicts with room to spare."""
LEAST_FILES = 1024
"""Open files: each worker holds some twenty, MinHash a hundred or so, and every connection one."""
_CGROUP = Path("/sys/fs/cgroup")


def processors(subject: Subject) -> Finding:
    """Memory for as many workers as there are processors."""
    cores, free = available_processors(), available_memory_bytes()
    wanted = subject.workers or cores
    sure, usual = int(free // WORKER_MOST_BYTES), int(free // WORKER_BYTES)
    line = f"{counted(cores, 'processor')}, {byte_size(free)} of memory free: {counted(min(cores, sure), 'worker')}"
    if not usual:
        return failure(f"{byte_size(free)} of memory free; a worker takes {byte_size(WORKER_BYTES)}", _MORE_MEMORY)
    if wanted > usual:
        return warning(f"{line}; {wanted} do not fit", f"finest mine --cpus_per_task {max(1, sure)}")
    if wanted > sure:
        return warning(f"{line} for sure, {min(wanted, usual)} usually", f"finest mine --cpus_per_task {max(1, sure)}")
    return ok(line)


_MORE_MEMORY = "free some memory: ps aux --sort=-rss | head"


def available_processors() -> int:
    """Processors that this process may run on, with a container's share counted."""
    cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def available_memory_bytes() -> int:
    """Memory that can be taken without swapping: the machine's, or what a container has left of its own."""
    left = [_meminfo_bytes("MemAvailable")]
    with suppress(OSError, ValueError):
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            left.append(int(limit) - int((_CGROUP / "memory.current").read_text()))
    return max(0, min(left))


def _meminfo_bytes(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return 0


def disk(subject: Subject) -> Finding:
    """`--work` can be written to and has room for a task, and better for some that wait for their verdict."""
    folder = subject.work.expanduser().absolute()
    there = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return failure(
            f"nothing can be written in {there}: {error.strerror}", "finest mine --work DIR, a folder of yours"
        )
    free, task = shutil.disk_usage(there).free, task_bytes()
    line = f"{byte_size(free)} free at {folder}; a task of {TASK_WARCS} WARCs takes about {byte_size(task)}"
    if free < task + SPARE_BYTES:
        return failure(line, f"df -h {there}, and free some space; or finest mine --work DIR on a larger disk")
    if free < SOME_TASKS * task + SPARE_BYTES:
        return warning(
            f"{line}, kept until its verdict", "finest mine --work DIR on a larger disk, or bound it with --keep"
        )
    return ok(line)


def task_bytes() -> int:
    """Disk that a task of the usual size takes."""
    return needed_bytes(int(WARC_BYTES * TASK_WARCS))


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that exists."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def open_files(_: Subject) -> Finding:
    """The limit on open files leaves room for workers and connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= LEAST_FILES:
        return ok("no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} files may be open at a time")
    raised = LEAST_FILES if hard == resource.RLIM_INFINITY or hard >= LEAST_FILES else hard
    return warning(f"only {soft:,} files may be open at a time; {LEAST_FILES:,} is safe", f"ulimit -n {raised}")
