"""The HTTP session of a process: connections that are kept for plain addresses, and requests for all others."""

from __future__ import annotations

import re
import select
import ssl
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from email.message import Message

    import requests

_PLAIN_PATH = re.compile(r"(?:/(?!\.)[A-Za-z0-9._~=,+-]*)+")
"""A path that is sent as it is: nothing to encode, no `.` or `..`."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Response(Protocol):
    """A response whose body is not read yet."""

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def headers(self) -> Mapping[str, str] | Message: ...

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


CONNECTIONS = 80
"""Most connections that a process keeps to one host: as many as there are sources looked at at once when a run is
planned, which takes 225 s for 90,000 sources at 0.2 s each. A worker that reads has one."""


@cache
def session(pid: int) -> Session:  # noqa: ARG001
    """The HTTP session of process `pid`."""
    return Session()


class Session:
    """An HTTP session for all threads of a process.

    What requests finds in the environment for a host (proxies, certificates, .netrc) is looked up once for each host.
    A plain address of a host without a proxy is then asked for by the standard library's client over connections that
    are kept, which takes a third of requests' CPU time. Redirects are left to requests.
    """

    def __init__(self) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
        self._hosts: dict[str, _Host] = {}

    def get(self, address: str, headers: Mapping[str, str], timeout_s: tuple[float, float]) -> Response:
        """Send a GET, with the longest times to connect and of silence; raises as requests and http.client do."""
        name = "/".join(address.split("/", 3)[:3])
        host = self._hosts.get(name) or self._hosts.setdefault(name, _Host(self._session, address))
        path = address[len(name) :]
        if host.kept is not None and _PLAIN_PATH.fullmatch(path):
            response = host.kept.get(path, headers, timeout_s)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            host.kept = None
        request = host.first.copy()
        request.prepare_url(address, None)
        request.headers.update(headers)
        found: Response = self._session.send(request, timeout=timeout_s, **host.settings).raw
        return found


class _Host:
    """A host: a request to it, requests' settings for it, and its kept connections if it is not reached by a proxy."""

    def __init__(self, session: requests.Session, address: str) -> None:
        import requests
        from requests.utils import select_proxy

        self.first = session.prepare_request(requests.Request("GET", address))
        url = self.first.url or address
        self.settings: dict[str, Any] = session.merge_environment_settings(url, {}, True, None, None)
        self.kept: _Kept | None = None
        if url.startswith(("https://", "http://")) and not select_proxy(url, self.settings["proxies"]):
            context = _context(self.settings["verify"]) if url.startswith("https://") else None
            # requests' own headers, which hold the user name and password of an address
            headers = {name: str(value) for name, value in self.first.headers.items()}
            self.kept = _Kept(url, headers, context)


def _context(certificates: str | bool) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates in that file or folder, by default those of certifi."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    path = Path(certificates if isinstance(certificates, str) else DEFAULT_CA_BUNDLE_PATH)
    return ssl.create_default_context(cafile=None if path.is_dir() else path, capath=path if path.is_dir() else None)


class _Kept:
    """Connections to one host; each is kept for the next request once the body of its response is read."""

    def __init__(self, url: str, headers: Mapping[str, str], context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._headers, self._context = headers, context
        self._idle: list[HTTPConnection] = []

    def get(self, path: str, headers: Mapping[str, str], timeout_s: tuple[float, float]) -> _KeptResponse:
        connection = self._connection(timeout_s)
        try:
            connection.request("GET", path, headers={**self._headers, **headers})
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        return _KeptResponse(response, connection, self._idle)

    def _connection(self, timeout_s: tuple[float, float]) -> HTTPConnection:
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if not _has_ended(connection.sock):
                    if connection.sock.gettimeout() != timeout_s[1]:
                        connection.sock.settimeout(timeout_s[1])
                    return connection
                connection.close()
        if self._context is None:
            connection = HTTPConnection(self._host, self._port, timeout_s[0])
        else:
            connection = HTTPSConnection(self._host, self._port, timeout=timeout_s[0], context=self._context)
        connection.connect()
        connection.sock.settimeout(timeout_s[1])
        return connection


class _KeptResponse:
    """A response over a kept connection, which `close` gives back if the body was read to its end."""

    __slots__ = ("_connection", "_idle", "_response", "headers", "read", "reason", "status")

    def __init__(self, response: HTTPResponse, connection: HTTPConnection, idle: list[HTTPConnection]) -> None:
        self.status, self.reason, self.headers = response.status, response.reason, response.headers
        self.read = response.read
        self._response, self._connection, self._idle = response, connection, idle

    def close(self) -> None:
        is_read = self._response.isclosed() and self._connection.sock is not None
        self._response.close()
        if is_read:
            self._idle.append(self._connection)
        else:
            self._connection.close()


def _has_ended(kept: socket.socket) -> bool:
    """Return whether the server has closed the connection, or sent something that nobody asked for."""
    poll = select.poll()
    poll.register(kept, select.POLLIN)
    return bool(poll.poll(0))
