"""Start a confined program: `python -m finest.sandbox.program BOUNDS PROGRAM ARGUMENT...`.

BOUNDS is JSON in the format that `command` writes. The program may always read the files that this Python needs, and
it may start other programs.
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
"""Exit status that a shell uses for a program that it cannot start."""


def command(
    program: Sequence[str], *, read: Iterable[Path] = (), write: Iterable[Path] = (), ports: Sequence[int] = ()
) -> list[str]:
    """Return the command that runs a program with access to only these files and ports."""
    told = {"read": [str(path) for path in read], "write": [str(path) for path in write], "ports": list(ports)}
    return [sys.executable, "-m", "finest.sandbox.program", json.dumps(told), *program]


def main() -> None:
    """Run the command line described at the top of this module."""
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
