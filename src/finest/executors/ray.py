"""DataTrove's Ray executor, run by a process of its own so that the caller can watch it and end it.

DataTrove's `run` blocks. It reports a failed task only after all others have ended, and then only as a warning; it
waits forever for a killed process of one of its pools; and its threads may wait forever for a lost node even after Ray
has shut down, so that the process that runs it never exits. So Ray's driver is a forked process, which is killed if it
does not end by itself, and the caller relies on the files that the tasks write.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from datatrove.executor import RayPipelineExecutor
from loguru import logger

from finest.errors import ClusterError
from finest.masking import masked_error
from finest.process import leave_with_parent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from datatrove.pipeline.base import PipelineStep

LOOK_S = 0.5
START_S = 120.0
"""How long Ray may take to start or to be reached, which takes 3 to 10 s; ray.init() itself waits without end."""
STOP_S = 20.0
"""How long the driver may take to shut down Ray before it is killed; it takes 1 to 2 s on an idle machine."""


class RayStage:
    """Runs `step` as `tasks` tasks on the Ray cluster of RAY_ADDRESS, or on one that is started here.

    A context manager: leaving it ends the tasks that still run. All nodes must see `folder` under the same path.
    `error` tells afterwards why the driver failed; it is empty if it did not.
    """

    def __init__(self, step: PipelineStep, tasks: int, *, cpus_per_task: int, memory_gb: float, folder: Path) -> None:
        logger.disable("datatrove")  # it prints each task's error with its traceback; the caller tells them
        executor = _Executor(
            [step], tasks=tasks, cpus_per_task=cpus_per_task, mem_per_cpu_gb=memory_gb, logging_dir=str(folder)
        )
        context = multiprocessing.get_context("fork")
        self._pipe, self._theirs = context.Pipe()
        self._driver = context.Process(target=_drive, args=(executor, self._theirs, self._pipe), name="ray")
        self.error = ""

    def __enter__(self) -> RayStage:
        if find_spec("ray") is None:
            raise ClusterError("Ray is not installed; install it with: pip install 'finest-data[ray]'")
        self._driver.start()
        self._theirs.close()
        try:
            reason = self._receive() if self._pipe.poll(START_S) else f"no answer within {START_S:.0f} s"
            if reason:
                raise ClusterError(f"Ray cannot be reached or started: {reason}; RAY_ADDRESS names its cluster")
        except BaseException:  # Ctrl-C too
            self._driver.kill()
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.error = self._receive() if self.is_over else ""
        self._pipe.close()
        self._driver.join(STOP_S)
        self._driver.kill()
        self._driver.join()

    @property
    def is_over(self) -> bool:
        """Whether all tasks have ended; their trace files tell how."""
        return not self._driver.is_alive()

    def _receive(self) -> str:
        """Return the driver's next message: an error, or "" where there is none."""
        with suppress(EOFError, OSError):
            return str(self._pipe.recv())
        self._driver.join()
        return f"Ray's driver ended with exit status {self._driver.exitcode}" if self._driver.exitcode else ""


class _Executor(RayPipelineExecutor):
    def save_executor_as_json(self, indent: int = 4) -> None:
        """Do nothing: DataTrove's informational JSON file cannot represent paths."""


def _drive(executor: _Executor, pipe: Connection, parents: Connection) -> None:
    """Be Ray's driver until all tasks have ended or the parent closes its end of the pipe.

    Sends an error, or "" if there is none, when Ray has started, and when the tasks have ended.
    """
    leave_with_parent()
    parents.close()
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call after the shutdown must not start another Ray
    try:
        import ray  # type: ignore[import-not-found, import-untyped, unused-ignore]

        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # noqa: BLE001 - a process's border; raised in the parent
        pipe.send(masked_error(error))
        os._exit(0)
    pipe.send("")
    tasks = threading.Thread(target=_run, args=(executor, pipe), daemon=True)
    tasks.start()
    while tasks.is_alive() and not pipe.poll(LOOK_S):
        pass
    ray.shutdown()
    os._exit(0)  # the interpreter's own exit would wait for DataTrove's threads


def _run(executor: _Executor, pipe: Connection) -> None:
    error = ""
    try:
        executor.run()
    except Exception as failure:  # noqa: BLE001 - a thread's border; told to the parent
        error = masked_error(failure)
    with suppress(OSError):  # the parent may have gone
        pipe.send(error)
