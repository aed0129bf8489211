"""Start and feed the confined process that decodes a dataset (finest.dataset.reader), and survive its crashes."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa

from finest.dataset.limits import MAX_GROUP_BYTES, READER_CPU_S, READER_MEMORY_BYTES, READER_WALL_S
from finest.dataset.shards import Shard
from finest.errors import RunError, VerifyError
from finest.recipe.column import Column
from finest.sandbox import warn_once

_MAX_LINE_BYTES = 4 * 1024 * 1024
_MAX_ANSWER_BYTES = 2 * MAX_GROUP_BYTES
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR")
"""Environment variables passed to the process; none of them holds a token, a password or a key."""
_NONSENSE = "the process that reads it gives answers that make no sense"
_FRUGAL = {
    "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}  # fmt: skip
"""Settings that save address space, which is limited: memory pools and threads would use much of it. Pydantic
would look for plugins among all installed packages, which takes 0.05 s, and run them on what a stranger wrote."""


class Store(Protocol):
    """The place that a dataset's files are read from."""

    def read(self, path: str, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a file."""


class Confined:
    """A process that decodes files of `store` within fixed limits; the first request starts it.

    Where the kernel supports it (`finest.sandbox`), the process may read only its own libraries and `folder`, and may
    not write files, open connections or start programs.
    """

    def __init__(
        self, store: Store, files: Mapping[str, Shard], memory_bytes: int = READER_MEMORY_BYTES,
        folder: Path | None = None, columns: Sequence[Column] = (),
    ) -> None:  # fmt: skip
        self._store, self._files, self._memory_bytes, self._folder = store, files, memory_bytes, folder
        self._columns = [list(column) for column in columns]
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., Any] | None = None
        self._buffer = bytearray()

    def close(self) -> None:
        """End the process."""
        if self._end is not None:
            self._end()
        self._process, self._end = None, None
        self._buffer.clear()

    def ask(self, op: str, *, file: Shard | None = None, cpu_s: int = READER_CPU_S, **more: Any) -> Any:
        """Return the value that the process answers. Raises VerifyError if a file is bad or crashes the process."""
        return self._ask(op, file, cpu_s, more)[0]

    def ask_table(self, op: str, *, file: Shard, cpu_s: int = READER_CPU_S, **more: Any) -> pa.Table:
        """Return the table that the process answers with; raises as `ask`."""
        data = self._ask(op, file, cpu_s, more)[1]
        try:
            table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            self.close()
            raise VerifyError(f"{file.path}: {_NONSENSE}") from error
        return table

    def _ask(self, op: str, file: Shard | None, cpu_s: int, more: dict[str, Any]) -> tuple[Any, bytes]:
        stated: dict[str, Any] = {"columns_added": self._columns}
        if file:
            stated["file"] = file.model_dump(include={"path", "size_bytes", "rows"})
        try:
            self._write(json.dumps({"op": op, "cpu_s": cpu_s, **stated, **more}).encode() + b"\n")
            while True:
                line = self._heard()
                if line.get("need") is not None:
                    self._give(*line["need"])
                    continue
                data = self._bytes(line["size"])
                break
        except (_Gone, BrokenPipeError):
            raise self._obituary(file) from None
        except BaseException:
            self.close()
            raise
        if "refused" in line:
            raise VerifyError(str(line["refused"])[:1000])
        return line.get("done"), data

    def _heard(self) -> dict[str, Any]:
        """Read the process's next line and check its form, because a file may have taken over the process."""
        try:
            line = json.loads(self._line())
        except (ValueError, RecursionError) as error:
            raise VerifyError(_NONSENSE) from error
        need = line.get("need") if isinstance(line, dict) else None
        if need is not None and (
            not isinstance(need, list) or [type(part) for part in need] != [str, int, int] or need[0] not in self._files
        ):
            raise VerifyError(_NONSENSE)
        if need is None and (not isinstance(line, dict) or type(line.get("size")) is not int):
            raise VerifyError(_NONSENSE)
        return dict(line)

    def _give(self, path: str, start: int, end: int) -> None:
        file = self._files[path]
        if not 0 <= start < end <= file.size_bytes or end - start > MAX_GROUP_BYTES:
            raise VerifyError(f"{path}: its footer points outside of the file")
        data = self._store.read(path, start, end)
        if len(data) != end - start:
            raise VerifyError(f"{path}: shorter than the manifest states")
        self._write(b'{"here":true}\n')
        self._write(data)

    def _write(self, data: bytes) -> None:
        pipe = self._started().stdin
        assert pipe is not None
        pipe.write(data)
        pipe.flush()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            warn_once()
            environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
            folder = [str(self._folder.resolve())] if self._folder else []
            self._process = subprocess.Popen(  # noqa: S603 - our own command; it inherits these three pipes alone
                [sys.executable, "-m", "finest.dataset.reader_main", str(self._memory_bytes), *folder],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=True,
                env=environment | _FRUGAL,
            )  # fmt: skip
            self._end = weakref.finalize(self, _end, self._process)
        return self._process

    def _line(self) -> bytes:
        while (at := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _MAX_LINE_BYTES:
                raise VerifyError(_NONSENSE)
            self._fill()
        line = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        return line

    def _bytes(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_ANSWER_BYTES:
            raise VerifyError(f"{size} bytes of rows at once, at most {_MAX_ANSWER_BYTES} are read")
        while len(self._buffer) < size:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _fill(self) -> None:
        process = self._started()
        assert process.stdout is not None
        if not _readable(process.stdout, READER_WALL_S):
            raise RunError(f"the process that reads this dataset has said nothing for {READER_WALL_S:.0f} s")
        data = os.read(process.stdout.fileno(), 1 << 20)
        if not data:
            raise _Gone
        self._buffer += data

    def _obituary(self, file: Shard | None) -> VerifyError | RunError:
        """Return the error for a process that ended: SIGKILL is blamed on this machine, any other end on the file."""
        process = self._started()
        status = process.wait()
        self.close()
        place = f"{file.path}: " if file else ""
        if status == -signal.SIGKILL:
            return RunError("the process that reads this dataset was killed; is this machine out of memory?")
        if status == -signal.SIGXCPU:
            return VerifyError(f"{place}takes more CPU time to read than it may")
        return VerifyError(f"{place}brings its reader down (status {status})")


class _Gone(Exception):
    """The process has closed its output."""


def _readable(pipe: IO[bytes], timeout_s: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        return bool(selector.select(timeout_s))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    process.wait()
