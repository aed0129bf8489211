"""Checks of the machine: processors, memory, disk, open files and GPU, and how much work they suffice for."""

from __future__ import annotations

import importlib
import importlib.util
import os
import resource
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from finest.capacity import available_memory_bytes, nearest
from finest.doctor.subject import Subject
from finest.findings import Finding, failure, ok, skipped, warning
from finest.formatting import byte_size, counted
from finest.miner.disk import RESERVE_BYTES, needed_bytes

WORKER_BYTES = 0.5e9
"""Typical memory of a worker (docs/concepts/performance.md: 522 MB at the peak of a run with one worker)."""
WORKER_MOST_BYTES = 1.0e9
"""Memory of a worker that processes the largest pages of a crawl."""
WARC_BYTES = 1.0e9
"""Compressed size of a WARC file of Common Crawl."""
TASK_WARCS = 4
"""WARC files per lease by default (tasks.models.LeaseRequest)."""
SOME_TASKS = 5
"""Number of tasks for which the disk should have room while they wait for their verdicts."""
MONTHS_BYTES = 10 * 10**9
"""Disk of a validator for months: three releases with packages (0.85 GB each), a verdict's files, its records."""
LEAST_FILES = 1024
"""Open files that suffice: each worker holds about 20, MinHash about 100, and every connection one."""
_CGROUP = Path("/sys/fs/cgroup")


def processors(subject: Subject) -> Finding:
    """Check that memory suffices for one worker per processor."""
    cores, free = available_processors(), available_memory_bytes()
    wanted = subject.workers or cores
    sure, usual = int(free // WORKER_MOST_BYTES), int(free // WORKER_BYTES)
    line = f"{counted(cores, 'processor')}, {byte_size(free)} of memory free: {counted(min(cores, sure), 'worker')}"
    if not usual:
        return failure(f"{byte_size(free)} of memory free; a worker takes {byte_size(WORKER_BYTES)}", _MORE_MEMORY)
    if wanted > usual:
        return warning(f"{line}; {wanted} do not fit", f"finest mine --cpus-per-task {max(1, sure)}")
    if wanted > sure:
        return warning(f"{line} for sure, {min(wanted, usual)} usually", f"finest mine --cpus-per-task {max(1, sure)}")
    return ok(line)


_MORE_MEMORY = "free some memory: ps aux --sort=-rss | head"
_NEWER_KERNEL = "run Linux 6.12 or newer with landlock among its security modules: cat /sys/kernel/security/lsm"


def available_processors() -> int:
    """Return the number of processors that this process may use, limited to a container's quota."""
    cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def disk(subject: Subject) -> Finding:
    """Check that `--work` is writable and has room for a task, and preferably for several awaiting their verdict."""
    folder = subject.work.expanduser().absolute()
    there = nearest(folder)
    if (why := _not_writable(there)) is not None:
        return failure(f"nothing can be written in {there}: {why}", "finest mine --work DIR, a folder of yours")
    free, task = shutil.disk_usage(there).free, task_bytes()
    line = f"{byte_size(free)} free at {folder}; a task of {TASK_WARCS} WARCs takes about {byte_size(task)}"
    if free < task + RESERVE_BYTES:
        return failure(line, f"df -h {there}, and free some space; or finest mine --work DIR on a larger disk")
    if free < SOME_TASKS * task + RESERVE_BYTES:
        return warning(
            f"{line}, kept until its verdict", "finest mine --work DIR on a larger disk, or limit it with --keep"
        )
    return ok(line)


def task_bytes() -> int:
    """Return the disk space in bytes that a task of the usual size takes."""
    return needed_bytes(int(WARC_BYTES * TASK_WARCS))


def memory(subject: Subject) -> Finding:
    """Check the memory for parallel verdicts (one past its limit is killed), and that each has a processor.

    A verdict on a large merge is given beside them (finest.validator.loop.judge). It needs memory of its own; the
    processors it shares with the others, since there is seldom one.
    """
    from finest.validator.budget import MEMORY_BYTES

    cores, free, wanted = available_processors(), available_memory_bytes(), subject.workers or 1
    fitting = int(free // MEMORY_BYTES)
    sure = min(cores, max(1, fitting - 1))
    line, beside = f"{counted(cores, 'processor')}, {byte_size(free)} of memory free", "one on a large merge beside"
    if not fitting:
        return failure(f"{line}; a verdict may take {byte_size(MEMORY_BYTES)}", _MORE_MEMORY)
    if wanted > sure:
        return warning(
            f"{line}: {wanted} verdicts at a time and {beside} do not fit", f"{subject.command} --parallel {sure}"
        )
    if fitting == 1:
        return warning(f"{line}: a verdict fits, but not {beside}", _MORE_MEMORY)
    return ok(f"{line}: {counted(sure, 'verdict')} at a time, {beside}")


def room(subject: Subject) -> Finding:
    """Check that a validator's `--work` is writable and has room for its records, a verdict's files and an update."""
    folder = subject.work.expanduser().absolute()
    there = nearest(folder)
    if (why := _not_writable(there)) is not None:
        return failure(f"nothing can be written in {there}: {why}", f"{subject.command} --work DIR, a folder of yours")
    free = shutil.disk_usage(there).free
    line = f"{byte_size(free)} free at {folder}"
    if free < RESERVE_BYTES:
        return failure(f"{line}; {byte_size(RESERVE_BYTES)} are needed", f"df -h {there}, and free some space")
    if free < MONTHS_BYTES:
        return warning(f"{line}; {byte_size(MONTHS_BYTES)} last for months", f"df -h {there}")
    return ok(line)


def confinement(_: Subject) -> Finding:
    """Check that the kernel can keep the processes that read untrusted datasets away from files and connections."""
    from finest.sandbox import landlock, missing

    lacks = missing()
    if lacks:
        return warning(f"untrusted datasets are read with less protection: {'; '.join(lacks)}", _NEWER_KERNEL)
    return ok(f"untrusted datasets are read by confined processes: seccomp, Landlock {landlock.version()}")


def _not_writable(folder: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def gpu(_: Subject) -> Finding:
    """Show the GPU that PyTorch sees, if PyTorch is installed. No verdict needs it."""
    if importlib.util.find_spec("torch") is None:
        return skipped("no PyTorch, and no verdict needs it")
    try:
        torch: Any = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return warning(f"PyTorch cannot be imported ({type(error).__name__}); no verdict needs it", "pip install torch")
    if not torch.cuda.is_available():
        return skipped(f"PyTorch {torch.__version__} sees no GPU, and no verdict needs one")
    free, total = torch.cuda.mem_get_info()
    return ok(
        f"{torch.cuda.get_device_name()}, {byte_size(free)} of {byte_size(total)} free, PyTorch {torch.__version__}"
    )


def open_files(_: Subject) -> Finding:
    """Check that the limit on open files is high enough for workers and connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= LEAST_FILES:
        return ok("no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} files may be open at a time")
    raised = LEAST_FILES if hard == resource.RLIM_INFINITY or hard >= LEAST_FILES else hard
    return warning(f"only {soft:,} files may be open at once; {LEAST_FILES:,} is enough", f"ulimit -n {raised}")
