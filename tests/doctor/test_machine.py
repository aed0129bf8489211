"""What the doctor says of a machine."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from finest import sandbox
from finest.chain.options import ChainOptions
from finest.doctor import machine
from finest.doctor.subject import Subject
from finest.findings import State
from finest.settings import Settings


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(Settings(cache=tmp_path), ChainOptions(), work=tmp_path / "not" / "there" / "yet")


def test_memory_bounds_the_workers(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker takes up to 1 GB: with less memory than processors, fewer workers are advised."""
    monkeypatch.setattr(machine, "available_processors", lambda: 16)
    for free, state, mend in (
        (20e9, State.OK, None),
        (10e9, State.WARNING, "--cpus-per-task 10"),
        (4e9, State.WARNING, "--cpus-per-task 4"),
        (0.3e9, State.FAILURE, "free some memory"),
    ):
        monkeypatch.setattr(machine, "available_memory_bytes", lambda free=free: int(free))
        found = machine.processors(subject)
        assert found.state is state, found
        assert (mend in (found.mend or "")) if mend else found.mend is None


def test_memory_bounds_the_verdicts(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict may take 2 GiB: with less nothing is judged, with more as many at a time as there are processors.

    One on a large merge comes beside them.
    """
    monkeypatch.setattr(machine, "available_processors", lambda: 4)
    subject.role = "validator"
    for free, wanted, state, words in (
        (20e9, 4, State.OK, ": 4 verdicts at a time, one on a large merge beside"),
        (9e9, None, State.OK, ": 3 verdicts at a time, one on a large merge beside"),
        (9e9, 4, State.WARNING, "finest validate --parallel 3"),
        (4e9, None, State.WARNING, "free some memory"),
        (20e9, 5, State.WARNING, "finest validate --parallel 4"),
        (2.1e9, None, State.FAILURE, "free some memory"),
    ):
        subject.workers = wanted
        monkeypatch.setattr(machine, "available_memory_bytes", lambda free=free: int(free))
        found = machine.memory(subject)
        assert found.state is state, found
        assert (found.mend or found.line).endswith(words) or words in (found.mend or "")


def test_room_for_months(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a validator: less than what other programs need fails, less than 10 GB is a warning."""
    subject.role = "validator"
    for free, state in (
        (machine.RESERVE_BYTES - 1, State.FAILURE), (machine.RESERVE_BYTES, State.WARNING),
        (machine.MONTHS_BYTES, State.OK),
    ):  # fmt: skip
        usage = shutil.disk_usage("/")._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert machine.room(subject).state is state
    assert not subject.work.exists()


def test_no_gpu_is_no_failure(subject: Subject) -> None:
    """Whatever PyTorch says."""
    assert machine.gpu(subject).state in (State.OK, State.SKIPPED)


def test_this_machine_has_processors_and_memory() -> None:
    """They are read from the system that the tests run on."""
    assert machine.available_processors() >= 1
    assert machine.available_memory_bytes() > 1e6


def test_the_disk_is_that_of_the_work_folder(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder need not be there; room for less than a task fails, for a few only is a warning."""
    need = machine.task_bytes() + machine.RESERVE_BYTES
    for free, state in ((need - 1, State.FAILURE), (need, State.WARNING), (10 * need, State.OK)):
        usage = shutil.disk_usage("/")._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        found = machine.disk(subject)
        assert found.state is state, found
        assert (found.mend is None) == (state is State.OK)
    assert not subject.work.exists()


def test_a_work_folder_that_cannot_be_written(tmp_path: Path, subject: Subject) -> None:
    """A read-only file system is named, with the flag that chooses another folder."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=False, capture_output=True
    ).returncode:
        pytest.skip("this user may not mount")
    try:
        subject.work = folder
        found = machine.disk(subject)
    finally:
        subprocess.run(["umount", folder], check=True)
    assert found.state is State.FAILURE
    assert str(folder) in found.line
    assert "--work" in (found.mend or "")


def test_a_low_limit_on_open_files(subject: Subject) -> None:
    """It is a warning with the command that raises it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        found = machine.open_files(subject)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.state is State.WARNING
    assert "512" in found.line
    assert found.mend == f"ulimit -n {machine.LEAST_FILES}"


def test_a_kernel_that_cannot_confine_is_said(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps nobody from judging; what is missing is named, with what has it."""
    monkeypatch.setattr(sandbox, "missing", lambda: ())
    assert machine.confinement(subject).state is State.OK
    monkeypatch.setattr(sandbox, "missing", lambda: ("no Landlock (Linux 5.13), so files are not cut off",))
    found = machine.confinement(subject)
    assert (found.state, "no Landlock" in found.line) == (State.WARNING, True)
    assert "Linux 6.12" in (found.mend or "")
