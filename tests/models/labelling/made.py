"""Pages to label, and a server that speaks the OpenAI-compatible protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = tuple[int, dict[str, Any]]


def write_pages(path: Path, count: int, words: str = "page") -> Path:
    """Write that many pages as JSONL, each of a host of its own."""
    rows = [
        {"text": f"{words} {number}", "url": f"https://www.host{number}.example/a", "id": f"<urn:{number}>"}
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass
class Served:
    """A running endpoint, and what it was asked."""

    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    most_at_once: int = 0


def says(text: str) -> Reply:
    """The protocol's answer with that text."""
    return 200, {"model": "tiny-1", "choices": [{"message": {"role": "assistant", "content": text}}]}


@contextmanager
def endpoint(
    reply: Callable[[str, int], Reply], models: Reply = (200, {"data": [{"id": "tiny-1"}]})
) -> Iterator[Served]:
    """Serve `reply(prompt, number of the request)` at /v1/chat/completions, and `models` at /v1/models."""
    served, lock, at_once = Served(), threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send(*models if self.path == "/v1/models" else (404, {}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                served.asked.append({"path": self.path, **body})
                served.keys.append(self.headers.get("Authorization"))
                number = len(served.asked)
                at_once[0] += 1
                served.most_at_once = max(served.most_at_once, at_once[0])
            try:
                status, answer = reply(body["messages"][0]["content"], number)
            finally:
                with lock:
                    at_once[0] -= 1
            self.send(status, answer)

        def send(self, status: int, answer: dict[str, Any]) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    served.address = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
