"""Index first: the pages that an index chooses are read alone, with the verdicts that whole files give."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.dataset.chosen import check_chosen, root_of
from finest.dataset.manifest import read_manifest
from finest.dataset.open import open_dataset
from finest.devnet.crawl import CRAWL
from finest.devnet.crawl_http import CrawlServer
from finest.errors import LedgerError, SourceError, UsageError, VerifyError, WhereError
from finest.pipeline.options import RunOptions
from finest.pipeline.pages.prune import may_hold
from finest.pipeline.pages.table import GAP_BYTES, PageTable
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.verify import verify
from finest.recipe.recipe import load_recipe
from finest.warc.source import CommonCrawl, Shard
from finest.where import parse
from tests.pipeline.pages.made_index import plant_crawl

FINEST = load_recipe("finest")
DEV = "url_host_tld = 'dev' AND url LIKE 'https:%'"


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CrawlServer, list[dict[str, Any]]]]:
    """A server of a crawl with its index, and the index's rows."""
    folder = tmp_path_factory.mktemp("bucket")
    rows = plant_crawl(folder)
    with CrawlServer(folder) as server:
        yield server, rows


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the AWS credentials of whoever runs it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


def options(server: CrawlServer, out: Path, cache: Path, where: str | None) -> RunOptions:
    place = CommonCrawl(server.endpoint, collinfo=f"{server.endpoint}/collinfo.json")
    return RunOptions((CRAWL,), out, FINEST, cache, place, pages_where=where, requests_per_s=1000.0)


class Said(Progress):
    """Keeps what a run says."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def verdicts(out: Path) -> dict[tuple[str, int], dict[str, Any]]:
    tables = [pq.read_table(out / file.path) for file in read_manifest(out).verdicts]
    return {(row["file_path"], row["offset"]): row for table in tables for row in table.to_pylist()}


def texts(out: Path) -> dict[str, dict[str, Any]]:
    tables = [pq.read_table(out / file.path) for file in read_manifest(out).shards]
    return {row["id"]: row for table in tables for row in table.to_pylist()}


def ranges(server: CrawlServer) -> list[tuple[str, int]]:
    """The requests for WARCs: path and bytes sent."""
    found = []
    for asked in server.asked:
        if asked.path.endswith(".warc.gz"):
            size = (server.folder / asked.path.lstrip("/")).stat().st_size
            first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.range or "bytes=0-").groups()  # type: ignore[union-attr]
            found.append((asked.path, min(int(last or size - 1), size - 1) + 1 - int(first)))
    return found


def test_equal_rows_from_few_bytes(
    crawl: tuple[CrawlServer, list[dict[str, Any]]], cache: Path, tmp_path: Path
) -> None:
    """Chosen pages get the verdicts and texts of whole files; the server sends their ranges, with one request each."""
    server, index = crawl
    whole, some, said = tmp_path / "whole", tmp_path / "some", Said()
    refine(options(server, whole, cache, None), Progress(quiet=True))
    server.asked.clear()
    manifest = refine(options(server, some, cache, DEV), said)
    wanted = {
        (f"s3://commoncrawl/{row['warc_filename']}", row["warc_record_offset"]): row
        for row in index if row["url_host_tld"] == "dev" and str(row["url"]).startswith("https:")
    }  # fmt: skip
    assert len(wanted) == 6
    expected = {place: verdict for place, verdict in verdicts(whole).items() if place in wanted}
    assert verdicts(some) == expected
    kept = {verdict["id"] for verdict in expected.values() if verdict["reason"] == "kept"}
    assert texts(some) == {name: row for name, row in texts(whole).items() if name in kept}
    groups = sum(len(source.slices) for source in manifest.sources)
    sent = ranges(server)
    assert len(sent) == groups + len(manifest.sources)  # one look at each WARC, one request a range
    sizes = sum(source.size_bytes for source in manifest.sources)
    read = sum(part.length for source in manifest.sources for part in source.slices)
    assert sum(size for _, size in sent) <= read + len(sent) * (20 << 10) < sizes
    assert any(line.startswith("Chosen: 6 pages (4.0% of 150) in 2 of 2 files") for line in said.lines), said.lines
    assert any("reading whole files is the better way over HTTPS" in line for line in said.lines)


def test_completeness_needs_no_sample(
    crawl: tuple[CrawlServer, list[dict[str, Any]]], cache: Path, tmp_path: Path
) -> None:
    """The root over the chosen pages is in the manifest, and a missing or added verdict is found without a sample."""
    server, index = crawl
    run = options(server, tmp_path / "out", cache, DEV)
    manifest = refine(run, Progress(quiet=True))
    chosen = manifest.chosen
    assert chosen is not None
    assert (chosen.where, chosen.pages) == (DEV, 6)
    pages = sorted(
        (f"s3://commoncrawl/{row['warc_filename']}", int(row["warc_record_offset"]), int(row["warc_record_length"]))
        for row in index if row["url_host_tld"] == "dev" and str(row["url"]).startswith("https:")
    )  # fmt: skip
    assert chosen.root == root_of(pages)
    assert verify(tmp_path / "out", cache, run.common_crawl, sample=6).judged
    with open_dataset(str(tmp_path / "out")) as dataset:
        for forged in (pages[:-1], [*pages, (pages[0][0], 1, 2)]):
            claim = chosen.model_copy(update={"root": root_of(forged), "pages": len(forged)})
            dataset.manifest = dataset.manifest.model_copy(update={"chosen": claim})
            with pytest.raises(VerifyError, match="verdicts are of 6 pages that are not the"):
                check_chosen(dataset)


def test_a_file_that_is_gone_is_left_out_if_that_is_allowed(
    crawl: tuple[CrawlServer, list[dict[str, Any]]], cache: Path, tmp_path: Path
) -> None:
    """The manifest then states the choice without its pages and names it, so that the rest is verified as ever."""
    server, index = crawl
    gone = max(str(row["warc_filename"]) for row in index)
    run = options(server, tmp_path / "out", cache, DEV)
    path = server.folder / gone
    path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(SourceError, match="not found"):
            refine(run, Progress(quiet=True))
        manifest = refine(replace(run, allow_missing=1), Progress(quiet=True))
    finally:
        path.with_suffix(".away").rename(path)
    pages = sorted(
        (f"s3://commoncrawl/{row['warc_filename']}", int(row["warc_record_offset"]), int(row["warc_record_length"]))
        for row in index
        if row["url_host_tld"] == "dev" and str(row["url"]).startswith("https:") and row["warc_filename"] != gone
    )
    assert manifest.chosen is not None and 0 < manifest.chosen.pages == len(pages) < 6
    assert manifest.chosen.root == root_of(pages)
    assert manifest.losses == {"source_unreadable": 1}
    found = verify(tmp_path / "out", cache, run.common_crawl, sample=6)
    assert found.is_verified and found.readable_again == [f"s3://commoncrawl/{gone}"]


def test_the_saving_is_said_without_a_run(
    crawl: tuple[CrawlServer, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`finest plan --pages-where` reads the index alone, and says what reading the pages takes and saves."""
    server, _ = crawl
    monkeypatch.setenv("FINEST_CC_HTTPS", server.endpoint)
    server.asked.clear()
    told = CliRunner().invoke(cli, ["plan", CRAWL, "--pages-where", DEV])
    assert told.exit_code == 0, told.output
    assert "6 pages (4.0% of 150) in 2 of 2 files" in told.output
    assert "Limit: this is 4.0% of the pages" in told.output
    numbers = json.loads(CliRunner().invoke(cli, ["plan", CRAWL, "--pages-where", DEV, "--json"]).stdout)
    assert (numbers["pages"], numbers["files"], numbers["requests"]) == (6, 2, 4)
    assert ranges(server) == []


def test_the_choice_is_part_of_the_run(
    crawl: tuple[CrawlServer, list[dict[str, Any]]], cache: Path, tmp_path: Path
) -> None:
    """The same command resumes a run, and another choice is another run; a part of the crawl has its own pages."""
    server, _ = crawl
    run = options(server, tmp_path / "out", cache, DEV)
    first = refine(run, Progress(quiet=True))
    server.asked.clear()
    assert refine(run, Progress(quiet=True)) == first
    assert not server.asked
    with pytest.raises(LedgerError, match="holds a run with other pages"):
        refine(replace(run, pages_where="url_host_tld = 'net'"), Progress(quiet=True))
    part = replace(run, out=tmp_path / "part", shard=Shard(1, 2))
    assert [source.name for source in refine(part, Progress(quiet=True)).sources] == [first.sources[0].name]


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"pages_where": "language = 'sw'"}, WhereError, "there is no column 'language'"),
        ({"pages_where": "url_host_tld = 'tz'"}, SourceError, "no page of its index has url_host_tld = 'tz'"),
        ({"specs": ("crawl/",)}, UsageError, "name one crawl alone"),
        ({"specs": (CRAWL, "CC-MAIN-2025-30")}, UsageError, "name one crawl alone"),
        ({"limit": 5}, UsageError, "use one of them"),
        ({"specs": ("CC-NEWS-2026-05",)}, SourceError, "CC-NEWS"),
    ],
)
def test_what_cannot_be_chosen(
    crawl: tuple[CrawlServer, list[dict[str, Any]]], cache: Path, tmp_path: Path, changes: dict[str, Any],
    kind: type[Exception], message: str,
) -> None:  # fmt: skip
    """Each mistake is one line, before any WARC is read."""
    server, _ = crawl
    server.asked.clear()
    with pytest.raises(kind, match=message):
        refine(replace(options(server, tmp_path / "out", cache, DEV), **changes), Progress(quiet=True))
    assert ranges(server) == []


def test_an_index_that_lies(crawl: tuple[CrawlServer, list[dict[str, Any]]], cache: Path, tmp_path: Path) -> None:
    """A page that the index names and the WARC has not ends the run; nothing is left out in silence."""
    folder = tmp_path / "bucket"
    plant_crawl(folder)
    from tests.pipeline.pages import made_index

    rows = made_index.rows_of(folder)
    rows[0]["warc_record_offset"] = int(str(rows[0]["warc_record_offset"])) + 1
    names = sorted((folder / made_index.SUBSET).iterdir())
    names[0].write_bytes(made_index.parquet(rows[:1]))
    names[1].write_bytes(made_index.parquet(rows[1:2]))
    with CrawlServer(folder) as server, pytest.raises(Exception, match="cannot be read there"):
        refine(options(server, tmp_path / "out", cache, "url LIKE 'http%'"), Progress(quiet=True))


def test_pages_that_lie_close_are_read_together() -> None:
    """A gap of up to GAP_BYTES is read over; a longer one, another source and too long a range begin a new one."""
    table = PageTable.of([
        (1, 0, 100), (0, 0, 100), (0, 100 + GAP_BYTES, 50), (0, 151 + 2 * GAP_BYTES, 9), (0, 0, 100),
        (2, 0, 20 << 20), (2, 20 << 20, 20 << 20),
    ])  # fmt: skip
    end = 151 + 2 * GAP_BYTES
    assert table.groups().tolist() == [
        [0, 0, 150 + GAP_BYTES], [0, end, end + 9], [1, 0, 100], [2, 0, 20 << 20], [2, 20 << 20, 40 << 20],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "may"),
    [
        ("tld = 'tz'", False), ("tld = 'com'", True), ("'com' = tld", True), ("tld IN ('tz', 'ug')", False),
        ("tld < 'bz'", False), ("tld >= 'dev'", True), ("tld > 'dev'", False), ("tld LIKE 'c%'", True),
        ("tld LIKE 'e%'", False), ("tld LIKE '%z'", True), ("status = 200", True),
        ("status BETWEEN 300 AND 399", False),
        ("tld = 'tz' OR status = 200", True), ("tld = 'com' AND status = 404", False), ("NOT tld = 'com'", True),
        ("other = 'x'", True), ("tld IS NULL", True), ("lower(tld) = 'tz'", True), ("500 > status", True),
    ],
)  # fmt: skip
def test_row_groups_are_left_out_by_their_statistics(where: str, may: bool) -> None:
    """A row group is read unless its least and greatest values exclude the expression."""
    assert may_hold(parse(where).root, {"tld": ("com", "dev"), "status": (200, 200)}) is may
