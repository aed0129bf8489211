"""`finest serve`: runs the task server in one or more processes that listen on one port.

Each process has its own connection to the chain and to the database; they share only the database. One process uses
about one core, so start as many processes as there are cores for the server.
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
from finest.tasks.connections import ConnectionLimits
from finest.tasks.logs import LogFormat, set_up_logs
from finest.tasks.models import Rules
from finest.tasks.proxies import Proxies

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Config

    from finest.tasks.canaries import Canaries

log = logging.getLogger(__name__)

BACKLOG = 2048
"""Length of the queue of connections that wait to be accepted; uvicorn's default."""
SHUTDOWN_TIMEOUT_S = 20
"""Time for running requests to finish once the server is told to stop; most wait for the chain for less."""
KEEP_ALIVE_S = 75
"""Keep-alive timeout. nginx's default is 60 s, so the proxy closes first and no request meets a closing connection."""
OTHER_FILES = 200
"""Open files of a process apart from its connections: database, chain, logs, connections that are being refused."""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of a server. uvicorn passes them to the worker processes."""

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
    """Read limit of one address, in bytes a second."""
    connection_limits: ConnectionLimits
    proxies: Proxies
    log_format: LogFormat
    anchor: bool = False
    """Whether to commit the head of the public log on the chain once a day."""
    canaries: Canaries | None = None

    def __call__(self) -> FastAPI:
        """Build the application, in the process that serves it."""
        return _application(self)


def serve(options: ServeOptions, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; errors in the set-up are raised before the server listens.

    Raises WalletError if the hotkey is missing, UsageError if the port is taken, FinestError if the database fails.
    """
    _exit_on_signals()
    _raise_file_limit(options)
    receiver, open_warcs = _prepare(options)
    with _listening(options) as listener:
        _announce(options, listener, receiver, open_warcs, say)
        _run(options, listener)


def _raise_file_limit(options: ServeOptions) -> None:
    """Raise the soft limit of open files to the hard limit; raises UsageError if that is too low.

    Without enough file descriptors the server would stop accepting connections without any message.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = options.connection_limits.total + OTHER_FILES
    if most != resource.RLIM_INFINITY and most < needed:
        raise UsageError(
            f"--connections {options.connection_limits.total} needs {needed} open files, but the "
            f"limit is {most}: "
            f"raise it (ulimit -n, LimitNOFILE), or give --connections {max(1, most - OTHER_FILES)}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prepare(options: ServeOptions) -> tuple[str, int]:
    """Migrate the database; returns the server's hotkey and the number of WARCs that can be leased."""
    from finest.chain.wallet import open_hotkey
    from finest.tasks.store import Store

    receiver = open_hotkey(options.chain).address
    store = Store.open(options.database_url, options.rules)
    try:
        return receiver, sum(crawl.open for crawl in store.crawls())
    finally:
        store.close()


def _announce(
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

    from finest.tasks.http_timeouts import LimitedHttpProtocol

    return Config(
        options, factory=True, http=LimitedHttpProtocol, lifespan="on", workers=options.workers, log_config=None,
        access_log=False, ws="none", proxy_headers=False, server_header=False, backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S, timeout_worker_healthcheck=60,
    )  # fmt: skip


def _application(options: ServeOptions) -> FastAPI:
    from finest.chain.subnet import Chain
    from finest.tasks.anchor import Anchoring
    from finest.tasks.app import create_app
    from finest.tasks.rate_limits import RateLimits
    from finest.tasks.store import Store

    set_up_logs(options.log_format)
    chain = Chain(options.chain)
    store = Store.open(options.database_url, options.rules, options.canaries)
    anchoring = (Anchoring(store, chain).close,) if options.anchor else ()
    return create_app(
        store, chain, chain.hotkey.address, options.rules, on_close=(*anchoring, chain.close, store.close),
        hub=options.hub,
        rates=RateLimits(options.per_hotkey, options.per_address, options.read_bytes_s), proxies=options.proxies,
        connection_limits=options.connection_limits,
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


def _exit_on_signals() -> None:
    """Exit with status 0 on SIGTERM and SIGINT.

    uvicorn shuts down gracefully on a signal and then raises it again, which reaches this handler. The handler also
    serves before uvicorn listens.
    """

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError):  # not the main thread, so the embedding program handles signals
            signal.signal(number, leave)
