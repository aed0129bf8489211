"""`finest verify` of a folder that a stranger has packed: it asks no address that only the folder names."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.cli.audits import paths_of
from finest.errors import SourceError
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.verify import _place, verify
from finest.settings import default_cache
from finest.warc.source import CommonCrawl, common_crawl_path
from tests.pipeline.test_run import options, record

NOWHERE = CommonCrawl("http://127.0.0.1:1", "commoncrawl")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A service of the verifier's own network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A small dataset of one local WARC, with its ledger."""
    source = tmp_path / "pages.warc.gz"
    source.write_bytes(b"".join(record(number, b"<p>A short page.</p>") for number in range(3)))
    out = tmp_path / "dataset"
    refine(options(source, out), Progress(quiet=True))
    return out


def move(out: Path, location: object) -> None:
    """Let the ledger say that its source lies there."""
    path, table = out / "ledger" / "run.json", out / "ledger" / "sources.jsonl"
    first = json.loads(table.read_bytes())
    table.write_text(json.dumps([location, *first[1:]]) + "\n")
    plan = json.loads(path.read_bytes())
    plan["sources"]["sha256"] = hashlib.sha256(table.read_bytes()).hexdigest()
    path.write_text(json.dumps(plan))


def test_a_ledger_of_nonsense_names_no_place(packed: Path) -> None:
    """It is a stranger's JSON: what is no path is left out."""
    move(packed, 7)
    assert len(verify(packed, default_cache(), NOWHERE, sample=5).no_evidence) == 3


def was_asked(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.nightly
def test_local_files_that_the_ledger_names_are_read(packed: Path) -> None:
    """So whoever refined a folder proves it without a word more."""
    found = verify(packed, default_cache(), NOWHERE, sample=5)
    assert (sum(found.judged.values()), found.no_evidence) == (3, [])


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_an_address_in_a_ledger_is_not_followed(
    packed: Path, listener: socket.socket, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's folder reaches no service behind the verifier's firewall, nor a bucket with its credentials."""
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{address}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    move(packed, f"http://{address}/latest/meta-data" if scheme == "http" else "s3://bucket/key")
    found = verify(packed, default_cache(), NOWHERE, sample=5)
    assert not found.judged
    assert len(found.no_evidence) == 3
    assert "--source FILE" in found.no_evidence[0]
    assert not was_asked(listener)


@pytest.mark.parametrize(
    "name",
    [
        "s3://commoncrawl/http://169.254.169.254/latest/meta-data", "s3://commoncrawl//etc/passwd",
        "s3://commoncrawl/crawl-data/CC-MAIN-2025-26/../../../../etc/passwd", "s3://commoncrawl/@list.txt",
        "s3://commoncrawl/crawl-data/CC-MAIN-2025-26/*", "s3://commoncrawl/crawl-data/CC-MAIN-2025-26/a?x=y",
        "s3://commoncrawl/s3://bucket/key", "s3://commoncrawl/crawl-data/CC-MAIN-2025-26/a\n", "https://h/a.warc.gz",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_no_file_of_common_crawl(name: str) -> None:
    """A row or a manifest may call its source anything; only Common Crawl's own form is looked up."""
    assert common_crawl_path(name) is None
    with pytest.raises(SourceError, match="--source"):
        _place({}, name, NOWHERE)
    with pytest.raises(SourceError, match="--warc"):
        paths_of([name])


def test_common_crawls_names_are_its_paths() -> None:
    """As rows have them."""
    path = "crawl-data/CC-MAIN-2025-26/segments/1749709481111.44/warc/CC-MAIN-20250612112840-00000.warc.gz"
    assert common_crawl_path(f"s3://commoncrawl/{path}") == path
    assert paths_of([f"s3://commoncrawl/{path}"]) == (path,)
