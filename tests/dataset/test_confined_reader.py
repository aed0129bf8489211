"""The process that reads a stranger's files: it is given nothing, and harms nobody when it dies or is taken over."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from finest.dataset import limits
from finest.dataset.confined_reader import Confined
from finest.dataset.open import open_dataset
from finest.errors import RunError, VerifyError
from finest.sandbox import landlock, seccomp

from .made import Made


def test_a_footer_that_points_elsewhere_is_refused(large: Made) -> None:
    """What reads a file may have only that file's bytes, and only so many."""
    shard = large.manifest.shards[0]
    reader = Confined(_Nothing(), {shard.path: shard})
    for start, end in ((-1, 5), (0, shard.size_bytes + 1), (5, 5), (0, limits.MAX_GROUP_BYTES + 1)):
        with pytest.raises(VerifyError, match="outside of the file"):
            reader._give(shard.path, start, end)
    reader.close()


class _Nothing:
    """A store whose reader meets with an accident as soon as it asks for anything."""

    signal: signal.Signals | None = None
    reader: Confined | None = None

    def read(self, path: str, start: int, end: int) -> bytes:
        assert self.signal is not None and self.reader is not None and self.reader._process is not None
        os.kill(self.reader._process.pid, self.signal)
        return bytes(end - start)


@pytest.mark.parametrize(
    ("accident", "kind", "says"),
    [
        (signal.SIGSEGV, VerifyError, "brings its reader down"),
        (signal.SIGXCPU, VerifyError, "more CPU time"),
        (signal.SIGKILL, RunError, "out of memory"),
    ],
)
def test_a_reader_that_dies(large: Made, accident: signal.Signals, kind: type[Exception], says: str) -> None:
    """A crash is the file's fault; a kill from outside is the machine's, and no evidence against anybody."""
    shard, store = large.manifest.shards[0], _Nothing()
    store.reader, store.signal = Confined(store, {shard.path: shard}), accident
    with pytest.raises(kind, match=says):
        store.reader.ask("groups", file=shard)


def test_the_reader_is_given_nothing_of_its_parents(large: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable with a secret, no open file or connection but its three pipes; and the kernel confines it."""
    monkeypatch.setenv("HF_TOKEN", "a secret")
    with socket.create_server(("127.0.0.1", 0)) as server, open_dataset(str(large.folder)) as dataset:
        os.set_inheritable(server.fileno(), True)
        dataset.row_groups()
        process = dataset._reader._process
        assert process is not None
        about = Path(f"/proc/{process.pid}")
        assert b"a secret" not in (about / "environ").read_bytes()
        opened = [os.readlink(about / "fd" / name) for name in os.listdir(about / "fd")]  # noqa: PTH115, PTH208
        assert {name.partition(":")[0] for name in opened} <= {"pipe", os.devnull}
        status = dict(re.findall(r"^(\w+):\s+(\S+)$", (about / "status").read_text(), re.MULTILINE))
        assert status["Seccomp"] == ("2" if seccomp.is_supported() else "0")
        assert (status["NoNewPrivs"] == "1") == bool(seccomp.is_supported() or landlock.version())


@pytest.mark.parametrize(
    "answer",
    [
        b"no JSON\n", b"[]\n", b'{"size": "x"}\n', b'{"size": -1}\n', b'{"done": null, "size": 3}\nxyz',
        b'{"need": ["/etc/shadow", 0, 9]}\n', b'{"need": 7}\n', b"x" * 5_000_000,
    ],
    ids=["words", "list", "size", "negative", "stream", "file", "need", "endless"],
)  # fmt: skip
def test_a_reader_that_is_taken_over_harms_nobody(
    large: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """Whatever it answers is a refused file: no traceback, no other file, no table that was not checked."""
    (tmp_path / "answer").write_bytes(answer)
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexec cat '{tmp_path}/answer'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    shard = large.manifest.shards[0]
    reader = Confined(_Nothing(), {shard.path: shard})
    with pytest.raises(VerifyError):
        reader.ask_table("rows", file=shard, group=0, rows=[0])
    reader.close()
