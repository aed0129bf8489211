"""Run one service of a devnet in this process: `python -m finest.devnet.serve SERVICE FOLDER --cache DIR`.

The service reads its settings from the folder's `devnet.json`, so that no secret appears on a command line.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from finest.devnet.bucket import BUCKET, nanio_command, nanio_options
from finest.devnet.processes import write_private
from finest.devnet.state import SERVICES, State, read_state
from finest.errors import FinestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOKENS = "run/hub-tokens.json"
"""File with the Hub's users and their tokens, which the Hub's process writes once it listens."""

_TOLD: queue.SimpleQueue[None] = queue.SimpleQueue()
"""Queue that receives an item when the service must stop. A signal handler may call its `put`, but not an Event's
`set`, which waits for a lock that the interrupted code may hold."""

END_S = 5.0
"""Seconds that a service may take to end by itself after the process that it is tied to has ended."""


def bucket(folder: Path, state: State, cache: Path) -> None:  # noqa: ARG001 - one signature for all
    """Serve the bucket with nanio until SIGTERM."""
    from nanio.cli import main

    options = folder / "run" / "nanio.toml"
    objects = objects_folder(folder).parent
    objects.mkdir(parents=True, exist_ok=True)
    write_private(options, nanio_options(state.keys))
    sys.exit(main(nanio_command(objects, state.ports["bucket"], options)))


def crawl(folder: Path, state: State, cache: Path) -> None:  # noqa: ARG001
    """Serve the bucket's files over HTTP."""
    from finest.devnet.crawl_http import CrawlServer

    with CrawlServer(objects_folder(folder), port=state.ports["crawl"]):
        _until_told()


def hub(folder: Path, state: State, cache: Path) -> None:  # noqa: ARG001
    """Serve the Hugging Face Hub."""
    from finest.devnet.hub.server import HubServer

    with HubServer(folder / "hub", port=state.ports["hub"]) as server:
        write_private(folder / TOKENS, json.dumps({user: server.add_user(user) for user in state.users}))
        _until_told()


def chain(folder: Path, state: State, cache: Path) -> None:
    """Serve the Bittensor chain."""
    from finest.devnet.chain.server import ChainServer

    with ChainServer(folder / "chain", cache, netuid=state.netuid, port=state.ports["chain"]):
        _until_told()


_SERVE: dict[str, Callable[[Path, State, Path], None]] = {"bucket": bucket, "crawl": crawl, "hub": hub, "chain": chain}


def objects_folder(folder: Path) -> Path:
    """Return the folder in which nanio stores the objects of Common Crawl's bucket as plain files."""
    return folder / "bucket" / BUCKET


def _until_told() -> None:
    """Wait for SIGTERM; nanio does not use this, because it has its own handler."""
    _TOLD.get()


def _end_with_parent() -> None:
    """End this process when standard input ends: the process that started this one holds the other end."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    threading.Timer(END_S, os._exit, [1]).start()
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the service; the last line of output is the reason why it ended."""
    parser = argparse.ArgumentParser(prog="finest.devnet.serve")
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--tied", action="store_true")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: _TOLD.put(None))
    if asked.tied:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _SERVE[asked.service](asked.folder, read_state(asked.folder), asked.cache)
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        sys.exit(f"the package {package} is missing; install it with `pip install 'finest-data[devnet]'`")
    except FinestError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
