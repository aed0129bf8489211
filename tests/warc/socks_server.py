"""A SOCKS5 proxy (RFC 1928) that asks for user and password (RFC 1929) and connects to IPv4 addresses and names."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from typing import Any


class SocksServer(socketserver.ThreadingTCPServer):
    """Listens on loopback; `reached` is where it was led."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.login = bytes([1, len(user)]) + user.encode() + bytes([len(password)]) + password.encode()
        self.reached: list[tuple[str, int]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> SocksServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *args: Any) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news here."""


class _Handler(socketserver.StreamRequestHandler):
    server: SocksServer

    def handle(self) -> None:
        self.rfile.read(self.rfile.read(2)[1])
        self.connection.sendall(b"\x05\x02")  # user and password, please
        if self.rfile.read(len(self.server.login)) != self.server.login:
            self.connection.sendall(b"\x01\x01")
            return
        self.connection.sendall(b"\x01\x00")
        kind = self.rfile.read(4)[3]
        host = socket.inet_ntoa(self.rfile.read(4)) if kind == 1 else self.rfile.read(self.rfile.read(1)[0]).decode()
        port = struct.unpack(">H", self.rfile.read(2))[0]
        self.server.reached.append((host, port))
        with socket.create_connection((host, port), timeout=10) as far:
            self.connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
