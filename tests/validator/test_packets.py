"""A packet in an audit: the dataset answers the leased pages, all of them and no others, and its verdicts are true."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.dataset.manifest import read_manifest, write_manifest
from finest.dataset.open import open_dataset
from finest.dataset.packet import Packet, cut
from finest.devnet.crawl import CRAWL
from finest.devnet.crawl_http import CrawlServer
from finest.errors import SourceError
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.context import AuditContext, Warcs
from finest.validator.evidence import total_of
from finest.validator.loop.verdict import run_verdict
from finest.validator.loop.verdict_process import Job
from finest.validator.models import Evidence, Plan, Subject
from finest.validator.quality.tier import N_GRAMS
from finest.validator.verdict_quality import measure_quality
from finest.warc.source import CommonCrawl
from tests.pipeline.pages.made_index import plant_crawl

from .made import Published, tampered

WHERE = "fetch_status = 200"
FEW = Plan(rows=12, windows=8, window_pages=5)
RECIPE = load_recipe("fineweb")


def place_of(row: dict[str, Any]) -> tuple[str, int, int]:
    """The path, offset and length that an index's row states."""
    return row["warc_filename"], row["warc_record_offset"], row["warc_record_length"]


class Crawl:
    """A mirror of the devnet's crawl, and the packets of every second page of its first two WARCs."""

    def __init__(self, folder: Path) -> None:
        rows = plant_crawl(folder)
        self.common_crawl = CommonCrawl(str(folder))
        places = sorted(map(place_of, rows))
        self.pages, self.others = places[::2], places[1::2]
        self.packets = cut(CRAWL, WHERE, self.pages, len(self.pages) // 2 + 1)

    def refine(self, packet: Packet, out: Path) -> Published:
        """What an honest miner makes of a packet."""
        options = RunOptions(
            specs=(), out=out, recipe=RECIPE, cache=default_cache(), common_crawl=self.common_crawl, packet=packet,
            requests_per_s=1000.0,
        )  # fmt: skip
        refine(options, Progress(quiet=True))
        return Published(out, ())

    def context(self, found: Published) -> AuditContext:
        warcs = Warcs.of((), self.common_crawl)
        return AuditContext(cache=default_cache(), warcs=warcs, place=str(found.folder))

    def subject(self, found: Published, packet: Packet) -> Subject:
        """Alice's submission of a dataset for the lease of a packet."""
        warcs = ("s3://commoncrawl/" + packet.item,)
        return found.subject(warcs=warcs, packet=packet.choice, recipe_hash=RECIPE.hash)

    def audited(self, found: Published, packet: Packet, plan: Plan = FEW) -> Evidence:
        return audit(self.subject(found, packet), plan, self.context(found))


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    return Crawl(tmp_path_factory.mktemp("bucket"))


@pytest.fixture(scope="module")
def honest(crawl: Crawl, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Alice's dataset of the first packet."""
    return crawl.refine(crawl.packets[0], tmp_path_factory.mktemp("honest") / "alice")


def test_an_honest_packet_passes_and_is_paid_by_its_tokens(crawl: Crawl, honest: Published) -> None:
    """No list of its pages is needed: they are those of the dataset's verdicts, whose root is the leased one."""
    packet = crawl.packets[0]
    manifest = honest.manifest
    assert manifest.chosen == packet.choice and manifest.pages == packet.choice.pages
    context = crawl.context(honest)
    evidence = audit(crawl.subject(honest, packet), FEW, context)
    assert evidence.verdict == "pass", evidence.why
    assert len(evidence.windows) == 8 and all(window.pages for window in evidence.windows)
    with open_dataset(str(honest.folder)) as dataset:
        measured = measure_quality(evidence, dataset, [], context, N_GRAMS, 3_000)
    assert measured.verdict == "pass" and measured.measured, measured.why
    assert 0.9 * manifest.token_count < measured.measured.verified_tokens <= manifest.token_count
    assert total_of(measured) > 0.5


def test_a_dataset_of_chosen_pages_is_audited_without_a_task(
    crawl: Crawl, honest: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`finest audit FOLDER` takes the pages that its manifest names."""
    monkeypatch.setenv("FINEST_CC_HTTPS", crawl.common_crawl.https_base)
    done = CliRunner().invoke(cli, ["audit", str(honest.folder), "--rows", "4", "--windows", "2", "--json"])
    assert done.exit_code == 0 and f"2 windows of {honest.manifest.pages} pages" in done.output, done.output


def refused(evidence: Evidence, why: str) -> None:
    assert evidence.verdict == "fail" and evidence.admission[-1].name == "pages", evidence.why
    assert why in evidence.why and not evidence.rows


def test_a_packet_that_was_shrunk_fails(crawl: Crawl, tmp_path: Path) -> None:
    """A miner leaves out the pages that are dear to it; whatever root it then states is not the leased one."""
    packet = crawl.packets[0]
    pages = [(name.removeprefix("s3://commoncrawl/"), *place) for name, *place in packet.places()]
    (few,) = cut(CRAWL, WHERE, pages[: len(pages) // 3])
    shrunk = crawl.refine(few, tmp_path / "few")
    refused(crawl.audited(shrunk, packet), f"the dataset is of {few.choice.pages} pages")
    stated = shrunk.manifest.model_copy(update={"chosen": packet.choice})
    write_manifest(shrunk.folder, stated)
    refused(crawl.audited(shrunk, packet), "that are not the")


def test_a_packet_of_somebody_else_fails(crawl: Crawl, honest: Published, tmp_path: Path) -> None:
    """A dataset of another packet, also under the statement that it is this one; and whole WARCs."""
    refused(crawl.audited(honest, crawl.packets[1]), "the task is of")
    manifest = read_manifest(honest.folder)
    whole = Published(tmp_path / "whole", ())
    kept = tampered(honest, tmp_path / "whole", honest.rows())
    write_manifest(kept.folder, kept.manifest.model_copy(update={"chosen": None}))
    refused(crawl.audited(whole, crawl.packets[0]), "the dataset is of whole WARCs")
    write_manifest(kept.folder, kept.manifest.model_copy(update={"chosen": crawl.packets[1].choice}))
    refused(crawl.audited(whole, crawl.packets[1]), "that are not the")
    assert manifest.chosen == crawl.packets[0].choice


def test_pages_that_were_replaced_fail(crawl: Crawl, honest: Published, tmp_path: Path) -> None:
    """A page of the packet gives way to another of the same WARC, in rows and verdicts."""
    _, offset, length = next(place for place in crawl.others if place[0] == crawl.pages[0][0])
    verdicts = honest.verdicts()
    moved = replace(verdicts[0], offset=offset, length=length)
    changed = tampered(honest, tmp_path / "replaced", honest.rows(), [moved, *verdicts[1:]])
    refused(crawl.audited(changed, crawl.packets[0]), "that are not the")


def test_a_row_of_another_page_fails(crawl: Crawl, honest: Published, tmp_path: Path) -> None:
    """All verdicts are there, and a true row of a page that is not in the packet stands for one of them."""
    (near,) = cut(CRAWL, WHERE, [place for place in crawl.others if place[0] == crawl.pages[0][0]])
    more = crawl.refine(near, tmp_path / "near").rows()[0]
    padded = tampered(honest, tmp_path / "padded", [*honest.rows()[1:], more])
    refused(crawl.audited(padded, crawl.packets[0]), "which is no chosen one")


def test_verdicts_that_drop_what_the_recipe_keeps_are_found(crawl: Crawl, honest: Published, tmp_path: Path) -> None:
    """The pages are complete; that two thirds of them were dropped is a lie that the windows show."""
    rows = honest.rows()
    kept = rows[::3]
    there, reasons = {(row.id, row.warc_offset) for row in kept}, {one.reason for one in honest.verdicts()}
    verdicts = [
        replace(verdict, reason=next(iter(reasons - {KEPT, DUPLICATE})))
        if verdict.reason == KEPT and (verdict.id, verdict.offset) not in there else verdict
        for verdict in honest.verdicts()
    ]  # fmt: skip
    lazy = tampered(honest, tmp_path / "lazy", kept, verdicts)
    evidence = crawl.audited(lazy, crawl.packets[0], Plan(rows=12, windows=32, window_pages=15))
    assert evidence.verdict == "fail" and "missing" in evidence.why


def test_a_length_that_reads_beyond_is_refused_by_the_miner(crawl: Crawl, tmp_path: Path) -> None:
    """Before any page is judged where it passes the file's end, else at the record that is shorter."""
    path, offset, length = crawl.pages[-1]
    (beyond,) = cut(CRAWL, WHERE, [(path, offset, length + 1_000_000)])
    with pytest.raises(SourceError, match="and the file ends at"):
        crawl.refine(beyond, tmp_path / "beyond")
    path, offset, length = crawl.pages[0]
    (longer,) = cut(CRAWL, WHERE, [(path, offset, length + 10)])
    with pytest.raises(SourceError, match="states"):
        crawl.refine(longer, tmp_path / "longer")


def test_a_false_length_pays_nobody(crawl: Crawl, honest: Published, tmp_path: Path) -> None:
    """Verdicts that repeat the false length have the packet's root; the page then gives no evidence."""
    row = honest.rows()[0]
    path = row.file_path.removeprefix("s3://commoncrawl/")
    (true,), (longer,) = (cut(CRAWL, WHERE, [(path, row.warc_offset, row.warc_length + more)]) for more in (0, 10))
    one = crawl.refine(true, tmp_path / "true")
    length = row.warc_length + 10
    rows = [replace(row, warc_length=length) for row in one.rows()]
    lie = tampered(one, tmp_path / "lie", rows, [replace(verdict, length=length) for verdict in one.verdicts()])
    write_manifest(lie.folder, lie.manifest.model_copy(update={"chosen": longer.choice}))
    evidence = crawl.audited(lie, longer)
    assert rows and evidence.verdict != "pass" and evidence.admission[-1].outcome == "pass", evidence.why


@pytest.mark.slow
def test_the_process_of_a_verdict_needs_no_list_of_pages(
    crawl: Crawl, honest: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Confined as it is, it reads the packet's ranges from Common Crawl, and gives verdict and score."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with CrawlServer(Path(crawl.common_crawl.https_base)) as server:
        job = Job(
            subject=crawl.subject(honest, crawl.packets[0]), plan=FEW, place=str(honest.folder), heldout=(), tier=1,
            device=None, tokens=3_000, warcs=(), index=tmp_path / "fingerprints.db", cache=default_cache(),
            cc_https=server.endpoint, cc_bucket="commoncrawl",
        )  # fmt: skip
        done = run_verdict(job, threading.Event(), lambda _: None)
        assert done.evidence and done.evidence.verdict == "pass" and done.evidence.measured, done.why
        asked = {one.path for one in server.asked}
    assert len(asked) == len({name for name, _, _ in crawl.packets[0].places()})
