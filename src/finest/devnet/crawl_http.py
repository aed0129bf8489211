"""Serve the bucket's files over plain HTTP, as data.commoncrawl.org does, with faults on demand.

GET, HEAD /<key>               the file: Range, If-Match, If-None-Match, ETag (as in S3, the md5), Content-Length
POST      /_devnet/faults      [{"kind": "drop", "after_bytes": 1000, "times": 2, "path": "00001"}, ...]
GET       /_devnet/requests    [{"method": "GET", "path": "/collinfo.json", "range": null, "answer": 200}, ...]
DELETE    either               clear that list
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections import deque
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter

from finest.devnet import browsers

CONTROL = "/_devnet/"
FAULTS_PATH = f"{CONTROL}faults"
REQUESTS_PATH = f"{CONTROL}requests"
BLOCK_BYTES = 256 << 10
IDLE_S = 60.0
"""Seconds after which the server closes an idle connection."""

REMEMBERED = 10_000
"""Most requests kept for `/_devnet/requests`."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Kind = Literal["status", "drop", "cut", "stall"]


@dataclass(slots=True)
class Fault:
    """A fault for the next `times` GETs whose path contains `path`.

    `status` responds with `status` and `headers`, without the file. The other kinds begin the correct response and,
    after `after_bytes` of its body, reset the connection (`drop`), close it normally (`cut`), or send nothing for
    `stall_s` seconds (`stall`).
    """

    kind: Kind
    path: str = ""
    times: int = 1
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int = 0
    stall_s: float = 60.0


_FAULTS = TypeAdapter(list[Fault])


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and the status of its response."""

    method: str
    path: str
    range: str | None
    answer: int


class CrawlServer(ThreadingHTTPServer):
    """Serves the files below `folder` on loopback, except those with a path component that begins with a dot."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.folder = folder
        self.asked: deque[Asked] = deque(maxlen=REMEMBERED)
        self.stopping = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_faults(self, *faults: Fault) -> None:
        """Add faults to those added before."""
        with self._lock:
            self._faults += faults

    def clear_faults(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def next_fault(self, path: str) -> Fault | None:
        """Return the fault for a GET of `path`, if any, and use up one of its `times`."""
        with self._lock:
            fault = next((one for one in self._faults if one.times > 0 and one.path in path), None)
            if fault:
                fault.times -= 1
            return fault

    def start(self) -> CrawlServer:
        """Serve in a thread; `serve_forever` serves in the calling thread."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def __enter__(self) -> CrawlServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: CrawlServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "finest-devnet", ""
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def parse_request(self) -> bool:
        """Parse the request as usual, but refuse requests from web pages."""
        if not super().parse_request():
            return False
        page = browsers.refusal(self.headers.get)
        if page is not None:
            self.close_connection = True
            self._answer(403, {}, page.encode())
        return page is None

    def do_GET(self) -> None:
        if self.path.startswith(CONTROL):
            self._control()
        elif fault := self.server.next_fault(self.path):
            self._fail(fault)
        else:
            self._file(body=True)

    def do_HEAD(self) -> None:
        self._file(body=False)

    def do_POST(self) -> None:
        if self.path != FAULTS_PATH:
            self.close_connection = True
            return self._answer(405, {"Allow": "GET, HEAD"})
        try:
            faults = _FAULTS.validate_json(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        except ValueError as error:
            return self._answer(400, {}, str(error).encode())
        self.server.add_faults(*faults)
        return self._answer(204, {})

    def do_DELETE(self) -> None:
        if self.path == FAULTS_PATH:
            self.server.clear_faults()
        elif self.path == REQUESTS_PATH:
            self.server.asked.clear()
        self._answer(204, {})

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: `asked` holds the requests, and a log would only grow."""

    def _control(self) -> None:
        body = json.dumps([asdict(one) for one in self.server.asked]).encode()
        self._answer(200, {"Content-Type": "application/json"}, body)

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "status":
            return self._answer(fault.status, fault.headers, b"asked for by the devnet's faults")
        self.close_connection = True
        self._file(body=True, stop_after=fault.after_bytes)
        if fault.kind == "stall":
            self.server.stopping.wait(fault.stall_s)
        elif fault.kind == "drop":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        return None

    def _file(self, *, body: bool, stop_after: int | None = None) -> None:
        path = _find(self.server.folder, self.path)
        if path is None:
            return self._answer(404, {}, b"no such file")
        stat = path.stat()
        etag, size = etag_of(path, stat.st_mtime_ns, stat.st_size), stat.st_size
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Last-Modified": formatdate(stat.st_mtime, usegmt=True)}
        if self.headers.get("If-Match", etag) not in (etag, "*"):
            return self._answer(412, headers)
        if self.headers.get("If-None-Match") in (etag, "*"):
            return self._answer(304, headers)
        first, last, status = self._part(size, etag)
        if status == 416:
            return self._answer(416, {"Content-Range": f"bytes */{size}"})
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        headers["Content-Type"] = "application/json" if path.suffix == ".json" else "application/octet-stream"
        self._answer(status, headers, length=last - first + 1)
        if body:
            self._send(path, first, min(last - first + 1, size if stop_after is None else stop_after))
        return None

    def _part(self, size: int, etag: str) -> tuple[int, int, int]:
        """Return the first and last byte to send, and the status (RFC 9110, section 14).

        Without a Range header, or with several ranges, that is the whole file.
        """
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if not asked or asked[0] == "bytes=-" or self.headers.get("If-Range", etag) != etag:
            return 0, size - 1, 200
        if not asked[1]:
            first, last = max(0, size - int(asked[2])), size - 1
        else:
            first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
        return (first, last, 206) if first <= last else (0, 0, 416)

    def _send(self, path: Path, first: int, count: int) -> None:
        with path.open("rb") as file:
            file.seek(first)
            while count > 0 and (block := file.read(min(BLOCK_BYTES, count))):
                self.wfile.write(block)
                count -= len(block)

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"", *, length: int | None = None) -> None:
        """Send the status, the headers and `body`; `length` announces a body sent later or omitted for HEAD."""
        if not self.path.startswith(CONTROL):
            self.server.asked.append(Asked(self.command, self.path, self.headers.get("Range"), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _find(folder: Path, target: str) -> Path | None:
    """Return the file for a request's target; None if it is missing, outside the folder or one of nanio's own files."""
    parts = unquote(urlsplit(target).path).strip("/").split("/")
    if any(part.startswith(".") or not part or "\0" in part for part in parts):
        return None
    path = folder.joinpath(*parts)
    return path if path.is_file() and not path.is_symlink() else None


@lru_cache(maxsize=1024)
def etag_of(path: Path, mtime_ns: int, size_bytes: int) -> str:  # noqa: ARG001 - they say when to read it anew
    """Return S3's ETag of a file that was uploaded in one piece: its md5."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return f'"{digest.hexdigest()}"'
