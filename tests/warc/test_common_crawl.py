"""Crawls by name: their lists, the cache of these, parts of a crawl, and what a name that is no crawl's gets."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path

import pytest

from finest.devnet.crawl_http import CrawlServer, Fault
from finest.errors import SourceError
from finest.warc.common_crawl import CommonCrawl
from finest.warc.source import Shard, resolve

MAIN, NEWS = "CC-MAIN-2026-30", "CC-NEWS-2026-05"
FILES = [f"crawl-data/{MAIN}/segments/{n % 2}/warc/CC-MAIN-20260701-{n:05d}.warc.gz" for n in range(7)]
NEWS_FILE = "crawl-data/CC-NEWS/2026/05/CC-NEWS-20260501004511-00001.warc.gz"
MAIN_LIST, NEWS_LIST = f"crawl-data/{MAIN}/warc.paths.gz", "crawl-data/CC-NEWS/2026/05/warc.paths.gz"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the AWS credentials of whoever runs it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def server(tmp_path: Path):
    """A server with the lists of a crawl and of a month of news, and the list of crawls."""
    files = {
        MAIN_LIST: gzip.compress("\n".join(FILES).encode()),
        NEWS_LIST: gzip.compress(NEWS_FILE.encode() + b"\n"),
        "collinfo.json": json.dumps([{"id": name} for name in (MAIN, "CC-MAIN-2026-26", "CC-MAIN-2012")]).encode(),
    }
    for name, data in files.items():
        plant(tmp_path / "bucket" / name, data)
    with CrawlServer(tmp_path / "bucket") as server:
        yield server


def plant(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def place(server: CrawlServer, cache: Path | None = None) -> CommonCrawl:
    return CommonCrawl(server.endpoint, collinfo=f"{server.endpoint}/collinfo.json", cache=cache)


def test_a_crawl_and_a_month_of_news(server: CrawlServer) -> None:
    """A name means every WARC of the crawl, in the order of its list."""
    assert resolve([MAIN], place(server)) == [f"{server.endpoint}/{name}" for name in FILES]
    assert resolve([NEWS], place(server)) == [f"{server.endpoint}/{NEWS_FILE}"]


def test_parts_of_a_crawl(server: CrawlServer) -> None:
    """Part K of N holds every Nth file; all parts are each file once; an empty part is refused."""
    parts = [resolve([MAIN], place(server), shard=Shard.parse(f"{k}/3")) for k in (1, 2, 3)]
    assert parts[0] == [f"{server.endpoint}/{FILES[n]}" for n in (0, 3, 6)]
    assert sorted(itertools.chain(*parts)) == sorted(f"{server.endpoint}/{name}" for name in FILES)
    with pytest.raises(SourceError, match="shard 8/9 is empty: there are only 7 sources"):
        resolve([MAIN], place(server), shard=Shard(8, 9))


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b", "-1/3", "1/3/5"])
def test_what_is_no_part(text: str) -> None:
    """K is from 1 to N."""
    with pytest.raises(ValueError, match="is no part"):
        Shard.parse(text)


def test_a_list_is_kept(server: CrawlServer, tmp_path: Path) -> None:
    """A list comes from the cache while the server has the same, and also while it has none; not if it is another."""
    cache = tmp_path / "cache"
    first = resolve([MAIN], place(server, cache))
    kept = next(cache.glob("*.paths.gz"))
    path = server.folder / MAIN_LIST
    data = path.read_bytes()
    path.unlink()
    assert resolve([MAIN], place(server, cache)) == first
    plant(path, gzip.compress(FILES[0].encode()))
    assert resolve([MAIN], place(server, cache)) == first[:1]
    plant(path, data)
    server.asked.clear()
    assert resolve([MAIN], place(server, cache)) == first
    kept.write_bytes(data[:-1])
    assert resolve([MAIN], place(server, cache)) == first
    assert kept.read_bytes() == data


def test_an_unknown_crawl_is_told_the_newest(server: CrawlServer) -> None:
    """The message names the newest crawls and the next command; crawls of ARC files are no sources."""
    for name in ("CC-MAIN-2026-31", "CC-MAIN-2026", "CC-MAIN-2012", "cc-main-2026-30", "CC-FOCUS-2026"):
        with pytest.raises(SourceError, match=f"the newest are {MAIN}, CC-MAIN-2026-26: finest refine {MAIN} --shard"):
            resolve([name], place(server))
    with pytest.raises(SourceError, match=r"not found \(HTTP 404\).*$"):
        resolve(["CC-NEWS-2026-06"], place(server))


def test_without_a_list_of_crawls(server: CrawlServer) -> None:
    """If the list of crawls is unreadable, the message is about the crawl alone."""
    (server.folder / "collinfo.json").write_bytes(b"{")
    with pytest.raises(SourceError, match=r"CC-MAIN-2026-31/warc.paths.gz: not found"):
        resolve(["CC-MAIN-2026-31"], place(server))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the list is empty"),
        (b"/etc/passwd", "lists '/etc/passwd', which is no WARC"),
        (f"crawl-data/{MAIN}/../../x.warc.gz".encode(), "which is no WARC"),
        (b"crawl-data/CC-MAIN-2026-26/a.warc.gz", f"which is no WARC of {MAIN}"),
    ],
)
def test_a_list_from_a_stranger(server: CrawlServer, text: bytes, message: str) -> None:
    """A list names WARCs of its crawl alone: no local file and no other crawl."""
    plant(server.folder / MAIN_LIST, gzip.compress(text))
    with pytest.raises(SourceError, match=message):
        resolve([MAIN], place(server))


def test_a_damaged_list(server: CrawlServer) -> None:
    """A list that is no gzip file, is cut off or unpacks to too much is refused."""
    for data, message in (
        (b"no gzip", "not a gzipped list of paths"),
        (gzip.compress(b"x" * 100)[:-9], "the list is cut off"),
        (gzip.compress(bytes(130 << 20)), "larger than 128 MiB"),
    ):
        plant(server.folder / MAIN_LIST, data)
        with pytest.raises(SourceError, match=message):
            resolve([MAIN], place(server))


def test_a_list_survives_a_broken_connection(server: CrawlServer) -> None:
    """A list is read like any source: a connection that breaks is taken up again."""
    server.add_faults(Fault("drop", path="warc.paths", after_bytes=10))
    assert len(resolve([MAIN], place(server))) == 7
