"""The resumable stream: whatever breaks the connection, every byte arrives once, or one clear error does."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from finest.errors import SourceError
from finest.warc.openers import HttpsOpener, LocalOpener, S3Opener, s3_client
from finest.warc.slices import plan_slices, read_slice
from finest.warc.source import inspect
from finest.warc.stream import Interrupted, ResumableStream, RetryPolicy
from tests.faulty_server import Fault, FaultyServer
from tests.warc.made_warc import MAX_RECORD_BYTES, members, records

QUICK = RetryPolicy(tries=4, first_s=0.001, cap_s=0.01, refused_floor_s=0.0)
DATA = random.Random(1).randbytes(1_000_003)
WARC = members(records(60))
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer({"/data": DATA, "/a.warc.gz": WARC, "/empty": b""}) as server:
        yield server


def stream_of(server: FaultyServer, path: str = "/data", **kwargs: object) -> ResumableStream:
    opener = HttpsOpener(server.base + path, read_timeout_s=1.0)
    return ResumableStream(opener, policy=QUICK, **kwargs)  # type: ignore[arg-type]


FAULTS = {
    "none": [],
    "reset": [Fault("rst", after) for after in (0, 70_000, 200_000, 1)],
    "short body": [Fault("fin", after) for after in (0, 300_000, 64 << 10, 65_537)],
    "stall": [Fault("stall", 100_000)],
    "503": [Fault("status", status=503, body=SLOW_DOWN), Fault("fin", 90_000), Fault("status", status=500)],
    "403": [Fault("status", status=403), Fault("status", status=403)],
    "429": [Fault("status", status=429, headers=(("Retry-After", "0"),)), Fault("rst", 5)],
    "many": [Fault(kind, 20_000) for kind in ("rst", "fin") * 20],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_every_byte_arrives_once(server: FaultyServer, faults: list[Fault]) -> None:
    """The stream is the object, byte for byte, through any fault that another GET can mend."""
    server.state.faults = list(faults)
    assert stream_of(server).read() == DATA
    assert server.state.faults == []


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_records_are_the_same_through_faults(server: FaultyServer, tmp_path: Path, faults: list[Fault]) -> None:
    """A WARC over a broken connection gives the records and digests of the file itself."""
    (tmp_path / "a.warc.gz").write_bytes(WARC)
    read: list[list[object]] = []
    for location in (str(tmp_path / "a.warc.gz"), server.base + "/a.warc.gz"):
        source = inspect(location)
        server.state.faults = [fault for fault in faults if fault.kind != "stall"] if "://" in location else []
        parts = [
            read_slice(source, part, max_record_bytes=MAX_RECORD_BYTES, policy=QUICK)
            for part in plan_slices(source, 0, 9000)
        ]
        read.append([(list(part), part.first_offset, part.next_offset, part.sha256, part.losses) for part in parts])
    assert read[0] == read[1]
    assert len(read[0]) > 2


def test_a_resumed_get_names_position_and_object(server: FaultyServer) -> None:
    """After a failure the next GET asks from the first missing byte on, of the same object, as ourselves."""
    server.state.faults = [Fault("fin", 100_000)]
    assert stream_of(server).read() == DATA
    first, second = server.state.seen
    assert "range" not in first.headers
    assert first.headers["accept-encoding"] == "identity"
    assert first.headers["user-agent"].startswith("finest-data/")
    assert second.headers["if-match"] == '"faulty-1"'
    asked_from = int(second.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 65_536 <= asked_from <= 100_000  # what a failing read had got already may be asked for again


def test_reading_begins_at_a_position(server: FaultyServer) -> None:
    """A stream can begin anywhere, and asks for nothing at the end."""
    assert stream_of(server, position=999_000).read() == DATA[999_000:]
    assert stream_of(server, position=len(DATA), size_bytes=len(DATA)).read() == b""
    assert stream_of(server, "/empty").read() == b""


def test_retries_are_told(server: FaultyServer) -> None:
    """`on_retry` hears position, reason and pause of each failure."""
    heard: list[tuple[int, str, float]] = []
    server.state.faults = [Fault("status", status=503), Fault("fin", 10)]
    stream_of(server, on_retry=lambda *told: heard.append(told)).read()
    assert [(position, reason) for position, reason, _ in heard[:1]] == [(0, "HTTP 503")]
    assert len(heard) >= 2


def test_progress_renews_the_budget_and_its_absence_spends_it(server: FaultyServer) -> None:
    """Failures with progress are borne; `tries` in a row without are not, and the error names the byte."""
    server.state.faults = [Fault("fin", 66_000)] * 6 + [Fault("status", status=503)] * 4
    with pytest.raises(SourceError, match=r"/data: gave up at byte 39\d{4} after 4 tries without progress: HTTP 503"):
        stream_of(server).read()


def test_a_connection_that_gives_little_still_progresses(server: FaultyServer) -> None:
    """Where each answer breaks after a few kilobytes, smaller reads keep what arrived."""
    server.state.files["/data"] = DATA[:50_000]
    server.state.faults = [Fault("rst" if i % 2 else "fin", 5000) for i in range(60)]
    assert stream_of(server).read() == DATA[:50_000]


def test_retry_after_is_obeyed() -> None:
    """A server's own pause is waited for, up to the cap, and a refusal costs at least the floor."""
    policy = RetryPolicy(first_s=0.001, refused_floor_s=1.0)
    assert policy.pause_s(1, Interrupted("x", retry_after_s=30)) == 30
    assert policy.pause_s(1, Interrupted("x", retry_after_s=1e6)) == 900
    assert policy.pause_s(1, Interrupted("x", refused=True)) >= 1
    assert policy.pause_s(1, Interrupted("x")) <= 0.002


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_read(server: FaultyServer, *, as_date: bool) -> None:
    """The header is understood in both of its forms."""
    value = formatdate(time.time() + 100, usegmt=True) if as_date else "100"
    server.state.faults = [Fault("status", status=429, headers=(("Retry-After", value),))]
    with pytest.raises(Interrupted) as caught:
        HttpsOpener(server.base + "/data").open(0, None)
    assert caught.value.retry_after_s == pytest.approx(100, abs=3)


def test_a_changed_object_is_refused(server: FaultyServer) -> None:
    """If the object changes while it is read, or since it was planned, the stream stops."""
    server.state.faults = [Fault("fin", 100_000)]
    stream = stream_of(server)
    stream.read(1)
    server.state.etag = '"other"'
    with pytest.raises(SourceError, match="changed since it was first looked at; run again with --restart"):
        stream.read()
    with pytest.raises(SourceError, match="changed"):
        stream_of(server, etag='"other"', size_bytes=5).read()
    with pytest.raises(SourceError, match="changed"):
        stream_of(server, etag='W/"weak"', size_bytes=len(DATA)).read()


def test_an_object_without_etag_is_told_by_its_size(server: FaultyServer) -> None:
    """Where the server gives no ETag, the size alone says whether it is the same object."""
    server.state.etag = None
    server.state.faults = [Fault("fin", 100_000)]
    assert stream_of(server, size_bytes=len(DATA)).read() == DATA
    with pytest.raises(SourceError, match="changed"):
        stream_of(server, size_bytes=len(DATA) - 1).read()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("ignore_range"), "ignores Range"),
        (Fault("status", status=404), "not found"),
        (Fault("status", status=418), "answers HTTP 418"),
        (Fault("status", status=416), "changed"),
    ],
)
def test_what_no_retry_mends_is_one_clear_error(server: FaultyServer, fault: Fault, message: str) -> None:
    """Such answers are not tried again."""
    server.state.faults = [fault]
    with pytest.raises(SourceError, match=message):
        stream_of(server, position=10).read()
    assert len(server.state.seen) == 1


def test_a_server_without_content_length_is_refused(server: FaultyServer) -> None:
    """Without a length a cut could not be told from the end."""
    server.state.faults = [Fault("no_length")]
    with pytest.raises(SourceError, match="names no Content-Length"):
        stream_of(server).read()


def test_a_server_that_is_not_there_is_tried_and_given_up() -> None:
    """A refused connection is retried like any other, then named."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        opener = HttpsOpener(f"http://127.0.0.1:{unused.getsockname()[1]}/data")
        with pytest.raises(SourceError, match="gave up at byte 0 after 4 tries"):
            ResumableStream(opener, policy=QUICK).read()


def test_a_local_file_is_read_from_a_position(tmp_path: Path) -> None:
    """A local file is a stream like any other."""
    path = tmp_path / "data"
    path.write_bytes(DATA)
    assert ResumableStream(LocalOpener(str(path)), position=500_000).read() == DATA[500_000:]


def test_a_local_file_that_shrinks_is_refused(tmp_path: Path) -> None:
    """A file cut while it is read is named as changed, not taken as ended."""
    path = tmp_path / "data"
    path.write_bytes(DATA)
    stream = ResumableStream(LocalOpener(str(path)), policy=QUICK)
    stream.read(1)
    os.truncate(path, 100_000)
    with pytest.raises(SourceError, match="changed"):
        stream.read()


def test_importing_the_reader_imports_no_client() -> None:
    """boto3 and requests are loaded at their first use: a local run never pays for them."""
    code = (
        "import sys, finest.warc.slices, finest.warc.source;"
        "print([name for name in ('boto3', 'requests') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


# -- S3


@pytest.fixture
def faulty_s3(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """The faulty server as an S3 endpoint, its files in a bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.base)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret-of-some-length")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    server.state.files = {f"/bucket{path}": data for path, data in server.state.files.items()}
    s3_client.cache_clear()
    yield server
    s3_client.cache_clear()


@pytest.mark.parametrize("faults", [FAULTS[name] for name in FAULTS if name not in ("403", "many")])
def test_every_byte_arrives_once_over_s3(faulty_s3: FaultyServer, faults: list[Fault]) -> None:
    """The same holds over boto3, which retries nothing by itself."""
    faulty_s3.state.faults = list(faults)
    opener = S3Opener("s3://bucket/data", read_timeout_s=1.0)
    assert ResumableStream(opener, policy=QUICK).read() == DATA
    assert faulty_s3.state.faults == []
    assert len(faulty_s3.state.seen) >= len(faults)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "AccessDenied", r"refuses these AWS credentials \(AccessDenied\); give them in AWS_ACCESS_KEY_ID"),
        (404, "NoSuchBucket", "no such bucket: bucket"),
        (404, "NoSuchKey", "not found; check the key"),
        (412, "PreconditionFailed", "changed since"),
        (400, "ExpiredToken", "S3 answers ExpiredToken: told"),
    ],
)
def test_what_s3_refuses_is_one_clear_error(faulty_s3: FaultyServer, status: int, code: str, message: str) -> None:
    """S3's fatal answers are not tried again, and say what to do."""
    body = f"<Error><Code>{code}</Code><Message>told</Message></Error>".encode()
    faulty_s3.state.faults = [Fault("status", status=status, body=body)]
    with pytest.raises(SourceError, match=message):
        ResumableStream(S3Opener("s3://bucket/data"), policy=QUICK).read()
    assert len(faulty_s3.state.seen) == 1


def test_a_changed_object_is_refused_over_s3(faulty_s3: FaultyServer) -> None:
    """A resumed GetObject asks for the same ETag."""
    faulty_s3.state.faults = [Fault("fin", 100_000)]
    stream = ResumableStream(S3Opener("s3://bucket/data"), policy=QUICK)
    stream.read(1)
    faulty_s3.state.etag = '"other"'
    with pytest.raises(SourceError, match="changed"):
        stream.read()
