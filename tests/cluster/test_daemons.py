"""Daemons are known, noticed and stopped; here they are ordinary programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from finest.cluster.daemons import Daemon, began, stop_steps
from tests.cluster.waiting import wait_for


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon("sleeper", tmp_path, tmp_path)


def start(daemon: Daemon, *argv: str) -> int:
    daemon.start(argv, env=os.environ, folder=Path("/"))
    return daemon.pid or 0


def test_a_daemon_is_seen_by_another_process(daemon: Daemon, tmp_path: Path) -> None:
    """Whoever has the folder sees it and can stop it."""
    pid = start(daemon, "sleep", "60")
    other = Daemon("sleeper", tmp_path, tmp_path)
    assert other.pid == pid
    assert other.stop(5)
    assert daemon.pid is None and not began(pid)


def test_stopping_twice_stops_once(daemon: Daemon) -> None:
    """What does not run is not stopped."""
    start(daemon, "sleep", "60")
    assert daemon.stop(5)
    assert not daemon.stop(5)


def test_another_process_with_its_number_is_not_taken_for_it(daemon: Daemon, tmp_path: Path) -> None:
    """A file that a killed daemon left names a stranger by now: it is left alone."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "sleeper.process").write_text(f"{stranger.pid} {began(stranger.pid) - 1}")
        assert daemon.pid is None
        assert not daemon.stop(1)
        assert stranger.poll() is None
        stranger.kill()


def test_a_zombie_is_gone(daemon: Daemon) -> None:
    """The first process of a container may reap late; nobody waits for it."""
    pid = start(daemon, "sleep", "60")
    os.kill(pid, signal.SIGKILL)  # nobody has waited for it yet: we are its parent
    wait_for(lambda: daemon.pid is None)


def test_one_that_does_not_listen_is_killed(daemon: Daemon) -> None:
    """SIGTERM first, then SIGKILL."""
    start(daemon, "bash", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    wait_for(lambda: daemon.last_words() == "deaf")
    assert daemon.stop(0.3)
    assert daemon.pid is None


def test_last_words_are_of_what_went_wrong(daemon: Daemon) -> None:
    """The last line that names an error, for daemons chatter after it."""
    daemon.log.write_text("started\nslurmctld: fatal: no TRES\nslurmctld: bye\n\n")
    assert daemon.last_words() == "slurmctld: fatal: no TRES"
    daemon.log.write_text("one\ntwo\n")
    assert daemon.last_words() == "two"
    daemon.log.unlink()
    assert daemon.last_words() == ""


def test_steps_without_their_slurmd_are_ended_and_others_are_not(tmp_path: Path) -> None:
    """A keeper is known by its name and its folder; what runs below it goes with it."""
    spools = tmp_path / "mine", tmp_path / "other"
    # a program with a keeper's name, that has a child
    shutil.copy(shutil.which("bash") or "", tmp_path / "slurmstepd")
    keepers = []
    for spool in spools:
        spool.mkdir()
        argv = [str(tmp_path / "slurmstepd"), "-c", "sleep 60 & wait"]
        keepers.append(subprocess.Popen(argv, cwd=spool))
    mine, other = keepers
    children = [Path(f"/proc/{one.pid}/task/{one.pid}/children") for one in keepers]
    wait_for(lambda: all(path.read_text() for path in children))
    child_of_mine, child_of_other = (int(path.read_text()) for path in children)
    stop_steps(spools[0])
    assert mine.wait(300) == -signal.SIGKILL
    wait_for(lambda: not began(child_of_mine))
    assert other.poll() is None and began(child_of_other)
    stop_steps(spools[1])
    other.wait(300)
