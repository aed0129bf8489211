"""The process that is Ray's driver."""

from __future__ import annotations

import os
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest
from datatrove.pipeline.base import PipelineStep

from finest.errors import ClusterError
from finest.executors import ray
from finest.executors.ray import RayStage
from tests.e2e.command import children

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed"),
]


class Nothing(PipelineStep):
    """A step that does nothing."""

    type, name = "TEST", "nothing"

    def run(self, data: object = None, rank: int = 0, world_size: int = 1) -> object:
        return iter(())


def stage(folder: Path, cpus: int) -> RayStage:
    return RayStage(Nothing(), 1, cpus_per_task=cpus, memory_gb=0.1, folder=folder)


def test_a_stage_is_left_while_a_task_waits_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DataTrove's threads still wait for Ray then, and would keep this process from exiting."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    at_work = stage(tmp_path, cpus=1000)
    threads, before = set(threading.enumerate()), children(os.getpid())
    with at_work:
        assert not at_work.is_over
    assert at_work.is_over
    assert not at_work.error
    assert set(threading.enumerate()) == threads
    assert children(os.getpid()) == before


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would wait without end."""
    monkeypatch.setattr(ray, "START_S", 2.0)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ClusterError, match=r"started: no answer within 2 s; RAY_ADDRESS names its cluster"):
        stage(tmp_path, cpus=1).__enter__()
