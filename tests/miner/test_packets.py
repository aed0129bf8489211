"""A leased packet in the miner's hands: it reads those pages, and none that the lease does not name."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.dataset.manifest import read_manifest
from finest.dataset.packet import Packet, cut
from finest.errors import SourceError, TaskServerError
from finest.miner.disk import PAGE_BYTES, warc_bytes
from finest.miner.journal import Journal, check_task
from finest.tasks.models import Task
from tests.miner.test_steps import Bench
from tests.miner.world import task
from tests.pipeline.pages.made_index import plant_crawl

CRAWL = "CC-MAIN-2025-26"


def leased(packet: Packet, **changes: object) -> Task:
    """The task of a packet."""
    return task(kind="packets", warcs=[packet.item], packet=packet.choice, **changes)


@pytest.fixture
def mirror(tmp_path: Path) -> tuple[str, list[tuple[str, int, int]]]:
    """A crawl in a folder, and the places of its pages."""
    rows = plant_crawl(tmp_path / "bucket", warcs=1)
    names = ("warc_filename", "warc_record_offset", "warc_record_length")
    return str(tmp_path / "bucket"), [tuple(row[name] for name in names) for row in rows[:12]]  # type: ignore[misc]


def begun(work: Path, mirror: str, packet: Packet) -> Bench:
    bench = Bench(work, mirror)
    bench.server.packets[packet.choice.root] = packet
    bench.journal = Journal.begin(work, leased(packet, id="t2"), 63)
    return bench


def test_a_packet_is_refined_and_asked_for_once(tmp_path: Path, mirror: tuple[str, list[tuple[str, int, int]]]) -> None:
    """The manifest states the leased root; a start after a crash needs the server no more."""
    folder, places = mirror
    (packet,) = cut(CRAWL, "true", sorted(places))
    bench = begun(tmp_path / "work", folder, packet)
    assert warc_bytes(bench.journal, bench.options.common_crawl) == 12 * PAGE_BYTES
    with bench.lease() as lease:
        done = bench.steps.refined(bench.journal, lease)
        bench.server.packets.clear()
        assert bench.steps.refined(bench.journal, lease).root == done.root
    manifest = read_manifest(bench.journal.dataset)
    assert (manifest.chosen, manifest.pages, bench.server.calls["packet"]) == (packet.choice, 12, 1)
    assert warc_bytes(bench.journal, bench.options.common_crawl) < 12 * PAGE_BYTES * 10


def test_a_list_of_false_lengths_ends_the_task(tmp_path: Path, mirror: tuple[str, list[tuple[str, int, int]]]) -> None:
    """Its root is the leased one, and still no byte beyond the file's end is asked for."""
    folder, places = mirror
    path, offset, _ = max(places, key=lambda one: one[1])
    (packet,) = cut(CRAWL, "true", [(path, offset, 16 << 20)])
    bench = begun(tmp_path / "work", folder, packet)
    with bench.lease() as lease, pytest.raises(SourceError, match="and the file ends at"):
        bench.steps.refined(bench.journal, lease)


def test_a_task_whose_packet_is_another_one_is_refused(mirror: tuple[str, list[tuple[str, int, int]]]) -> None:
    """The name on the list, to which the public log commits, says which packet it is."""
    one, other = cut(CRAWL, "true", sorted(mirror[1]), 6)
    check_task(leased(one))
    with pytest.raises(TaskServerError, match="is not the packet"):
        check_task(leased(one).model_copy(update={"packet": other.choice}))
