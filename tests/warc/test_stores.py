"""WARCs in stores that fsspec supports, and on the Hub: listed by the unmodified clients, read in one streaming GET."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import fsspec
import pytest

from finest.errors import SourceError, UsageError
from finest.warc.source import inspect, resolve
from finest.warc.store_openers import StoreOpener
from finest.warc.stream import ResumableStream
from tests.warc.made_warc import members, records, whole

WARC = members(records(30))
BUCKET = "acme/crawl"
CREATED = "2026-05-01T00:00:00.000Z"


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's store in this process's memory."""
    files = fsspec.filesystem("memory")
    for name in ("/crawl/a.warc.gz", "/crawl/deep/b.warc.gz", "/crawl/notes.txt"):
        files.pipe_file(name, WARC)
    yield files
    files.rm("/crawl", recursive=True)


def test_files_folders_and_globs_of_a_store(memory: Any, tmp_path: Path) -> None:
    """An address of a store names a file, a folder or a glob, and is read like a local file."""
    a, b = "memory:///crawl/a.warc.gz", "memory:///crawl/deep/b.warc.gz"
    assert [spec.replace(":///", "://") for spec in resolve(["memory://crawl/"])] == [
        a.replace(":///", "://"), b.replace(":///", "://"),
    ]  # fmt: skip
    assert len(resolve(["memory://crawl"])) == 2
    assert len(resolve(["memory://crawl/*.warc.gz"])) == 1
    (tmp_path / "a.warc.gz").write_bytes(WARC)
    source = inspect(resolve(["memory://crawl/a.warc.gz"])[0])
    assert (source.name, source.size_bytes) == ("memory://crawl/a.warc.gz", len(WARC))
    here = whole(inspect(resolve([f"file://{tmp_path}/a.warc.gz"])[0]))
    assert list(whole(source)) == list(here)


def test_a_stream_of_a_store_begins_anywhere(memory: Any) -> None:
    """A slice of a file in a store is read from its first byte."""
    stream = ResumableStream(StoreOpener("memory://crawl/a.warc.gz"), position=100)
    assert stream.read(20) == WARC[100:120]


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("memory://crawl/none/*.gz", SourceError, "memory://crawl/none/.*: matches no .warc"),
        ("memory://none/", SourceError, "holds no .warc"),
        ("nowhere://crawl/a.warc.gz", UsageError, "nowhere"),
        ("s3a://crawl/", UsageError, "pip install s3fs"),
    ],
)
def test_what_a_store_has_not_is_named(memory: Any, spec: str, kind: type[Exception], message: str) -> None:
    """What matches nothing, what nobody knows, and what needs another package each get one line."""
    with pytest.raises(kind, match=message):
        resolve([spec])


def test_a_missing_file_of_a_store_is_named(memory: Any) -> None:
    """A file that is not there is one clear line, without any wait."""
    with pytest.raises(SourceError, match=r"memory://crawl/c.warc.gz: not found"):
        inspect("memory://crawl/c.warc.gz")


# -- the Hub's buckets, by the unmodified huggingface_hub


class _Buckets(BaseHTTPRequestHandler):
    """The routes of the Hub's API for buckets that HfFileSystem lists by, and the one that serves their files."""

    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(f"{path} {self.headers.get('Authorization')} {self.headers.get('Range')}")
        if path == f"/api/buckets/{BUCKET}":
            about = {"id": BUCKET, "private": False, "createdAt": CREATED, "size": 1, "totalFiles": len(self.files)}
            return self._json(about)
        if path.startswith(f"/api/buckets/{BUCKET}/tree"):
            prefix = path.removeprefix(f"/api/buckets/{BUCKET}/tree").strip("/")
            return self._json(self._tree(prefix, "recursive=true" in self.path.lower()))
        name = path.removeprefix(f"/buckets/{BUCKET}/resolve/")
        if name not in self.files:
            return self._send(404, b"", {})
        data, asked = self.files[name], self.headers.get("Range")
        if not asked:
            return self._send(200, data, {})
        first, _, last = asked.removeprefix("bytes=").partition("-")
        end = min(len(data), int(last) + 1) if last else len(data)
        about_range = {"Content-Range": f"bytes {first}-{end - 1}/{len(data)}"}
        return self._send(206, data[int(first) : end], about_range)

    def _tree(self, prefix: str, recursive: bool) -> list[dict[str, Any]]:
        below = f"{prefix}/" if prefix else ""
        files = [_file(name) for name in self.files if name.startswith(below)]
        if recursive:
            return files
        folders = {below + file["path"].removeprefix(below).split("/")[0] for file in files} - self.files.keys()
        here = [file for file in files if "/" not in file["path"].removeprefix(below)]
        return here + [{"type": "directory", "path": name, "uploadedAt": CREATED} for name in sorted(folders)]

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"ETag": '"1"', "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """No log."""


def _file(name: str) -> dict[str, Any]:
    times = {"mtime": CREATED, "uploadedAt": CREATED}
    return {"type": "file", "path": name, "size": len(WARC), "xetHash": "0" * 64, **times}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Buckets]]:
    """A Hub with a bucket of two WARCs."""
    from huggingface_hub import HfFileSystem, constants

    _Buckets.files = {"x/a.warc.gz": WARC, "x/b c.warc.gz": WARC, "x/notes.txt": b""}
    _Buckets.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Buckets)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    HfFileSystem.clear_instance_cache()
    yield _Buckets
    HfFileSystem.clear_instance_cache()
    server.shutdown()
    server.server_close()


def test_a_bucket_of_the_hub(hub: type[_Buckets]) -> None:
    """HfFileSystem lists the files; each is read with the token, and to its end with one GET."""
    a, b = f"hf://buckets/{BUCKET}/x/a.warc.gz", f"hf://buckets/{BUCKET}/x/b c.warc.gz"
    assert resolve([f"hf://buckets/{BUCKET}/x/"]) == [a, b]
    assert resolve([f"hf://buckets/{BUCKET}/x/b*.warc.gz"]) == [b]
    source = inspect(b)
    assert (source.name, source.size_bytes) == (b, len(WARC))
    hub.asked.clear()
    assert len(list(whole(source))) == 30
    assert len(hub.asked) == 1
    assert "Bearer hf_secretsecret" in hub.asked[0]


def test_what_the_hub_has_not_is_named(hub: type[_Buckets]) -> None:
    """A missing file says what to check, and shows no token."""
    with pytest.raises(SourceError, match="the Hub has no such file, or your token may not read it") as caught:
        inspect(f"hf://buckets/{BUCKET}/none.warc.gz")
    assert "hf_" not in str(caught.value).replace("hf://", "")
