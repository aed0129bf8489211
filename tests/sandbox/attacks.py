"""What a program tries that a stranger's file has taken over; run as a process of its own, it prints what it achieved.

    python -m tests.sandbox.attacks BOUNDS SECRET_FILE PORT

BOUNDS is the JSON of a Bounds, or "none". Its parent has the secret in its environment.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finest.sandbox import Bounds, confine
from finest.sandbox.paths import NULL, runtime
from finest.sandbox.seccomp import ARCHITECTURES

PTRACE_SEIZE = 0x4206


def attacks(parent: int, secret: Path, port: int) -> dict[str, Callable[[], Any]]:
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = ARCHITECTURES[os.uname().machine].numbers

    def call(name: str, *arguments: Any) -> None:
        if libc.syscall(numbers[name], *arguments) < 0:
            raise OSError(ctypes.get_errno(), name)

    def word(number: int) -> bytes:
        return struct.pack("<Q", number)

    def peek() -> None:
        buffer = ctypes.create_string_buffer(8)
        mine = ctypes.create_string_buffer(word(ctypes.addressof(buffer)) + word(8))
        theirs = ctypes.create_string_buffer(word(4096) + word(8))
        call("process_vm_readv", parent, mine, 1, theirs, 1, 0)

    def seize() -> None:
        if libc.ptrace(ctypes.c_long(PTRACE_SEIZE), ctypes.c_long(parent), None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    return {
        "parent's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "parent's memory": lambda: open(f"/proc/{parent}/mem", "rb").close(),
        "parent's open files": lambda: os.listdir(f"/proc/{parent}/fd"),  # noqa: PTH208
        "ptrace": seize,
        "process_vm_readv": peek,
        "a signal to the parent": lambda: os.kill(parent, signal.SIGCONT),
        "a secret file": secret.read_bytes,
        "the list of a home": lambda: os.listdir(Path.home()),  # noqa: PTH208
        "a new file": lambda: secret.with_name("new").write_bytes(b""),
        "a device file": lambda: os.mknod(secret.with_name("disk"), stat.S_IFBLK | 0o600, os.makedev(8, 0)),
        "a link to the secret": lambda: os.link(secret, secret.with_name("link")),
        "a secret's permissions": lambda: secret.chmod(0o644),
        "a connection": lambda: socket.create_connection(("127.0.0.1", port), 5).close(),
        "a Unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
        "a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
        "another program": lambda: subprocess.run(["/bin/true"], check=True),
        "io_uring": lambda: call("io_uring_setup", 4, ctypes.create_string_buffer(128)),
        "another namespace": lambda: call("unshare", 0x1000_0000),
    }


def main() -> None:
    told, secret, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    tries = attacks(os.getppid(), secret, port)
    if told != "none":
        more = json.loads(told)
        confine(Bounds(read=runtime(), devices=(NULL,), **{key: _value(value) for key, value in more.items()}))
    done = {}
    for name, attack in tries.items():
        try:
            attack()
            done[name] = "done"
        except (OSError, subprocess.SubprocessError) as error:
            done[name] = type(error).__name__
    sys.stdout.write(json.dumps(done))


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
