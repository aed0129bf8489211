"""Jobs that misbehave: Python runs what a test wants at the start of a task, before the task's slices."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

_HOOK = """
import os

if {condition}:
    from finest.pipeline import share

    true_preflight = share.preflight

    def misbehave(*args):
        import os, pathlib, signal, sys, time
        true_preflight(*args)
{deed}

    share.preflight = misbehave
"""
_IS_SLURM_TASK = 'os.environ.get("SLURM_ARRAY_TASK_ID") == {!r}'
_IS_RAY_WORKER = '"default_worker.py" in open("/proc/self/cmdline").read()'
_IS_TASK = f'"SLURM_ARRAY_TASK_ID" in os.environ or {_IS_RAY_WORKER}'
_SHARDS = """
import os, pathlib, time

if {is_task}:
    from finest.pipeline import assemble

    true_write, sign = assemble.write_shard, pathlib.Path({sign!r})

    def misbehave(*args):
        if {condition}:
            sign.touch()
            time.sleep(600)
        while not sign.exists():
            time.sleep(0.1)
        return true_write(*args)

    assemble.write_shard = misbehave
"""
RAISE = "raise ZeroDivisionError('seven by nought')"
DIE = "os.kill(os.getpid(), signal.SIGKILL)"
SLEEP = "time.sleep(600)"
EAT = "hoard = bytearray(b'x') * (3 << 29); time.sleep(60)"


class Misdeeds:
    """What task `task` of the array that judges slices does before it begins."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        monkeypatch.setenv("PYTHONPATH", str(folder))  # jobs inherit it

    def do(self, deed: str, task: int = 1) -> None:
        self.do_if(_IS_SLURM_TASK.format(str(task)), deed)

    def do_on_ray(self, deed: str, *, once: bool = True) -> None:
        """The first task of Ray's that comes to it does it, once; or each one."""
        first = f"os.close(os.open({str(self.folder / 'done')!r}, os.O_CREAT | os.O_EXCL))"
        text = f"try:\n    {first}\nexcept FileExistsError:\n    return\n{deed}" if once else deed
        self.do_if(_IS_RAY_WORKER, text)

    def hang_where(self, condition: str, sign: Path) -> None:
        """Tasks for which this holds hang at their first page; the others begin when the file `sign` says so."""
        hang = "import finest.pipeline.steps as s\ns.judge = lambda *_: time.sleep(600)\nsign.touch()"
        wait = "while not sign.exists():\n    time.sleep(0.1)"
        deed = "\n".join(
            [f"sign = pathlib.Path({str(sign)!r})", f"if {condition}:", textwrap.indent(hang, "    "), "else:",
             textwrap.indent(wait, "    ")]
        )  # fmt: skip
        self.do_if(_IS_TASK, deed)

    def hang_at_shards(self, condition: str, sign: Path) -> None:
        """Tasks for which this holds hang at their first shard; the others write theirs when `sign` is there."""
        text = _SHARDS.format(condition=condition, sign=str(sign), is_task=_IS_TASK)
        (self.folder / "sitecustomize.py").write_text(text)

    def do_if(self, condition: str, deed: str) -> None:
        """Processes for which the condition holds at their start do it."""
        text = _HOOK.format(condition=condition, deed=textwrap.indent(deed, " " * 8))
        (self.folder / "sitecustomize.py").write_text(text)

    def end(self) -> None:
        (self.folder / "sitecustomize.py").unlink()
