"""Confinement: what a process that a stranger's file has taken over can still do, as root too."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finest import sandbox
from finest.errors import RunError
from finest.sandbox import Bounds, landlock, seccomp
from finest.sandbox.numbers import ARCHITECTURES
from finest.sandbox.paths import ports, runtime

needs_landlock = pytest.mark.skipif(
    landlock.version() < landlock.SCOPES, reason=f"Landlock {landlock.SCOPES} is needed, here is {landlock.version()}"
)
needs_seccomp = pytest.mark.skipif(not seccomp.is_supported(), reason="no seccomp filters for this kernel or processor")


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def tried(bounds: dict[str, Any] | None, folder: Path, port: int) -> dict[str, str]:
    """What became of each attack in a process with those bounds."""
    secret = folder / "secret"
    secret.write_text("a wallet")
    told = "none" if bounds is None else json.dumps(bounds)
    command = [sys.executable, "-m", "tests.sandbox.attacks", told, str(secret), str(port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@needs_landlock
@needs_seccomp
def test_a_decoder_that_is_taken_over_reaches_nothing(tmp_path: Path, listener: int) -> None:
    """No secret of its parent's, no file, connection, signal or program; unconfined, it would have had most."""
    free = tried(None, tmp_path, listener)
    assert {
        name for name in ("a secret file", "a connection", "a Unix socket", "another program") if free[name] == "done"
    }
    confined = tried({}, tmp_path, listener)
    assert [name for name, what in confined.items() if what == "done"] == []


@needs_landlock
@needs_seccomp
def test_a_verdict_that_is_taken_over_reaches_its_ports_alone(tmp_path: Path, listener: int) -> None:
    """It may start programs and look up names; another port, files, the parent and Unix sockets are closed to it."""
    may = {"another program", "a datagram"}
    confined = tried({"ports": [listener], "programs": True}, tmp_path, listener)
    assert {name for name, what in confined.items() if what == "done"} == may | {"a connection"}
    confined = tried({"ports": [listener + 1], "programs": True}, tmp_path, listener)
    assert {name for name, what in confined.items() if what == "done"} == may


@needs_landlock
def test_landlock_alone_keeps_the_parents_secrets(tmp_path: Path, listener: int) -> None:
    """Where no filter of system calls is known, files, memory and TCP are closed all the same."""
    program = (
        "import finest.sandbox.seccomp as seccomp; seccomp.is_supported = lambda: False; "
        "from tests.sandbox.attacks import main; main()"
    )
    (tmp_path / "secret").write_text("a wallet")
    done = subprocess.run(
        [sys.executable, "-c", program, "{}", str(tmp_path / "secret"), str(listener)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    achieved = {name for name, what in json.loads(done.stdout).items() if what == "done"}
    closed = {"parent's environment", "parent's memory", "parent's open files", "ptrace", "process_vm_readv"}
    closed |= {"a secret file", "a new file", "a connection", "another program", "a signal to the parent"}
    assert not achieved & closed


@needs_landlock
def test_a_folder_to_write_in_takes_no_device_file(tmp_path: Path, listener: int) -> None:
    """Root could read a whole disk through one; ordinary files are made, and nothing leads to other folders."""
    (tmp_path / "own").mkdir()
    done = tried({"write": [str(tmp_path / "own")]}, tmp_path / "own", listener)
    assert (done["a new file"], done["a device file"]) == ("done", "PermissionError")


def test_a_process_with_threads_is_not_confined() -> None:
    """Landlock would leave the other threads out, so that is an error, and nothing is confined."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        if len(os.listdir("/proc/self/task")) < 2:  # noqa: PTH208
            pytest.skip("this system does not list threads in /proc")
        with pytest.raises(RunError, match="before it starts threads"):
            sandbox.confine(Bounds())
    finally:
        end.set()
        thread.join()


def test_a_kernel_without_either_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said once a process, in words that name the release which has it."""
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(seccomp, "is_supported", lambda: False)
    monkeypatch.setattr(sandbox, "_warned", False)
    monkeypatch.setattr(sandbox, "_threads", lambda: 1)
    sandbox.missing.cache_clear()
    said: list[str] = []
    try:
        sandbox.confine(Bounds())  # does nothing: the process can still read this file
        sandbox.warn_once(said.append)
        sandbox.warn_once(said.append)
    finally:
        sandbox.missing.cache_clear()
    assert len(said) == 1
    assert "no Landlock (Linux 5.13)" in said[0]
    assert "no seccomp filters" in said[0]
    assert Path(__file__).read_bytes()


def test_no_home_and_no_root_is_readable_as_a_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Even where Python is told to import from there."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(sys, "path", [str(home), str(tmp_path), "/", *sys.path])
    monkeypatch.chdir(home)
    assert not {home, tmp_path, Path("/"), Path("/etc"), Path("/proc")} & set(runtime())


def test_ports_are_those_of_the_addresses() -> None:
    """And of the proxies; HTTPS and names always. An address that is none adds nothing."""
    proxies = {"https_proxy": "http://user:pw@proxy:3128", "ALL_PROXY": "socks5h://other"}
    assert ports(["http://127.0.0.1:8080/a", "https://h", "", "http://["], proxies) == (53, 443, 1080, 3128, 8080)
    assert ports(["http://h"], {}) == (53, 80, 443)


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_the_kernels(machine: str, header: str) -> None:
    """As its headers have them, where they are installed."""
    if not Path(header).exists():
        pytest.skip(f"no {header} here")
    stated = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", Path(header).read_text()))
    ours = ARCHITECTURES[machine].numbers
    known = {name: number for name, number in ours.items() if name in stated}
    assert len(known) > len(ours) - 6  # calls that are newer than the headers
    assert known == {name: int(stated[name]) for name in known}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("bounds", "refused", "allowed"),
    [
        (Bounds(), "socket ptrace execve fork chmod", ""),
        (Bounds(ports=(443,), programs=True), "ptrace chmod io_uring_setup", "execve fork"),
        (Bounds(programs=True, permissions=True), "socket ptrace", "execve chmod"),
    ],
    ids=["reader", "verdict", "installer"],
)
def test_filters_of_both_processors(machine: str, bounds: Bounds, refused: str, allowed: str) -> None:
    """The program is run here as the kernel would: each call ends as it must, a foreign architecture is killed."""
    architecture = ARCHITECTURES[machine]
    steps = seccomp.program(bounds, architecture, pid=77)

    def verdict(number: int, *arguments: int, audit: int = architecture.audit) -> int:
        data = {0: number, 4: audit} | {16 + 8 * place: value for place, value in enumerate((*arguments, 0, 0, 0))}
        at = held = 0
        while True:
            code, yes, no, value = steps[at]
            at += 1
            if code == 0x20:
                held = data[value]
            elif code == 0x54:
                held &= value
            elif code == 0x06:
                return value
            else:
                at += yes if (held == value if code == 0x15 else held >= value) else no

    allow = 0x7FFF_0000
    numbers = architecture.numbers
    for names, is_allowed in ((refused, False), (allowed, True)):
        for name in names.split():
            assert name not in numbers or (verdict(numbers[name]) == allow) == is_allowed, name
    assert verdict(0) == verdict(1) == allow  # read and write on x86-64
    assert verdict(numbers["ptrace"], audit=0x4000_0003) == verdict(0, audit=0x4000_0003) == 0x8000_0000
    assert verdict(0x4000_0000) != allow
    assert (verdict(numbers["socket"], 2, 1) == allow) == (bounds.ports != ())
    assert verdict(numbers["socket"], 2, 3) != allow  # raw
    assert verdict(numbers["socket"], 1, 1) != allow  # Unix
    assert (verdict(numbers["kill"], 1) == allow) == bounds.programs
    assert verdict(numbers["kill"], 77) == allow
    assert verdict(numbers["clone"], 0x0001_0F00) == allow  # a thread
    assert (verdict(numbers["clone"], 17) == allow) == bounds.programs
    assert verdict(numbers["prlimit64"], 1) != allow
