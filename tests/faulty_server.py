"""An HTTP server over raw sockets that breaks its answers as it is told: resets, short bodies, stalls, refusals."""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any

STALL_S = 30.0
ETAG = '"faulty-1"'


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one GET. `after` is how many body bytes are sent before `rst`, `fin` or `stall`."""

    kind: str
    after: int = 0
    status: int = 503
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(slots=True)
class Seen:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    at_s: float = 0.0


@dataclass(slots=True)
class State:
    """What is served, what goes wrong next, and what was asked."""

    files: dict[str, bytes]
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    sent_bytes: int = 0
    connections: int = 0
    refuse_until_s: float = 0.0
    """Until this time, as `time.time()` tells it, each GET gets `refusal`."""
    refusal: Fault = Fault("status")
    forbidden: set[str] = field(default_factory=set)
    """Paths that are always answered with 403."""
    gone_after_looks: set[str] = field(default_factory=set)
    """Paths that are not found once each has been asked for."""
    delay_s: float = 0.0
    """How long each answer takes."""
    at_once: int = 0
    most_at_once: int = 0
    """Requests that wait for their answer now, and the most that ever did."""
    etag: str | None = ETAG
    stop: threading.Event = field(default_factory=threading.Event)


class FaultyServer(socketserver.ThreadingTCPServer):
    """Serves `files` ({path: bytes}); each GET takes the next of `state.faults`, and is answered well after them."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = State(files)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(self, *args: Any) -> None:
        self.state.stop.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news here."""


class _Handler(socketserver.StreamRequestHandler):
    server: FaultyServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.server.state.connections += 1
        while self._answer():
            pass

    def _answer(self) -> bool:
        seen = self._request()
        if seen is None:
            return False
        state = self.server.state
        state.seen.append(seen)
        state.at_once += 1
        state.most_at_once = max(state.most_at_once, state.at_once)
        state.stop.wait(state.delay_s)
        state.at_once -= 1
        fault = state.faults.pop(0) if state.faults else Fault("none")
        if seen.at_s < state.refuse_until_s:
            fault = state.refusal
        if seen.path in state.forbidden:
            fault = Fault("status", status=403)
        data = state.files.get(seen.path)
        if seen.path in state.gone_after_looks and [one.path for one in state.seen].count(seen.path) > 1:
            data = None
        if fault.kind == "status":
            return self._send(fault.status, dict(fault.headers), fault.body)
        if data is None:
            return self._send(404, {}, b"no such file")
        if state.etag and seen.headers.get("if-match", state.etag) != state.etag:
            return self._send(412, {}, b"changed")
        return self._send_file(data, seen, fault)

    def _request(self) -> Seen | None:
        line = self.rfile.readline().decode("latin-1")
        if not line:
            return None
        headers: dict[str, str] = {}
        while (header := self.rfile.readline().decode("latin-1")).strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Seen(line.split()[1], headers, time.time())

    def _send_file(self, data: bytes, seen: Seen, fault: Fault) -> bool:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("range", ""))
        if fault.kind == "ignore_range":
            asked = None
        if asked and int(asked[1]) >= len(data):
            return self._send(416, {}, b"no such bytes")
        start, end = (int(asked[1]), int(asked[2] or len(data)) + bool(asked[2])) if asked else (0, len(data))
        data, size = data[start:end], len(data)
        headers = {"ETag": self.server.state.etag} if self.server.state.etag else {}
        if fault.kind == "no_length":
            self._head(200, headers)
            self.wfile.write(data)
            return False
        if asked:
            headers["Content-Range"] = f"bytes {start}-{start + len(data) - 1}/{size}"
        status = 206 if asked else 200
        if fault.kind not in ("rst", "fin", "stall"):
            return self._send(status, headers, data)
        self._head(status, {**headers, "Content-Length": str(len(data))})
        self.wfile.write(data[: fault.after])
        self._break(fault.kind)
        return False

    def _break(self, kind: str) -> None:
        if kind == "stall":
            self.server.state.stop.wait(STALL_S)
        if kind == "rst":
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> bool:
        self._head(status, {**headers, "Content-Length": str(len(body))})
        for at in range(0, len(body), 1 << 16):
            self.wfile.write(body[at : at + (1 << 16)])
            self.server.state.sent_bytes += len(body[at : at + (1 << 16)])
        return True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
