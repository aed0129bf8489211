"""Packets of chosen pages: one to a lease, drawn as WARCs are, with a root that everybody can compare."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from finest.cli.tasks import tasks as command
from finest.dataset.packet import Packet, cut
from finest.errors import SourceError, TaskServerError, UsageError, VerifyError
from finest.tasks import store as store_module
from finest.tasks.check_log import check_log
from finest.tasks.client import TaskServer
from finest.tasks.event_log import FIRST_HEAD, head_after
from finest.tasks.models import WORK_KINDS, LogEntry
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from finest.tasks.work import NewWork
from tests.pipeline.pages.made_index import plant_crawl
from tests.tasks.live_server import MadeSubnet, serving
from tests.tasks.samples import CRAWL, paths, published

WHERE, RECIPE = "url_host_tld = 'tz'", "a" * 64
PAGES = [(path, 1000 * page, 900) for path in paths(3) for page in range(10)]
PACKETS = tuple(cut(CRAWL, WHERE, PAGES, 5))
WORK = NewWork(CRAWL, "fineweb", RECIPE, pages_where=WHERE, packets=PACKETS)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "NUMBER_EVERY_S", -1.0)


def rewritten(entries: list[LogEntry], number: int, **detail: object) -> list[LogEntry]:
    """The log with another detail of one entry, and all hashes made again."""
    head, made = FIRST_HEAD, []
    for entry in entries:
        one = entry if entry.number != number else entry.model_copy(update={"detail": entry.detail | detail})
        head = head_after(head, one.model_dump())
        made.append(one.model_copy(update={"head": head}))
    return made


def test_a_lease_gets_one_packet_with_its_root(store: Store) -> None:
    """However many WARCs are asked for; a miner of an earlier version, which names no kinds, gets none."""
    assert store.add_work(WORK, 2.0) == 6
    with pytest.raises(Problem, match="every WARC"):
        store.lease("5Old", 4, 100, recipes=[RECIPE])
    task = store.lease("5Alice", 4, 100, recipes=[RECIPE], kinds=WORK_KINDS)
    packet = next(one for one in PACKETS if one.choice == task.packet)
    assert (task.kind, task.crawl, task.warcs, task.price) == ("packets", CRAWL, [packet.item], 2.0)
    assert store.task(task.id, 100) == task and task.contents == "5 pages"
    assert Packet.model_validate_json(store.packet(packet.choice.root)) == packet
    with pytest.raises(Problem, match="no packet"):
        store.packet("ab" * 32)
    finished = store.finish("5Alice", task.id, **published(), block=101)
    assert finished.packet == packet.choice
    others = {store.lease(f"5M{n}", 1, 101, recipes=[RECIPE], kinds=WORK_KINDS).packet for n in range(5)}
    assert {task.packet, *others} == {one.choice for one in PACKETS}


def test_the_same_command_again_sets_the_price(store: Store) -> None:
    """Other pages, another recipe and another language are other work."""
    store.add_work(WORK, 1.0)
    assert store.add_work(WORK, 3.0) == 0 and store.has_work(WORK.name)
    assert [one.price for one in store.crawls()] == [3.0] and len(WORK.name) <= 64
    names = {
        NewWork(CRAWL, "fineweb", RECIPE, language, where).name
        for language in (None, "swh_Latn") for where in (WHERE, "true")
    }  # fmt: skip
    assert len(names) == 4
    with pytest.raises(UsageError, match="has no packet"):
        store.add_work(NewWork(CRAWL, "fineweb", RECIPE, None, "false"), 1.0)


def test_a_page_leased_in_a_packet_and_with_its_crawl_is_not_paid_twice(store: Store) -> None:
    """An accomplice could take both. What the operator adds second is refused, unless it is in another language."""
    store.add_warcs("CC-MAIN-2025-30", paths(2))
    elsewhere = NewWork("CC-MAIN-2025-30", "fineweb", RECIPE, pages_where=WHERE, packets=PACKETS)
    with pytest.raises(UsageError, match="so the same pages would be paid twice"):
        store.add_work(elsewhere, 1.0)
    assert store.add_work(replace(elsewhere, language="swh_Latn"), 1.0) == 6
    with pytest.raises(UsageError, match="leased in packets already"):
        store.add_work(NewWork("CC-MAIN-2025-30", "fineweb", RECIPE, "swh_Latn"), 1.0)
    store.add_work(WORK, 1.0)
    with pytest.raises(SourceError, match="leased in packets already"):
        store.add_warcs(CRAWL, paths(3))
    assert [one.crawl for one in store.crawls() if one.kind == "crawl"] == ["CC-MAIN-2025-30"]


def test_a_page_in_two_packets_is_not_paid_twice(store: Store) -> None:
    """Another expression may choose a page again; with another recipe it is refined once more, as whole files are."""
    store.add_work(WORK, 1.0)
    again = cut(CRAWL, "true", [*PAGES[:2], (PAGES[0][0], 77_000, 900)], 5)
    with pytest.raises(UsageError, match="2 pages of the chosen ones are leased in packets already"):
        store.add_work(NewWork(CRAWL, "fineweb", RECIPE, pages_where="true", packets=tuple(again)), 1.0)
    assert store.add_work(NewWork(CRAWL, "other", "b" * 64, pages_where="true", packets=tuple(again)), 1.0) == 1
    others = cut(CRAWL, "false", [(PAGES[0][0], 77_000, 900)], 5)
    assert store.add_work(NewWork(CRAWL, "fineweb", RECIPE, pages_where="false", packets=tuple(others)), 1.0) == 1


def test_who_gets_which_packet_is_recomputed(store: Store) -> None:
    """From the public log and the list of packets' roots; a server that gave another packet is found."""
    store.add_work(WORK, 1.0)
    for number in range(3):
        store.lease(f"5M{number}", 4, 100, recipes=[RECIPE], kinds=WORK_KINDS)
    entries = store.log(0, 10).entries
    assert entries[0].detail["where"] == WHERE and entries[0].detail["warcs"] == 6

    def lists(name: str) -> list[str]:
        return store.warcs_of(name, 0, 100).paths

    assert check_log(entries, lists=lists).recomputed == 3
    given = entries[1].detail["warcs"]
    leased = [entry.detail["warcs"][0] for entry in entries[1:]]
    other = next(one.item for one in PACKETS if one.item not in leased)
    with pytest.raises(VerifyError, match="it gets"):
        check_log(rewritten(entries, 2, warcs=[other]), lists=lists)
    with pytest.raises(VerifyError, match="is of 2 packets"):
        check_log(rewritten(entries, 2, asked=2, warcs=[*given, other]), lists=lists)
    swapped = lists(WORK.name)
    swapped[0] = f"packets/{CRAWL}/{'ab' * 32}"
    with pytest.raises(VerifyError, match="the list was changed"):
        check_log(entries, lists=lambda _: swapped)


def test_a_client_refuses_pages_that_are_not_the_packets(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may lie: packet shrunk, another packet's list, a length that reads beyond."""
    store.add_work(WORK, 1.0)
    one, other = PACKETS[:2]
    with serving(store, store.rules, MadeSubnet()) as server:
        client = TaskServer(server.url, None)
        assert client.packet(one.choice.root) == one
        data = json.loads(one.model_dump_json())
        shrunk = data | {"files": [{**data["files"][0], "pages": data["files"][0]["pages"][:-1]}]}
        longer = data | {"files": [{**data["files"][0], "pages": [*data["files"][0]["pages"][:-1], [4000, 9000]]}]}
        for lie in (other.model_dump_json(), json.dumps(shrunk), json.dumps(longer)):
            monkeypatch.setattr(type(store), "packet", lambda _self, _root, said=lie: said.encode())
            with pytest.raises(TaskServerError):
                client.packet(one.choice.root)
        client.close()


def test_packets_are_made_of_what_the_index_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`finest tasks add --pages-where` reads the crawl's index, and writes the packets to the database."""
    rows = plant_crawl(tmp_path / "bucket")
    for name, value in (
        ("DATABASE_URL", f"sqlite:///{tmp_path}/tasks.db"), ("FINEST_CC_HTTPS", str(tmp_path / "bucket")),
        ("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none")), ("AWS_CONFIG_FILE", str(tmp_path / "none")),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    asked = ["add", CRAWL, "--pages-where", "url_host_tld = 'dev'", "--recipe", "fineweb", "--packet-pages", "4"]
    done = CliRunner().invoke(command, asked)
    assert done.exit_code == 0, done.output
    wanted = sorted(
        (str(row["warc_filename"]), row["warc_record_offset"], row["warc_record_length"])
        for row in rows if row["url_host_tld"] == "dev"
    )  # fmt: skip
    store = Store.open(f"sqlite:///{tmp_path}/tasks.db")
    (work,) = store.crawls()
    items = store.warcs_of(work.crawl, 0, 100).paths
    packets = [Packet.model_validate_json(store.packet(item.split("/")[-1])) for item in items]
    assert f"{len(packets)} new packets" in done.output and 1 < len(packets) == -(-len(wanted) // 4)
    places = [(name.removeprefix("s3://commoncrawl/"), *rest) for one in packets for name, *rest in one.places()]
    assert places == wanted
    assert "0 new packets, price 2" in CliRunner().invoke(command, [*asked, "--price", "2"]).output
    store.close()
