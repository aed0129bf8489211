"""The devnet's Hub: Hugging Face's API on loopback, with all its data in one folder.

with HubServer(Path("hub")) as hub:
    token = hub.add_user("alice")
    # HF_ENDPOINT=hub.endpoint HF_TOKEN=token, and any Hugging Face client
"""

from __future__ import annotations

import fcntl
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from finest.devnet.hub import api, changes, faults, lfs, refusal, resolve, xet
from finest.devnet.hub.faults import Faults, RequestLog
from finest.devnet.hub.gate import Connections, Gate
from finest.devnet.hub.state import Hub, Limits
from finest.errors import DevnetError

LOOPBACK = "127.0.0.1"
START_S = 15.0
"""Longest wait until the server has started; it takes about 0.1 s."""
STOP_S = 2
"""Seconds that running requests may take once the server stops."""
KEEP_ALIVE_S = 75


class HubServer:
    """One Hub that runs in its own thread.

    Content, repositories, users and tokens are in `folder`: a server that was killed serves the same data after a
    restart on that folder. `port` 0 selects a free port. Raises DevnetError if the folder or the port is in use.
    """

    def __init__(self, folder: Path, *, port: int = 0, xet: bool = True, limits: Limits | None = None) -> None:
        self.folder = folder
        self.port = port
        self.faults = Faults()
        self.requests = RequestLog()
        self._xet = xet
        self._limits = limits or Limits()
        self._hub: Hub | None = None
        self._lock: TextIO | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """The value for HF_ENDPOINT."""
        return f"http://{LOOPBACK}:{self.port}"

    def add_user(self, name: str) -> str:
        """Return the user's write token, the same on every call; add the user if necessary."""
        return self._running().users.token(name, "write")

    def read_token(self, name: str) -> str:
        """Return the user's read-only token, the same on every call."""
        return self._running().users.token(name, "read")

    def start(self) -> None:
        """Start serving; return once the server accepts connections."""
        if self._thread:
            return
        self._lock = _locked(self.folder)
        try:
            self._serve()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop serving and release the folder."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(STOP_S + START_S)
        self._server = self._thread = self._hub = None
        self._release()

    def __enter__(self) -> HubServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _config(self, hub: Hub) -> uvicorn.Config:
        connections = Connections()
        return uvicorn.Config(
            Gate(_application(hub, self.faults, self.requests), self.faults, self.requests, connections),
            http=connections.protocol(),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
        )

    def _serve(self) -> None:
        self._hub = Hub(self.folder, xet=self._xet, limits=self._limits)
        server = uvicorn.Server(self._config(self._hub))
        listening = _listening(self.port)
        self.port = listening.getsockname()[1]
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._server = server
        self._thread.start()
        self._wait(server)

    def _wait(self, server: uvicorn.Server) -> None:
        end = time.monotonic() + START_S
        while not server.started:
            if time.monotonic() > end or not (self._thread and self._thread.is_alive()):
                raise DevnetError(f"the devnet's Hub did not start on port {self.port}")
            time.sleep(0.01)

    def _running(self) -> Hub:
        if self._hub is None:
            raise DevnetError("the devnet's Hub is not running; start it first")
        return self._hub

    def _release(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None


def _application(hub: Hub, injected: Faults, requests: RequestLog) -> FastAPI:
    app = FastAPI(title="Devnet Hub", openapi_url=None)
    app.state.hub, app.state.faults, app.state.requests = hub, injected, requests
    for part in (faults, api, changes, xet, lfs, resolve):
        app.include_router(part.router)
    app.add_exception_handler(refusal.RefusalError, refusal.refused)
    app.add_exception_handler(RequestValidationError, refusal.malformed)
    app.add_exception_handler(HTTPException, refusal.no_route)
    app.add_exception_handler(ClientDisconnect, _gone)
    return app


async def _gone(_request: Request, _error: Exception) -> Response:
    """Handle a client that disconnected while sending its body; no client reads this response."""
    return Response(status_code=400)


def _locked(folder: Path) -> TextIO:
    """Take and return the folder's lock; the system releases it when the process ends, for whatever reason."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise DevnetError(f"another Hub serves {folder}; stop it, or take another folder") from error
    return file


def _listening(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
    except OSError as error:
        listening.close()
        raise DevnetError(f"port {port} is taken; choose another") from error
    listening.set_inheritable(False)
    return listening
