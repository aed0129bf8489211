"""DataTrove's Ray executor, run in a thread so that the caller can watch it and end it.

DataTrove's `run` blocks. It reports a failed task only after all others have ended, and then only as a warning; and it
waits forever for a killed process of one of its pools. So it runs in a thread here, and the caller relies on the files
that the tasks write.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.executor import RayPipelineExecutor
from loguru import logger

from finest.errors import ClusterError

if TYPE_CHECKING:
    from datatrove.pipeline.base import PipelineStep

STOP_S = 20.0
"""How long the thread may take to notice that Ray has shut down: DataTrove checks every 10 s."""


class RayStage(RayPipelineExecutor):
    """Runs `step` as `tasks` tasks on the Ray cluster of RAY_ADDRESS, or on one that is started here.

    A context manager: leaving it ends the tasks that still run. All nodes must see `folder` under the same path.
    """

    def __init__(self, step: PipelineStep, tasks: int, *, cpus_per_task: int, memory_gb: float, folder: Path) -> None:
        logger.disable("datatrove")  # it prints each task's error with its traceback; the caller tells them
        super().__init__(
            [step], tasks=tasks, cpus_per_task=cpus_per_task, mem_per_cpu_gb=memory_gb, logging_dir=str(folder)
        )

    def save_executor_as_json(self, indent: int = 4) -> None:
        """Do nothing: DataTrove's informational JSON file cannot represent paths."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to send to the nodes: everything except the local thread and its error."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_thread", "error")}

    def __enter__(self) -> RayStage:
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call after the shutdown must not start another Ray
        try:
            import ray  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise ClusterError("Ray is not installed; install it with: pip install 'finest-data[ray]'") from None
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, OSError) as error:
            raise ClusterError(f"Ray cannot be reached or started: {error}; RAY_ADDRESS names its cluster") from error
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ray", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()
        self._thread.join(STOP_S)

    @property
    def is_over(self) -> bool:
        """Whether all tasks have ended; their trace files tell how."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.run()
        except Exception as error:  # noqa: BLE001 - a thread's border; raised where it is joined
            self.error = error
