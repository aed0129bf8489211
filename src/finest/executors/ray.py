"""DataTrove's Ray executor, run so that its caller can watch, and end it.

DataTrove's `run` blocks, says nothing of a task that failed until all others are done, and then only warns; a killed
process of one of its pools is waited for for ever. So it runs in a thread here, and the caller judges by what the
tasks leave behind.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datatrove.executor import RayPipelineExecutor

from finest.errors import ClusterError

if TYPE_CHECKING:
    from datatrove.pipeline.base import PipelineStep

STOP_S = 20.0
"""How long the thread may take to notice that Ray is gone: DataTrove looks every 10 s."""


class RayStage(RayPipelineExecutor):
    """Runs `step` as `tasks` tasks on the Ray cluster of RAY_ADDRESS, or on one that is started here.

    A context manager: leaving it ends whatever still runs. `folder` must be seen by all nodes under the same path.
    """

    def __init__(self, step: PipelineStep, tasks: int, *, cpus_per_task: int, memory_gb: float, folder: Path) -> None:
        super().__init__(
            [step], tasks=tasks, cpus_per_task=cpus_per_task, mem_per_cpu_gb=memory_gb, logging_dir=str(folder)
        )

    def save_executor_as_json(self, indent: int = 4) -> None:
        """A record for people, which knows no paths."""

    def __getstate__(self) -> dict[str, Any]:
        """What goes to the nodes: all but the thread here."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_thread", "error")}

    def __enter__(self) -> RayStage:
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call after the end must not start another Ray
        try:
            import ray  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise ClusterError("Ray is not installed; install it with: pip install 'finest-data[ray]'") from None
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
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
        """Whether no task is left to run; how they ended, their traces say."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.run()
        except Exception as error:  # noqa: BLE001 - a thread's border; raised where it is joined
            self.error = error
