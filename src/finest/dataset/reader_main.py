"""The process that decodes untrusted Parquet files: `python -m finest.dataset.reader_main MEMORY_BYTES [FOLDER]`.

It reads requests from standard input and writes answers to standard output. FOLDER is a dataset that it may read by
itself, to check it as a whole. Before it imports the decoder, it gives up access to every file except its own libraries
and FOLDER, to the network, and to every program (`finest.sandbox`). The import must come later because Arrow starts a
thread as soon as it is imported, which the sandbox would not cover. Arrow imports NumPy wherever it is installed, but
decodes without it: hiding NumPy from Arrow saves 0.1 s of each start and 80 MB of address space.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from finest.process import leave_pandas_out
from finest.sandbox import Bounds, confine
from finest.sandbox.paths import NULL, runtime


def main() -> None:
    """Confine this process, then serve requests."""
    memory, folders = int(sys.argv[1]), map(Path, sys.argv[2:])
    confine(Bounds(read=(*runtime(), *folders), devices=(NULL,)))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    told = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    leave_pandas_out()
    sys.modules["numpy"] = None  # type: ignore[assignment]
    from finest.dataset.reader import serve

    del sys.modules["numpy"]  # a rule over the rows may use it
    try:
        serve(sys.stdin.buffer, told)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)


if __name__ == "__main__":
    main()
