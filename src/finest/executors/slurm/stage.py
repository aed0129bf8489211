"""One stage of a run as one job array: DataTrove's Slurm executor with a safer submission.

DataTrove's own submission splits a stage above the cluster's limit into chained arrays in a way that can lose rows
(`afterany` between them, `afterok` only on the last), inherits the caller's SLURM_ variables, hides why sbatch refused,
and adds a job that merges statistics which finest does not use. So a stage here has at most as many tasks as one array
allows, and `submit` submits it; the code that runs in the job is DataTrove's.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dill  # type: ignore[import-untyped]
import orjson
from datatrove.executor import SlurmPipelineExecutor

from finest.cluster.commands import slurm
from finest.errors import ClusterError
from finest.executors.slurm.units import comment, job_name, submitted
from finest.formatting import showable

if TYPE_CHECKING:
    from datatrove.pipeline.base import PipelineStep

    from finest.executors.request import Allotment


SAID_CHARS = 200
_IDS = re.compile(r"^(?:Submitted batch job ([0-9]+)|([0-9]+)(?:;[\w.-]+)?)$", re.MULTILINE | re.ASCII)
"""Matches `ID` or `ID;CLUSTER` (`--parsable`), and sbatch's default line in case a wrapper drops that option."""


class SlurmStage(SlurmPipelineExecutor):
    """Runs `step` as `tasks` tasks of one array; `step` must be importable where the jobs run.

    The nodes must see `folder` under the same path: it holds the pickled stage, DataTrove's logs and the output of each
    task, `task-N.log`.
    """

    def __init__(
        self, step: PipelineStep, tasks: int, allotment: Allotment, *, run: str, stage: str, folder: Path
    ) -> None:
        bin_folder = shlex.quote(str(Path(sys.executable).parent))
        super().__init__(
            [step], tasks=tasks, time=allotment.time, partition=allotment.partition,
            cpus_per_task=allotment.cpus_per_task, mem_per_cpu_gb=max(1, allotment.memory_per_cpu_mb // 1024),
            job_name=job_name(run, stage), qos=None, requeue=True, with_srun=False,
            env_command=f'export PATH={bin_folder}:"$PATH"', logging_dir=str(folder), slurm_logs_folder=str(folder),
        )  # fmt: skip
        self._folder, self._run, self._stage = folder, run, stage
        self._options = allotment.options()

    def submit(self, *, after: int | None = None) -> int:
        """Submit the stage and return the array's id; with `after`, it starts once all tasks of that job have ended.

        Raises ClusterError. Slurm starts the task of a lost node again on another one; how often is up to the step.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "executor.pik").open("wb") as file:
            dill.dump(self, file)
        (self._folder / "ranks_to_run.json").write_bytes(orjson.dumps(list(range(self.tasks))))
        # exec, so that the job gets the step's own exit status and signals
        script = self.get_launch_file_contents(
            {}, f"exec launch_pickled_pipeline {shlex.quote(str(self._folder / 'executor.pik'))}"
        )
        path = self._folder / "launch_script.slurm"
        path.write_bytes(os.fsencode(script))
        return self._id(slurm("sbatch", *self._sbatch(after), str(path)))

    def _id(self, told: str) -> int:
        """Return the array's id from the queue, or else from sbatch's output, around which a site may print more.

        Raises ClusterError if neither has it.
        """
        try:
            found = submitted(self._run, self._stage)
        except ClusterError:
            found = None
        if found is None:
            said = {match[1] or match[2] for match in _IDS.finditer(told)}
            if len(said) != 1:
                raise ClusterError(
                    f"sbatch gave no job id but {showable(told.strip(), SAID_CHARS)!r}, and the queue has no such job"
                )
            found = int(said.pop())
        return found

    def _sbatch(self, after: int | None) -> list[str]:
        waits = [f"--dependency=afterany:{after}"] if after is not None else []
        log = str(self._folder).replace("%", "%%")
        return [
            "--parsable", "--export=ALL", f"--array=0-{self.tasks - 1}", "--nodes=1", "--ntasks=1", "--requeue",
            f"--job-name={self.job_name}", f"--comment={comment(self._run, self._stage)}", f"--chdir={self._folder}",
            f"--output={log}/task-%a.log", "--open-mode=append", *self._options, *waits,
        ]  # fmt: skip
