"""Files that are whole or not there, and folders that one process holds."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from finest.atomic_files import Held, alone, hold, is_held, write_whole
from finest.errors import NeedsPerson

HOLDER = """
import sys, time
from pathlib import Path
from finest.atomic_files import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def holding(path: Path) -> subprocess.Popen[str]:
    """Another process that holds it, until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    """The other one is told who; to look does not hold it."""
    path = tmp_path / "lock"
    assert not is_held(path)
    with holding(path) as other:
        assert is_held(path)
        with pytest.raises(Held, match=f"held by process {other.pid}") as refused, hold(path):
            pass
        assert refused.value.holder == str(other.pid)
        other.kill()
        other.wait()
        assert not is_held(path)
        with hold(path):
            assert is_held(path)
    assert not is_held(path)


def test_what_a_killed_process_held_is_waited_for(tmp_path: Path) -> None:
    """Its workers end a moment after it; so long a restart waits, and no longer."""
    with holding(tmp_path / "lock") as other:
        threading.Timer(0.3, other.kill).start()
        began_s = time.monotonic()
        with alone(tmp_path, "validator"):
            assert time.monotonic() - began_s >= 0.1
        other.wait()


def test_a_second_validator_needs_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the process, the folder and the flag."""
    monkeypatch.setattr("finest.atomic_files.LOCK_S", 0.2)
    with holding(tmp_path / "lock") as other:
        said = rf"another validator \(process {other.pid}\) is running in .*--work"
        with pytest.raises(NeedsPerson, match=said), alone(tmp_path, "validator"):
            pass
        other.kill()


def test_a_folder_is_made_and_one_that_cannot_be_is_said(tmp_path: Path) -> None:
    """With what the system said."""
    with alone(tmp_path / "a" / "b", "validator"):
        assert is_held(tmp_path / "a" / "b" / "lock")
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedsPerson, match=r"cannot be written to .*--work"), alone(tmp_path / "file", "validator"):
        pass


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """It is no other process that holds the lock."""

    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "lock").write_text("19478")
    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.raises(NeedsPerson, match=r"lock cannot lock files \(.*mount -o flock"), hold(tmp_path / "lock", 5):
        pass
    assert not is_held(tmp_path / "lock")


def test_a_failure_inside_frees_it(tmp_path: Path) -> None:
    """And is no failure of the lock's."""
    with pytest.raises(OSError, match="mine"), alone(tmp_path, "validator"):
        raise OSError("mine")
    assert not is_held(tmp_path / "lock")


def test_a_reader_sees_the_old_or_the_new_one(tmp_path: Path) -> None:
    """Never half a file, and nothing is left beside it."""
    path, seen, done = tmp_path / "file", set[bytes](), threading.Event()
    versions = [bytes([65 + number]) * 200_000 for number in range(20)]
    write_whole(path, versions[0])

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        write_whole(path, version)
    done.set()
    reader.join()
    assert seen <= set(versions)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_writers_with_one_process_id_do_not_meet(tmp_path: Path) -> None:
    """Two machines may run processes with the same id on a shared folder; here two threads have it."""
    path, failed = tmp_path / "file", list[Exception]()

    def write(data: bytes) -> None:
        try:
            for _ in range(50):
                write_whole(path, data)
        except OSError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(letter * 1000,)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed and path.read_bytes() in (b"a" * 1000, b"b" * 1000)
    assert list(tmp_path.iterdir()) == [path]
