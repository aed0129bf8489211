"""The process that decodes untrusted Parquet files: `python -m finest.dataset.reader_main MEMORY_BYTES [FOLDER]`.

Requests come on standard input, answers go to standard output. FOLDER is a dataset that it may read by itself, to check
it as a whole. Before it imports the decoder, it gives up every file but its own libraries and FOLDER, every connection
and every program (`finest.sandbox`): Arrow starts a thread as soon as it is imported, which would be left out.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from finest.sandbox import Bounds, confine
from finest.sandbox.paths import NULL, runtime


def main() -> None:
    """See above."""
    memory, folders = int(sys.argv[1]), map(Path, sys.argv[2:])
    confine(Bounds(read=(*runtime(), *folders), devices=(NULL,)))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    told = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from finest.dataset.reader import serve

    try:
        serve(sys.stdin.buffer, told)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)


if __name__ == "__main__":
    main()
