"""The sample WARC: what ships is what the builder builds, and it holds what a demo has to show."""

from __future__ import annotations

import io
import zlib
from collections import Counter

from fastwarc.warc import ArchiveIterator

from finest.sample import build as sample
from finest.sample.prose import read_articles
from finest.sample.warc_writer import Response, page_records

MAGIC = b"\x1f\x8b\x08"


def _members(warc: bytes) -> list[bytes]:
    """What the sound gzip members hold: whatever zlib made them, the same records are in them."""
    found, start = [], 0
    while start >= 0:
        member = zlib.decompressobj(31)
        try:
            found.append(member.decompress(warc[start:]))
            start = len(warc) - len(member.unused_data) if member.unused_data else -1
        except zlib.error:
            start = warc.find(MAGIC, start + 1)
    return found


def test_two_builds_are_equal() -> None:
    """The builder knows no clock and no chance."""
    assert sample.build() == sample.build()


def test_the_shipped_file_is_what_the_builder_builds() -> None:
    """Whoever changes the pages builds the file again: python -m finest.sample.build."""
    assert _members(sample.SAMPLE.read_bytes()) == _members(sample.build())


def test_the_sample_is_small() -> None:
    """It travels in every wheel."""
    assert sample.SAMPLE.stat().st_size < 400_000


def test_every_page_has_request_response_and_metadata() -> None:
    """The layout is Common Crawl's."""
    members = _members(sample.build(broken=False))
    kinds = Counter(member.split(b"\r\n", 2)[1] for member in members)
    pages = len(sample.responses())
    assert kinds == {b"WARC-Type: warcinfo": 1} | {
        b"WARC-Type: " + kind: pages for kind in (b"request", b"response", b"metadata")
    }


def test_digests_are_right() -> None:
    """Payload and block digests are those of the bytes that follow."""
    iterator = ArchiveIterator(io.BytesIO(sample.build(broken=False)), parse_http=False)
    assert all(record.verify_block_digest() for record in iterator)


def test_three_records_are_broken() -> None:
    """The sample holds every sound record, and between them the members that a reader must count as lost."""
    whole, sound = _members(sample.build()), _members(sample.build(broken=False))
    assert [member for member in sound if member not in whole] == []
    assert len(whole) - len(sound) == sample.LOSSES - 1, "the corrupt one is no member at all"


def test_no_address_is_real() -> None:
    """Every host lies in a domain that is reserved for examples."""
    hosts = {response.url.split("/")[2] for response in sample.responses()}
    assert not [host for host in hosts if "example" not in host.split(".")[-2]]


def test_addresses_differ() -> None:
    """No two pages share an address."""
    counted = Counter(response.url for response in sample.responses())
    assert not [url for url, count in counted.items() if count > 1]


def test_languages_are_told_as_common_crawl_tells_them() -> None:
    """The metadata record's line has CLD2's keys in Common Crawl's order."""
    metadata = page_records(7, Response("https://a.example.org/", b"<p>Hallo</p>", (("de", 0.9),)))[2].decode()
    assert (
        'languages-cld2: {"reliable":true,"text-bytes":6,"languages":[{"code":"de","code-iso-639-3":"deu",' in metadata
    )


def test_members_carry_no_time() -> None:
    """The gzip header's time is zero, so that a build is the same at any time."""
    assert sample.build()[4:8] == b"\0\0\0\0"


def test_articles_are_whole() -> None:
    """Every article has a title, an address and at least three paragraphs or list items."""
    for name in ("articles", "more", "languages"):
        for article in read_articles(name):
            assert article.title
            assert "/" in article.address
            assert len(article.blocks) >= 3


def test_the_sample_is_compressed_record_by_record() -> None:
    """Every sound member is one record, so that a reader can begin at any of them."""
    members = _members(sample.build(broken=False))
    assert all(member.startswith(b"WARC/1.0\r\n") and member.count(b"WARC/1.0\r\n") == 1 for member in members)
