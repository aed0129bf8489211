"""Starts a program confined: `python -m finest.sandbox.program BOUNDS PROGRAM ARGUMENT...`.

BOUNDS is JSON, as `command` writes it. What this Python itself needs may always be read; the program may start others.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from finest.errors import RunError
from finest.sandbox import Bounds, confine
from finest.sandbox.paths import NULL, network, public_settings, runtime

_NOT_STARTED = 127
"""Exit status of a shell for a program that cannot be started."""


def command(
    program: Sequence[str], *, read: Iterable[Path] = (), write: Iterable[Path] = (), ports: Sequence[int] = ()
) -> list[str]:
    """The command that runs a program so that it reaches these files and ports alone."""
    told = {"read": [str(path) for path in read], "write": [str(path) for path in write], "ports": list(ports)}
    return [sys.executable, "-m", "finest.sandbox.program", json.dumps(told), *program]


def main() -> None:
    """See above."""
    told, program = json.loads(sys.argv[1]), sys.argv[2:]
    bounds = Bounds(
        read=(*runtime(), *network(), *public_settings(), *map(Path, told["read"])),
        write=tuple(map(Path, told["write"])), devices=(NULL,), ports=tuple(told["ports"]), programs=True,
        permissions=True,
    )  # fmt: skip
    try:
        confine(bounds)
        os.execvp(program[0], program)  # noqa: S606 - no shell
    except (OSError, RunError) as error:
        sys.stderr.write(f"{program[0]} cannot be started: {getattr(error, 'strerror', None) or error}\n")
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
