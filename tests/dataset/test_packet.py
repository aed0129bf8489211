"""A packet's root commits to each of its pages: no list with other pages is taken for it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from finest import where
from finest.cli import tasks_add
from finest.dataset.packet import MAX_PACKET_PAGES, MAX_PAGE_BYTES, PACKET_PAGES, Packet, cut
from finest.dataset.page_choice import MAX_CHARS

CRAWL = "CC-MAIN-2025-26"
PAGES = [(f"crawl-data/{CRAWL}/segments/1.2/warc/{file}.warc.gz", 100 * page, 90) for file in "ab" for page in range(4)]
WHERE = "url_host_tld = 'tz'"


def changed(change: Any) -> dict[str, Any]:
    """The JSON of a packet after a change of its list."""
    data = cut(CRAWL, WHERE, PAGES)[0].model_dump(mode="json")
    change(data)
    return data


def test_pages_are_cut_evenly_in_their_order() -> None:
    """Nine pages in packets of four: three of three, and together they are the pages."""
    pages = [*PAGES, (PAGES[-1][0], 900, 5)]
    packets = cut(CRAWL, WHERE, pages, 4)
    assert [packet.choice.pages for packet in packets] == [3, 3, 3]
    places = [(name.removeprefix("s3://commoncrawl/"), *rest) for one in packets for name, *rest in one.places()]
    assert places == pages and len({packet.choice.root for packet in packets}) == 3
    assert packets[0].item == f"packets/{CRAWL}/{packets[0].choice.root}"
    assert Packet.model_validate_json(packets[0].model_dump_json()) == packets[0]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("packet shrunk", lambda data: data["files"][0]["pages"].pop()),
        ("a file less", lambda data: data["files"].pop()),
        ("a page more", lambda data: data["files"][0]["pages"].append([900, 90])),
        ("pages replaced", lambda data: data["files"][0]["pages"].__setitem__(0, [0, 80])),
        ("another order", lambda data: data["files"].reverse()),
        ("a length that reads into the next page", lambda data: data["files"][0]["pages"].__setitem__(0, [0, 150])),
        ("a length of gigabytes", lambda data: data["files"][0]["pages"].__setitem__(3, [300, MAX_PAGE_BYTES + 1])),
        ("a place before the file", lambda data: data["files"][0]["pages"].__setitem__(0, [-1, 90])),
        ("another place", lambda data: data["files"][0].update(path="crawl-data/CC-MAIN-1/../../etc/passwd.warc.gz")),
        ("an address", lambda data: data["files"][0].update(path="https://elsewhere.example/a.warc.gz")),
        ("a file twice", lambda data: data["files"].append(data["files"][0])),
        ("another number", lambda data: data["choice"].update(pages=7)),
        ("another root", lambda data: data["choice"].update(root="ab" * 32)),
    ],
)
def test_a_list_that_is_not_the_packets_is_refused(name: str, change: Any) -> None:
    """Whoever sends it: the root is over source, offset and length of every page."""
    with pytest.raises(ValidationError):
        Packet.model_validate(changed(change))


def test_light_modules_have_the_same_limits() -> None:
    assert MAX_CHARS == where.MAX_CHARS
    assert (tasks_add.PACKET_PAGES, tasks_add.MAX_PACKET_PAGES) == (PACKET_PAGES, MAX_PACKET_PAGES)
