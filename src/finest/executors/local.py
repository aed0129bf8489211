"""A local executor of DataTrove's pipelines, with workers that may die.

DataTrove's own pool waits forever when the kernel kills a worker, each of its workers loads models and lists again, and
its import takes a quarter of the time in which a run starts. This executor forks the workers from a process that has
already loaded what they need, and the parent watches each one. When a worker dies, it calls `on_death` with the rank,
which decides whether the rank runs again.

The ranks are not given beforehand: each worker that is free gets its next one from `next_rank`.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from loguru import logger

from finest.errors import FinestError, RunError, plain_os_error
from finest.masking import masked, masked_error
from finest.process import MEMORY_EXIT, leave_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess
    from pathlib import Path

    from datatrove.pipeline.base import PipelineStep


def _raise(_: int, error: Exception) -> None:
    raise error


class ForkedExecutor:
    """Runs ranks of a DataTrove pipeline in forked workers.

    `next_rank(worker)` returns the next rank for that worker, or None if there is none now; the run ends when no worker
    has one. It calls `on_done(rank)` as each rank finishes, `on_tick()` about once a second, `on_death(rank,
    exit_code)` when a worker dies while running a rank, and `on_error(rank, error)` when a rank raises. If `on_death`
    returns, the rank runs again; if `on_error` returns, the rank is left out.
    """

    def __init__(
        self,
        pipeline: Sequence[PipelineStep],
        next_rank: Callable[[int], int | None],
        *,
        world_size: int,
        workers: int,
        logging_dir: Path,
        on_done: Callable[[int], None],
        on_tick: Callable[[], None],
        on_death: Callable[[int, int], None],
        on_error: Callable[[int, Exception], None] = _raise,
    ) -> None:
        self._pipeline, self._world_size, self._workers = tuple(pipeline), world_size, workers
        self._next_rank, self._logs = next_rank, logging_dir
        self._on_done, self._on_tick, self._on_death, self._on_error = on_done, on_tick, on_death, on_error

    def run(self) -> None:
        """Run all ranks; raises what a rank raised. All workers have ended when it returns or raises."""
        self._logs.mkdir(parents=True, exist_ok=True)
        logger.remove()
        workers: list[Worker] = []
        try:
            self._employ(workers)
            while any(worker.rank is not None for worker in workers):
                for worker in self._wait(workers):
                    self._hear(worker, workers)
                self._employ(workers)
                self._on_tick()
        finally:
            for worker in workers:
                worker.stop()

    def _employ(self, workers: list[Worker]) -> None:
        """Give each free worker its next rank, and start further workers while there is work for them."""
        for worker in workers:
            if worker.rank is None:
                worker.give(self._next_rank(worker.number))
        while len(workers) < self._workers and (rank := self._next_rank(len(workers))) is not None:
            workers.append(self._start(len(workers)))
            workers[-1].give(rank)

    def _start(self, number: int) -> Worker:
        context = multiprocessing.get_context("fork")
        mine, theirs = context.Pipe()
        process = context.Process(
            target=self._serve, args=(theirs, number)
        )  # not a daemon: DataTrove's extractor starts a child process
        process.start()
        theirs.close()
        return Worker(process, mine, number)

    @staticmethod
    def _wait(workers: list[Worker]) -> list[Worker]:
        ready = set(wait([w.connection for w in workers if w.rank is not None], timeout=1.0))
        return [worker for worker in workers if worker.connection in ready]

    def _hear(self, worker: Worker, workers: list[Worker]) -> None:
        rank = worker.rank
        assert rank is not None
        try:
            error = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._on_death(rank, worker.process.exitcode or 0)
            replacement = self._start(worker.number)
            workers[workers.index(worker)] = replacement
            replacement.give(rank)
            return
        worker.rank = None
        if error is None:
            self._on_done(rank)
        else:
            self._on_error(rank, error)

    def _serve(self, connection: Connection, number: int) -> None:
        """Run each rank received from the pipe until it sends None, as a worker whose output goes to its own log."""
        leave_with_parent()
        log = self._logs / f"worker-{number:03d}.log"
        _say_into(log)
        gc.freeze()  # what was loaded before the fork is not collected, so its memory stays shared
        logger.add(_Masked(log), level="INFO", diagnose=False)  # diagnose logs variables, secrets too
        for rank in iter(lambda: _receive(connection), None):
            connection.send(self._attempt(rank))

    def _attempt(self, rank: int) -> Exception | None:
        logger.info(f"rank {rank}")
        try:
            self._run_steps(rank)
        except MemoryError:
            os._exit(MEMORY_EXIT)  # the parent treats it as a death; a clean exit would need memory
        except Exception as error:  # noqa: BLE001 - a worker's border; told to the parent
            logger.exception(error)
            return self._told(rank, error)
        return None

    def _run_steps(self, rank: int) -> None:
        """Run the steps of a rank like DataTrove's `_run_for_rank`, but without its per-rank logs and statistics.

        Writing those takes longer than writing a slice's files. The worker has its own log, and the steps write their
        own statistics.
        """
        data: Any = None
        for step in self._pipeline:
            data = step(data, rank, self._world_size)
        deque(data or (), maxlen=0)

    def _told(self, rank: int, error: Exception) -> Exception:
        if isinstance(error, FinestError):
            return error
        if isinstance(error, OSError):
            return RunError(plain_os_error(error, self._logs))
        return RunError(f"slice {rank}: {masked_error(error)}; the traceback is in {self._logs}")


class Worker:
    """One forked process, the pipe to it and the rank that it is running."""

    def __init__(self, process: ForkProcess, connection: Connection, number: int) -> None:
        self.process, self.connection, self.number = process, connection, number
        self.rank: int | None = None

    def give(self, rank: int | None) -> None:
        self.rank = rank
        if rank is not None:
            with contextlib.suppress(OSError):  # a dead worker is noticed when the pipe is read
                self.connection.send(rank)

    def stop(self) -> None:
        if self.rank is not None:
            self.process.kill()  # an unfinished slice is discarded, so there is nothing to clean up
        with contextlib.suppress(OSError):
            self.connection.send(None)
        self.connection.close()
        self.process.join()


def _receive(connection: Connection) -> Any:
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


class _Masked:
    """A log file that masks secrets: a library's error may quote the full address that it could not read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(masked(line))


def _say_into(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
