"""The bucket: the sample crawl over S3, twice, and over HTTP with faults."""

from __future__ import annotations

import gzip
import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from fastwarc.warc import ArchiveIterator

from finest.devnet.bucket import BUCKET, REGION, Bucket, Keys
from finest.devnet.crawl import CRAWL, WARCS, sample_crawl, warc_key
from finest.devnet.crawl_http import Fault
from finest.devnet.devnet import Devnet
from finest.errors import SourceError
from finest.warc.openers import HttpsOpener, s3_client
from finest.warc.places import opener_for
from finest.warc.source import inspect
from finest.warc.stream import ResumableStream, RetryPolicy

CRAWL_OBJECTS = sample_crawl()
KEY = warc_key(0)
WARC = CRAWL_OBJECTS[KEY]
AT_ONCE = RetryPolicy(first_s=0.01, cap_s=0.01, refused_floor_s=0.01)


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A bucket and its files over HTTP."""
    with Devnet(tmp_path_factory.mktemp("devnet") / "it's here", services=("bucket", "crawl")) as made:
        yield made


@pytest.fixture(scope="module")
def moto() -> Iterator[Bucket]:
    """The same objects on another implementation of S3."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    bucket = Bucket("http://{}:{}".format(*server.get_host_and_port()), Keys.make())
    bucket.fill()
    yield bucket
    server.stop()


@pytest.fixture(params=["nanio", "moto"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, devnet: Devnet) -> Iterator[Bucket]:
    """A filled bucket that this process's environment leads to."""
    found: Bucket = devnet.bucket if request.param == "nanio" else request.getfixturevalue("moto")
    lead_to(found, devnet, monkeypatch)
    s3_client.cache_clear()
    yield found
    s3_client.cache_clear()


def lead_to(bucket: Bucket, devnet: Devnet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in devnet.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.keys.secret_key)


@pytest.fixture
def crawl(devnet: Devnet) -> Iterator[Devnet]:
    """The files over HTTP, nothing going wrong yet."""
    devnet.crawl.forget()
    yield devnet
    devnet.crawl.forget()


def read(location: str, **arguments: Any) -> bytes:
    with ResumableStream(opener_for(location), policy=AT_ONCE, **arguments) as stream:
        return stream.read()


# -- what it holds


def test_every_build_gives_the_same_bytes() -> None:
    """A dataset's root is the same on every devnet."""
    assert sample_crawl() == CRAWL_OBJECTS


def test_the_crawl_lists_its_warcs() -> None:
    """`warc.paths.gz` and `collinfo.json` lead to every WARC, as Common Crawl's do."""
    paths = gzip.decompress(CRAWL_OBJECTS[f"crawl-data/{CRAWL}/warc.paths.gz"]).decode().split()
    assert paths == [warc_key(number) for number in range(WARCS)]
    assert [one["id"] for one in json.loads(CRAWL_OBJECTS["collinfo.json"])] == [CRAWL]
    assert set(CRAWL_OBJECTS) == {*paths, f"crawl-data/{CRAWL}/warc.paths.gz", "collinfo.json"}


def test_no_two_records_share_an_id() -> None:
    """WARCs overlap in their pages, never in their records; each is sound from end to end."""
    ids, pages = [], []
    for number in range(WARCS):
        for record in ArchiveIterator(io.BytesIO(CRAWL_OBJECTS[warc_key(number)]), parse_http=False):
            if record.headers["WARC-Type"] == "response":
                assert record.verify_block_digest()
                ids.append(record.record_id)
                pages.append(record.headers["WARC-Target-URI"])
    assert len(set(ids)) == len(ids)
    assert len(set(pages)) * 2 == len(pages)


def test_put_sends_only_what_is_missing(devnet: Devnet) -> None:
    """Filling twice puts nothing; what somebody broke is put again."""
    assert devnet.bucket.fill() == 0
    devnet.bucket.client().put_object(Bucket=BUCKET, Key=warc_key(3), Body=b"broken")
    assert devnet.bucket.fill() == 1


# -- over S3


def test_s3_gives_the_same_bytes(bucket: Bucket) -> None:
    """Both servers give every object, whole and from the middle on."""
    for key, data in CRAWL_OBJECTS.items():
        assert read(f"s3://{BUCKET}/{key}") == data
    assert read(f"s3://{BUCKET}/{KEY}", position=100_000) == WARC[100_000:]
    source = inspect(f"s3://{BUCKET}/{KEY}")
    assert (source.name, source.size_bytes) == (f"s3://commoncrawl/{KEY}", len(WARC))


def test_a_missing_object_is_named(bucket: Bucket) -> None:
    """What is not there is told apart from what may not be read."""
    with pytest.raises(SourceError, match="not found"):
        read(f"s3://{BUCKET}/{KEY}.none")


def test_an_anonymous_reader_is_refused(bucket: Bucket) -> None:
    """As at Common Crawl's bucket, S3 asks for credentials."""
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    client = boto3.client("s3", endpoint_url=bucket.endpoint, region_name=REGION, config=config)
    with pytest.raises(ClientError) as refused:
        client.get_object(Bucket=BUCKET, Key=KEY)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_refused(devnet: Devnet, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """The devnet's bucket checks signatures."""
    lead_to(devnet.bucket, devnet, monkeypatch)
    monkeypatch.setenv(wrong, Keys.make().secret_key)
    s3_client.cache_clear()
    with pytest.raises(SourceError, match="S3 refuses these AWS credentials"):
        read(f"s3://{BUCKET}/{KEY}")
    s3_client.cache_clear()


# -- over HTTP


def ask(devnet: Devnet, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request as it stands, without a client that tidies the path."""
    connection = http.client.HTTPConnection(urlsplit(devnet.crawl.endpoint).netloc, timeout=60)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def test_http_gives_the_same_bytes(crawl: Devnet) -> None:
    """The paths over HTTP hold what the bucket holds, with S3's ETag."""
    for key, data in CRAWL_OBJECTS.items():
        assert read(f"{crawl.crawl.endpoint}/{key}") == data
    _, headers, _ = ask(crawl, "HEAD", f"/{KEY}")
    assert headers["ETag"] == crawl.bucket.client().head_object(Bucket=BUCKET, Key=KEY)["ETag"]
    assert headers["Content-Length"] == str(len(WARC))


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-99999999", 206, slice(0, None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("bytes=0-1,5-6", 200, slice(0, None)),
    ],
)
def test_ranges(crawl: Devnet, asked: str, status: int, part: slice) -> None:
    """A range is answered as RFC 9110 has it; several at once are answered by the whole."""
    answer, headers, body = ask(crawl, "GET", f"/{KEY}", Range=asked)
    assert (answer, body) == (status, WARC[part])
    assert headers["Content-Length"] == str(len(body))
    if status == 206:
        first = part.start % len(WARC)
        assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(WARC)}"


def test_conditions(crawl: Devnet) -> None:
    """If-Match guards against a file that has changed, If-None-Match spares one that has not."""
    etag = ask(crawl, "HEAD", f"/{KEY}")[1]["ETag"]
    assert ask(crawl, "GET", f"/{KEY}", If_Match='"another"')[0] == 412
    assert ask(crawl, "GET", f"/{KEY}", If_Match=etag)[0] == 200
    assert ask(crawl, "GET", f"/{KEY}", If_None_Match=etag)[::2] == (304, b"")
    assert ask(crawl, "GET", f"/{KEY}", Range="bytes=5-", If_Range='"another"')[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/none",
        "/",
        "/crawl-data",
        f"/.nanio-meta/{KEY}.json",
        "/../../devnet.json",
        "/%2e%2e/%2e%2e/devnet.json",
        "/%00",
    ],
)
def test_nothing_else_is_served(crawl: Devnet, path: str) -> None:
    """No folder, no file outside, none of the S3 server's own."""
    assert ask(crawl, "GET", path)[0] == 404


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop", after_bytes=70_000, times=2),
        Fault("cut", after_bytes=70_000, times=2),
        Fault("drop", after_bytes=0, times=3),
        Fault("status", status=403, times=2),
        Fault("status", status=429, headers={"Retry-After": "0"}, times=2),
        Fault("status", status=503, times=2, path="00000.warc"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.after_bytes}",
)
def test_a_stream_outlives_faults(crawl: Devnet, fault: Fault) -> None:
    """Whatever breaks on the way, the bytes are the same, and the next request goes on where the last one ended."""
    crawl.crawl.add_faults(fault)
    assert read(f"{crawl.crawl.endpoint}/{KEY}") == WARC
    asked = crawl.crawl.requests()
    assert len(asked) == fault.times + 1
    starts = [int(one.range[6:-1]) if one.range else 0 for one in asked]
    assert starts == sorted(starts)
    if fault.kind == "cut":
        assert starts[-1] == fault.after_bytes * fault.times


def test_a_stream_outlives_a_stall(crawl: Devnet) -> None:
    """A connection that falls silent is left and opened anew."""
    crawl.crawl.add_faults(Fault("stall", after_bytes=70_000, stall_s=5))
    opener = HttpsOpener(f"{crawl.crawl.endpoint}/{KEY}", read_timeout_s=0.3)
    with ResumableStream(opener, policy=AT_ONCE) as stream:
        assert stream.read() == WARC
    assert [one.range for one in crawl.crawl.requests()] == [None, "bytes=65536-"]


def test_faults_meet_only_the_paths_they_name(crawl: Devnet) -> None:
    """Another file is answered well meanwhile, and a mistake in a fault is refused."""
    crawl.crawl.add_faults(Fault("status", status=503, path="00001.warc"))
    assert ask(crawl, "GET", f"/{KEY}")[0] == 200
    assert ask(crawl, "GET", f"/{warc_key(1)}")[0] == 503
    assert ask(crawl, "POST", "/_devnet/faults")[0] == 400
    assert ask(crawl, "POST", f"/{KEY}")[0] == 405


def test_other_readers_read_it(crawl: Devnet, tmp_path: Path) -> None:
    """boto3's own transfer gets the same bytes."""
    crawl.bucket.client().download_file(BUCKET, KEY, str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == WARC
