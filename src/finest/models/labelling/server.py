"""A web server on 127.0.0.1 for labelling by hand.

Its address holds a random token, so that neither other users of the machine nor web pages in the same browser can read
the pages or post labels. Posts must also come from the server's own origin, and a request must name loopback as its
host, whatever name was made to resolve to 127.0.0.1 ("DNS rebinding").
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from finest.errors import UsageError
from finest.models.labelling.desk import Desk

_PAGE = resources.files("finest.models.labelling") / "page"
_HOSTS = frozenset({"127.0.0.1", "localhost"})
_FILES = {
    "": ("label.html", "text/html; charset=utf-8"),
    "label.css": ("label.css", "text/css; charset=utf-8"),
    "label.js": ("label.js", "text/javascript; charset=utf-8"),
}
_MAX_BODY_BYTES = 4_096
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@contextmanager
def serve(desk: Desk, port: int = 0) -> Iterator[str]:
    """Serve the desk until the block ends; gives the address to open. Port 0 takes any free port.

    Raises UsageError if the port cannot be used.
    """
    token = secrets.token_urlsafe(24)

    class Handler(_Handler):
        pass

    Handler.desk, Handler.token = desk, token
    try:
        server = _Server(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UsageError(f"port {port} cannot be used ({error.strerror}); name another --port") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{token}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that closed its connection."""


class _Handler(BaseHTTPRequestHandler):
    desk: Desk
    token: str
    timeout = 30.0
    server_version, sys_version = "finest", ""

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the address of a request holds the token."""

    def do_GET(self) -> None:
        name = self._name()
        if name == "state":
            self._answer(200, "application/json", json.dumps(self.desk.state()).encode())
        elif name in _FILES:
            file, kind = _FILES[name]
            self._answer(200, kind, (_PAGE / file).read_bytes())
        elif name is not None:
            self._refuse(404, "there is no such page")

    def do_POST(self) -> None:
        name = self._name()
        if name is None:
            return
        if self.headers.get("Origin") != f"http://{self.headers.get('Host')}":
            self._refuse(403, "labels are accepted from this server's own page only")
        elif self.headers.get("Content-Type") != "application/json":
            self._refuse(415, "send JSON")
        else:
            self._act(name)

    def _act(self, action: str) -> None:
        try:
            state = self._done(action, self._body())
        except ValueError as error:
            self._refuse(400, str(error))
            return
        except OSError as error:
            self._refuse(500, f"this was not saved: {error.strerror}")
            return
        if state is None:
            self._refuse(404, "there is no such action")
            return
        self._answer(200, "application/json", json.dumps(state).encode())
        if state["finished"]:
            self.desk.finished.set()

    def _done(self, action: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if action == "label":
            return self.desk.label(body.get("page"), body.get("label"))
        if action == "skip":
            return self.desk.skip(body.get("page"))
        if action == "undo":
            return self.desk.undo()
        return self.desk.finish() if action == "finish" else None

    def _name(self) -> str | None:
        """Return what is requested, without the token; None after a refusal."""
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            host = None
        _, token, *rest = f"{urlsplit(self.path).path}/".split("/", 2)
        if host not in _HOSTS:
            self._refuse(403, "this server answers to 127.0.0.1 and localhost alone")
        elif not hmac.compare_digest(token.encode(), self.token.encode()):
            self._refuse(403, "open the address that `finest model label` printed")
        else:
            return rest[0].rstrip("/") if rest else ""
        return None

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
            raise ValueError(f"a body of at most {_MAX_BODY_BYTES} bytes is needed")
        body = json.loads(self.rfile.read(int(length)))
        if not isinstance(body, dict):
            raise ValueError("a JSON object is needed")  # noqa: TRY004
        return body

    def _refuse(self, status: int, words: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", words.encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
