"""A refusal pauses all streams of a run together, and each request names its end."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.errors import SourceBusy, SourceError
from finest.retry import Policy
from finest.warc import pauses as module
from finest.warc.openers import HttpsOpener, S3Opener, s3_client
from finest.warc.pauses import Pauses
from finest.warc.slices import plan_slices, read_slice
from finest.warc.source import inspect
from finest.warc.stream import MORE_BYTES, ResumableStream, RetryPolicy
from tests.faulty_server import Fault, FaultyServer
from tests.warc.made_warc import MAX_RECORD_BYTES, http, members, record

QUICK = RetryPolicy(tries=2, first_s=0.001, cap_s=0.01)
DATA = random.Random(1).randbytes(100_003)
LARGE = members(
    [
        record("response", f"https://example.com/{i}", http(random.Random(i).randbytes(20_000).hex().encode()))
        for i in range(100)
    ]
)
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer({"/data": DATA, "/large.warc.gz": LARGE, "/empty.warc.gz": b""}) as server:
        yield server


class Clock:
    """Stands in the place of the module `time`: sleeping takes no time."""

    strftime, localtime = staticmethod(time.strftime), staticmethod(time.localtime)

    def __init__(self) -> None:
        self.now_s = 1e9

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_eight_workers_wait_together(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Each has its own object, as on several machines. None asks during the pause, none gives up, all are served."""
    monkeypatch.setattr(module, "LENGTHS", Policy(first_s=0.1, cap_s=0.1))
    server.state.refuse_until_s = time.time() + 0.9
    server.state.refusal = Fault("status", headers=(("Retry-After", "1"),))
    got: list[bytes] = []

    def read() -> None:
        opener = HttpsOpener(f"{server.base}/data")
        got.append(ResumableStream(opener, policy=QUICK, pauses=Pauses(tmp_path)).read() or b"")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [DATA] * 8
    assert len(server.state.seen) <= 16, "one request each before the pause, and one after it"


def test_pauses_get_longer_until_the_server_answers(tmp_path: Path, clock: Clock) -> None:
    """5 s, doubled after each pause that ends in a refusal; a refusal after an answer begins a short one."""
    pauses, lengths = Pauses(tmp_path), []
    for _ in range(9):
        pauses.wait("h")
        asked_s = clock.now_s
        pauses.refused("h", asked_s, "HTTP 503", None)
        pauses.refused("h", asked_s, "HTTP 503", None)  # of another worker, sent at the same time
        found = pauses.of("h")
        assert found is not None
        lengths.append(found.length_s)
    assert all(5 * 2**i / 2 <= length <= 5 * 2**i for i, length in enumerate(lengths[:7]))
    assert all(300 <= length <= 600 for length in lengths[7:])
    pauses.wait("h")
    pauses.served("h", clock.now_s)
    pauses.refused("h", clock.now_s, "HTTP 503", None)
    found = pauses.of("h")
    assert found is not None and found.number == 8 and found.since_s == clock.now_s


def test_hours_of_refusals_are_borne_and_end_at_the_limit(tmp_path: Path, clock: Clock) -> None:
    """`max_s` counts from the first refusal after an answer; a new run counts from its own start."""
    pauses, asked = Pauses(tmp_path, max_s=3600), 0
    began_s = clock.now_s
    with pytest.raises(SourceBusy, match=r"h has refused every .*\(HTTP 403\).*Run the same command again"):  # noqa: PT012
        while True:
            pauses.wait("h")
            asked += 1
            pauses.refused("h", clock.now_s, "HTTP 403", None)
    assert 3000 < clock.now_s - began_s < 3600 + 900 and asked < 20
    assert SourceBusy.exit_code == 75
    clock.now_s += 10
    pauses.renew()
    assert pauses.of("h") is None
    pauses.refused("h", clock.now_s, "HTTP 403", None)


def test_a_longer_retry_after_extends_a_pause_and_a_shorter_one_does_not(tmp_path: Path, clock: Clock) -> None:
    """What the server asks for holds for all, whoever was told it."""
    pauses, asked_s = Pauses(tmp_path), clock.now_s
    pauses.refused("h", asked_s, "HTTP 429", 100)
    pauses.refused("h", asked_s, "HTTP 429", 30)
    first = pauses.of("h")
    pauses.refused("h", asked_s, "HTTP 429", 4000)
    second = pauses.of("h")
    assert first is not None and second is not None
    assert 100 <= first.until_s - asked_s <= 106 and 4000 <= second.until_s - asked_s <= 4006
    assert pauses.running() == second and second.words().startswith("h refuses requests (HTTP 429); waiting until ")
    with pytest.raises(SourceBusy, match="max-pause"):
        Pauses(tmp_path, max_s=60).refused("other", asked_s, "HTTP 429", 100)


def test_a_pause_is_for_its_host(tmp_path: Path, clock: Clock) -> None:
    """A file that is no pause is none."""
    pauses = Pauses(tmp_path)
    pauses.refused("a:80", clock.now_s, "HTTP 503", None)
    pauses.refused("s3://b/../c", clock.now_s, "HTTP 503 SlowDown", None)
    (tmp_path / "d").write_text("{")
    before_s = clock.now_s
    for host in ("b", "d", "a"):
        pauses.wait(host)
    assert clock.now_s == before_s and {path.parent for path in tmp_path.rglob("*")} == {tmp_path}


def test_what_alone_is_forbidden_costs_itself(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """403 for one file, while others are read, is no rate limit; where nothing is read, it may be one."""
    monkeypatch.setattr(module, "LENGTHS", Policy(first_s=0.002, cap_s=0.002))
    server.state.forbidden = {"/forbidden"}
    pauses, over = Pauses(tmp_path, max_s=2), threading.Event()

    def read_others() -> None:
        while not over.is_set():
            ResumableStream(HttpsOpener(f"{server.base}/data"), policy=QUICK, pauses=Pauses(tmp_path)).read()

    stream = ResumableStream(HttpsOpener(f"{server.base}/forbidden"), policy=QUICK, pauses=pauses)
    with pytest.raises(SourceBusy):
        stream.read()
    pauses.renew()
    thread = threading.Thread(target=read_others)
    thread.start()
    stream = ResumableStream(HttpsOpener(f"{server.base}/forbidden"), policy=QUICK, pauses=Pauses(tmp_path))
    try:
        with pytest.raises(SourceError, match="/forbidden: the server answers HTTP 403 to 30 requests in a row"):
            stream.read()
    finally:
        over.set()
        thread.join()


def test_the_pause_holds_no_secret(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """User information and query of an address reach neither its file nor a line."""
    monkeypatch.setattr(module, "LENGTHS", Policy(first_s=0.01, cap_s=0.01))
    server.state.faults = [Fault("status", status=429)]
    address = server.base.replace("//", "//minerva:pa55word@") + "/data?X-Amz-Signature=5ecret&token=5ecret2"
    server.state.files = {"/data?X-Amz-Signature=5ecret&token=5ecret2": DATA}
    pauses = Pauses(tmp_path)
    assert ResumableStream(HttpsOpener(address), policy=QUICK, pauses=pauses).read() == DATA
    (path,) = tmp_path.iterdir()
    pause = pauses.of(server.base.removeprefix("http://"))
    assert pause is not None
    for text in (path.name, path.read_text(), pause.words(), caplog.text):
        assert not any(secret in text for secret in ("minerva", "pa55word", "5ecret", "Amz")), text


def test_s3_that_asks_to_slow_down_pauses_its_bucket(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SlowDown is a refusal whatever its status."""
    for name, value in (("ENDPOINT_URL_S3", server.base), ("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(module, "LENGTHS", Policy(first_s=0.01, cap_s=0.01))
    server.state.files = {"/bucket/data": DATA}
    server.state.faults = [Fault("status", status=status, body=SLOW_DOWN) for status in (503, 400, 503)]
    s3_client.cache_clear()
    pauses = Pauses(tmp_path)
    assert ResumableStream(S3Opener("s3://bucket/data"), policy=QUICK, pauses=pauses).read() == DATA
    found = pauses.of("s3://bucket")
    assert found is not None and found.number == 3 and found.reason == "HTTP 503 SlowDown"
    s3_client.cache_clear()


def test_slices_ask_for_their_own_bytes_over_one_connection(server: FaultyServer) -> None:
    """One request a slice that ends a little after the slice; a look at the head asks for little, too."""
    source = inspect(f"{server.base}/large.warc.gz")
    assert server.state.sent_bytes <= MORE_BYTES
    server.state.sent_bytes, server.state.connections = 0, 0
    server.state.seen.clear()
    slices = plan_slices(source, 0, 400_000)
    readers = [read_slice(source, slice_, max_record_bytes=MAX_RECORD_BYTES) for slice_ in slices]
    assert sum(len(list(reader)) for reader in readers) == 100 and len(slices) >= 4
    assert len(server.state.seen) == len(slices)
    assert server.state.connections <= 1
    assert server.state.sent_bytes <= len(LARGE) + len(slices) * MORE_BYTES


def test_slices_that_follow_each_other_share_one_request(server: FaultyServer) -> None:
    """A source that one worker reads costs one request and its own bytes; a broken connection costs one more."""
    source = inspect(f"{server.base}/large.warc.gz")
    slices = plan_slices(source, 0, 400_000)
    alone = [read_slice(source, slice_, max_record_bytes=MAX_RECORD_BYTES) for slice_ in slices]
    wanted = [(list(one), one.first_offset, one.next_offset, one.sha256, one.losses) for one in alone]
    for faults, requests in (([], 1), ([Fault("fin", after=700_000)], 2)):
        server.state.faults, server.state.sent_bytes = list(faults), 0
        server.state.seen.clear()
        found, before = [], None
        for slice_ in slices:
            one = before = read_slice(
                source, slice_, until=len(LARGE), before=before, max_record_bytes=MAX_RECORD_BYTES, policy=QUICK
            )
            found.append((list(one), one.first_offset, one.next_offset, one.sha256, one.losses))
        assert found == wanted
        assert len(server.state.seen) == requests and server.state.sent_bytes <= len(LARGE)


def test_a_few_pages_cost_few_bytes_and_requests(server: FaultyServer) -> None:
    """With a limit, each request asks for twice as much as the one before."""
    source = inspect(f"{server.base}/large.warc.gz")
    (whole,) = plan_slices(source, 0, 1 << 30)
    for limit, requests in ((1, 1), (60, 3)):
        server.state.sent_bytes = 0
        server.state.seen.clear()
        reader = read_slice(source, whole, limit=limit, max_record_bytes=MAX_RECORD_BYTES)
        assert len(list(reader)) == limit
        assert len(server.state.seen) == requests
        assert server.state.sent_bytes <= 2 * reader.next_offset + 2 * MORE_BYTES


def test_a_stream_is_closed_where_the_next_slice_does_not_follow(server: FaultyServer) -> None:
    """Another slice, or one that must begin elsewhere, opens its own."""
    source = inspect(f"{server.base}/large.warc.gz")
    first, second, third, *_ = plan_slices(source, 0, 400_000)
    for slice_, exact_start in ((third, None), (second, second.end)):
        reader = read_slice(source, first, until=len(LARGE), max_record_bytes=MAX_RECORD_BYTES)
        list(reader)
        other = read_slice(
            source, slice_, exact_start=exact_start, before=reader, max_record_bytes=MAX_RECORD_BYTES, policy=QUICK
        )
        assert reader._stream.closed
        other.close()


def test_a_record_that_goes_on_past_the_request_is_read(server: FaultyServer) -> None:
    """The next request begins where the last one ended."""
    parts = [record("response", f"https://example.com/{i}", http(random.Random(i).randbytes(900_000))) for i in (1, 2)]
    server.state.files["/two.warc.gz"] = members(parts)
    source = inspect(f"{server.base}/two.warc.gz")
    server.state.seen.clear()
    slice_ = plan_slices(source, 0, 1 << 20)[0]
    reader = read_slice(source, slice_, max_record_bytes=MAX_RECORD_BYTES)
    assert [found.url for found in reader] == ["https://example.com/1", "https://example.com/2"]
    ranges = [seen.headers.get("range", "bytes=0-").removeprefix("bytes=").split("-") for seen in server.state.seen]
    assert all(after[0] == str(int(before[1]) + 1) for before, after in itertools.pairwise(ranges))
    assert reader.sha256 == hashlib.sha256(server.state.files["/two.warc.gz"][: reader.next_offset]).hexdigest()


def test_an_empty_file_is_named_whether_the_server_can_answer_a_range_of_it_or_not(server: FaultyServer) -> None:
    """No range of nothing can be satisfied (RFC 9110)."""
    for faults in ([], [Fault("ignore_range")]):
        server.state.faults = list(faults)
        with pytest.raises(SourceError, match="the file is empty"):
            inspect(f"{server.base}/empty.warc.gz")
