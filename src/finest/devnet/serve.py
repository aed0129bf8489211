"""One service of a devnet in this process: `python -m finest.devnet.serve SERVICE FOLDER --cache DIR`.

What the service needs to know it reads from the folder's `devnet.json`, so that no secret stands in a command line.
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
"""The Hub's users and their tokens, written by the Hub's process once it listens."""

_TOLD: queue.SimpleQueue[None] = queue.SimpleQueue()
"""Holds something once the service is told to stop; its `put` may be called by a signal handler (an Event's `set` may
not: it waits for a lock that the interrupted code can hold)."""

END_S = 5.0
"""How long a service may take to end by itself when the process that it is tied to is gone."""


def bucket(folder: Path, state: State, cache: Path) -> None:  # noqa: ARG001 - one signature for all
    """nanio, until it is told to stop."""
    from nanio.cli import main

    options = folder / "run" / "nanio.toml"
    objects = objects_folder(folder).parent
    objects.mkdir(parents=True, exist_ok=True)
    write_private(options, nanio_options(state.keys))
    sys.exit(main(nanio_command(objects, state.ports["bucket"], options)))


def crawl(folder: Path, state: State, cache: Path) -> None:  # noqa: ARG001
    """The bucket's files over HTTP."""
    from finest.devnet.crawl_http import CrawlServer

    with CrawlServer(objects_folder(folder), port=state.ports["crawl"]):
        _until_told()


def hub(folder: Path, state: State, cache: Path) -> None:  # noqa: ARG001
    """The Hugging Face Hub."""
    from finest.devnet.hub.server import HubServer

    with HubServer(folder / "hub", port=state.ports["hub"]) as server:
        write_private(folder / TOKENS, json.dumps({user: server.add_user(user) for user in state.users}))
        _until_told()


def chain(folder: Path, state: State, cache: Path) -> None:
    """The Bittensor chain."""
    from finest.devnet.chain.server import ChainServer

    with ChainServer(folder / "chain", cache, netuid=state.netuid, port=state.ports["chain"]):
        _until_told()


_SERVE: dict[str, Callable[[Path, State, Path], None]] = {"bucket": bucket, "crawl": crawl, "hub": hub, "chain": chain}


def objects_folder(folder: Path) -> Path:
    """Where nanio keeps the objects of Common Crawl's bucket, as plain files."""
    return folder / "bucket" / BUCKET


def _until_told() -> None:
    """Wait for SIGTERM; nanio has a handler of its own."""
    _TOLD.get()


def _end_with_parent() -> None:
    """End when standard input does: the process that started this one holds its other end."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    threading.Timer(END_S, os._exit, [1]).start()
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: the last line of what it says is why it ended."""
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
