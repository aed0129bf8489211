"""What became of tasks, in Slurm's words and in plain ones."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from finest.cluster.commands import slurm
from finest.cluster.layout import Folder
from finest.executors.slurm import memory, words
from finest.executors.slurm.units import Unit, Watch, cancel, ending_of, stages
from finest.executors.slurm.waiting import Waiting
from tests.cluster.waiting import submit, wait_for


@pytest.mark.parametrize(
    ("state", "code", "signal", "said"),
    [
        ("FAILED", 3, 0, "failed with exit code 3"), ("FAILED", 0, 9, "was killed by SIGKILL"),
        ("FAILED", 137, 0, "was killed by SIGKILL"), ("FAILED", 0, 63, "was killed by signal 63"),
        ("TIMEOUT", 0, 0, "ran into its time limit; request more time with --time"),
        ("OUT_OF_MEMORY", 0, 125, "used more memory than it had requested; request more with --mem-per-cpu"),
        ("NODE_FAIL", None, None, "was lost with its node"), ("CANCELLED", 0, 0, "was cancelled"),
    ],
)  # fmt: skip
def test_an_ending_in_plain_words(state: str, code: int | None, signal: int | None, said: str) -> None:
    """Each state has its sentence, with what helps."""
    assert words.ending(state, code, signal) == said


def test_only_waiting_jobs_can_never_start() -> None:
    """A reason stays in the queue when the job has ended."""
    impossible = "no node of its partition has the resources that it requests"
    assert words.never_starts("PENDING", "PartitionConfig") == impossible
    assert words.never_starts("PENDING", "Resources") is None
    assert words.never_starts("FAILED", "PartitionConfig") is None


def test_memory_kills_of_both_versions_of_control_groups(tmp_path: Path) -> None:
    """The kernel counts them in the group that the process is in; elsewhere there are none."""
    v1, v2, own = tmp_path / "memory/slurm/job_1", tmp_path / "slurm/job_2", tmp_path / "cgroup"
    for folder, name in ((v1, "memory.oom_control"), (v2, "memory.events")):
        folder.mkdir(parents=True)
        (folder / name).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    own.write_text("9:pids:/x\n3:memory:/slurm/job_1\n0::/slurm/job_2\n")
    assert memory.memory_kills(own, tmp_path) == 3
    own.write_text("0::/slurm/job_2\n")
    assert memory.memory_kills(own, tmp_path) == 3
    own.write_text("0::/elsewhere\n")
    assert memory.memory_kills(own, tmp_path) == memory.memory_kills(tmp_path / "no", tmp_path) == 0


def test_a_wait_is_said_once_for_each_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only when it lasts, and nothing else runs."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    said: list[str] = []
    waiting = Waiting(said.append)
    pending = [Unit(7, 0, "PENDING", "Resources"), Unit(8, 0, "PENDING", "Dependency")]
    for _ in range(20):
        now[0] += 1
        waiting.tell(pending)
    assert said == ["Nothing runs: 1 task waits for free CPUs and memory"]
    waiting.tell([Unit(7, 0, "RUNNING"), *pending[1:]])
    for _ in range(20):
        now[0] += 1
        waiting.tell([Unit(7, 0, "RUNNING"), Unit(7, 1, "PENDING", "Resources")])
    assert len(said) == 1


def test_each_task_of_an_array_to_its_exit_code(slurm_cluster: Folder) -> None:
    """What ended well, badly and by a signal; foreign jobs and unknown ids are nobody's business."""
    script = "case $SLURM_ARRAY_TASK_ID in 0) exit 0;; 1) exit 7;; 2) kill -9 $$;; esac"
    job = submit(script, "--array=0-2", "--comment=run-a/slices")
    foreign = submit("sleep 60", "--array=0-0", "--comment=run-b/slices")
    watch = Watch({job: 3, foreign: 1}, "run-a", lag_s=0)
    wait_for(lambda: all(unit.is_over for unit in watch.look()))
    units = watch.look()
    assert [unit.state for unit in units] == ["COMPLETED", "FAILED", "FAILED", words.FORGOTTEN]
    host = os.uname().nodename.split(".")[0]
    assert ending_of(units[1]).words() == f"failed with exit code 7 on node {host} (FAILED, exit code 7:0)"
    assert ending_of(units[2]).words() == f"was killed by SIGKILL on node {host} (FAILED, exit code 0:9)"
    assert stages("run-b") == {"slices": foreign}
    assert cancel("run-a") == []
    assert cancel("run-b") == [foreign]
    wait_for(lambda: stages("run-b") == {})


def test_what_waits_for_ever_is_recognised(slurm_cluster: Folder) -> None:
    """A job with a dependency that failed, where Slurm was told not to end it; and one that no node can take."""
    first = submit("exit 1")
    wait_for(lambda: not slurm("squeue", "-h", "-o", "%A").split())
    dead = submit("true", "--array=0-0", f"--dependency=afterok:{first}", "--kill-on-invalid-dep=no", "--comment=r/x")
    vast = submit("true", "--array=0-0", "--cpus-per-task=4000", "--comment=r/y")
    watch = Watch({dead: 1, vast: 1}, "r")
    wait_for(lambda: all(words.never_starts(unit.state, unit.reason) for unit in watch.look()))
