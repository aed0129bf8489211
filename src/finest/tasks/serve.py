"""`finest serve`: the task server as processes that listen at one port.

Each process has its own connection to the chain and to the database; the database alone is shared. One process serves
about as much as a core can: start as many as there are cores for it.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from finest.chain.options import ChainOptions
from finest.errors import UsageError
from finest.formatting import counted
from finest.tasks.connections import Room
from finest.tasks.logs import LogFormat, set_up_logs
from finest.tasks.models import Rules
from finest.tasks.proxies import Proxies

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Config

log = logging.getLogger(__name__)

BACKLOG = 2048
"""Connections that wait to be taken; uvicorn's own default."""
GRACE_S = 20
"""How long requests in work may take once the server is told to stop; most wait for the chain for less."""
KEEP_ALIVE_S = 75
"""nginx's own default on its side is 60 s: the proxy closes first, and no request meets a closing connection."""
OTHER_FILES = 200
"""Files that a process has open besides its connections: database, chain, logs, connections just being refused."""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What a server is told. It goes to the worker processes as it is."""

    chain: ChainOptions
    rules: Rules
    database_url: str = field(repr=False)
    hub: str
    host: str
    port: int
    workers: int
    per_hotkey: int
    per_address: int
    read_bytes_s: int
    """Of one address."""
    room: Room
    proxies: Proxies
    log_format: LogFormat

    def __call__(self) -> FastAPI:
        """The application, in the process that serves it."""
        return _application(self)


def serve(options: ServeOptions, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. What cannot work is said before anything listens.

    Raises WalletError without the hotkey, UsageError where the port is taken, FinestError for the database.
    """
    _on_signals()
    _make_room_for_files(options)
    receiver, open_warcs = _prepare(options)
    with _listening(options) as listener:
        _introduce(options, listener, receiver, open_warcs, say)
        _run(options, listener)


def _make_room_for_files(options: ServeOptions) -> None:
    """Raise the soft limit of open files to the hard one; raises UsageError where that is too low.

    Where connections outnumber file descriptors nobody is taken any more, and nobody is told.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = options.room.in_all + OTHER_FILES
    if most != resource.RLIM_INFINITY and most < needed:
        raise UsageError(
            f"--connections {options.room.in_all} needs {needed} open files, and this process may have {most}: "
            f"raise it (ulimit -n, LimitNOFILE), or give --connections {max(1, most - OTHER_FILES)}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prepare(options: ServeOptions) -> tuple[str, int]:
    """The server's hotkey and how many WARCs can be leased, the database brought up to date."""
    from finest.chain.wallet import open_hotkey
    from finest.tasks.store import Store

    receiver = open_hotkey(options.chain).address
    store = Store.open(options.database_url, options.rules)
    try:
        return receiver, sum(crawl.open for crawl in store.crawls())
    finally:
        store.close()


def _introduce(
    options: ServeOptions, listener: socket.socket, receiver: str, open_warcs: int, say: Callable[[str], None]
) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    say(f"task server of subnet {options.chain.netuid} on {options.chain.target}, hotkey {receiver}")
    say(f"listening at {url}, {options.workers} {'process' if options.workers == 1 else 'processes'}")
    say(f"page: {url}/   API: {url}/openapi.json   metrics: {url}/metrics")
    say(
        f"{counted(open_warcs, 'WARC')} to lease" if open_warcs else "no WARC to lease: finest tasks import CC-MAIN-..."
    )


def _run(options: ServeOptions, listener: socket.socket) -> None:
    from uvicorn import Server
    from uvicorn.supervisors import Multiprocess

    if options.workers == 1:
        Server(_config(options)).run(sockets=[listener])
        return
    set_up_logs(options.log_format)
    with tempfile.TemporaryDirectory(prefix="finest-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        Multiprocess(_config(options), sockets=[listener]).run()


def _config(options: ServeOptions) -> Config:
    from uvicorn import Config

    from finest.tasks.http_timeouts import Heads

    return Config(
        options, factory=True, http=Heads, lifespan="on", workers=options.workers, log_config=None, access_log=False,
        ws="none", proxy_headers=False, server_header=False, backlog=BACKLOG, timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S, timeout_worker_healthcheck=60,
    )  # fmt: skip


def _application(options: ServeOptions) -> FastAPI:
    from finest.chain.subnet import Chain
    from finest.tasks.app import create_app
    from finest.tasks.store import Store
    from finest.tasks.throttle import Rates

    set_up_logs(options.log_format)
    chain = Chain(options.chain)
    store = Store.open(options.database_url, options.rules)
    return create_app(
        store, chain, chain.hotkey.address, options.rules, closing=(chain.close, store.close),
        hub=options.hub,
        rates=Rates(options.per_hotkey, options.per_address, options.read_bytes_s), proxies=options.proxies,
        room=options.room,
    )  # fmt: skip


@contextmanager
def _listening(options: ServeOptions) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        listener = socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"cannot listen at {options.host}, port {options.port}: {error.strerror or error}; choose another --port"
        ) from error
    with listener:
        listener.set_inheritable(True)
        yield listener


def _on_signals() -> None:
    """uvicorn ends gracefully on a signal, then raises it again: then, as before it listens, this process just ends."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError):  # not the main thread: whoever runs us there has their own
            signal.signal(number, leave)
