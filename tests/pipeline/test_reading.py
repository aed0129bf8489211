"""How a run reads its sources: few requests, each byte once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from finest.errors import SourceError
from finest.pipeline import run_plan
from finest.pipeline.missing import slices_left
from finest.pipeline.plan import begin, finish, local_tasks
from finest.pipeline.remarks import remarks
from finest.pipeline.run import refine
from finest.pipeline.verify import verify
from finest.settings import default_cache
from finest.warc.source import CommonCrawl
from tests.e2e.command import BEGINNING, SAMPLE
from tests.faulty_server import FaultyServer

from .test_run import Listener, RunOptions
from .test_secrets import options

PART = SAMPLE.read_bytes()[:BEGINNING]


def settings(server: FaultyServer, out: Path) -> RunOptions:
    """A run over all files of the server, in slices of 20 kB."""
    return replace(options("", out), specs=tuple(server.base + path for path in server.state.files), limit=None)


def test_a_source_costs_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker reads all slices of a source from one response; the rows are those of many readers."""
    monkeypatch.setattr(run_plan, "REMOTE_SLICE_BYTES", 20_000)
    with FaultyServer({f"/{name}.warc.gz": PART for name in "abc"}) as server:
        one = refine(settings(server, tmp_path / "one"), Listener())
        assert len(server.state.seen) == 2 * len(server.state.files)
        assert server.state.sent_bytes <= 2 * sum(map(len, server.state.files.values()))
        many = refine(replace(settings(server, tmp_path / "many"), workers=4), Listener())
    assert [len(source.slices) for source in one.sources] == [4, 4, 4]
    assert one.root == many.root and one.sources == many.sources


def test_a_source_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    """The others are finished, the run says what is missing, and the same command tries that again and no other."""
    with FaultyServer({f"/{name}.warc.gz": PART for name in "abc"}) as server:
        server.state.gone_after_looks = {"/b.warc.gz"}
        wanted = replace(settings(server, tmp_path / "out"), workers=2)
        with pytest.raises(SourceError, match=r"1 of 3 sources could not be read: .*/b\.warc\.gz: not found.*same com"):
            refine(wanted, Listener())
        assert not (tmp_path / "out" / "manifest.json").exists()
        asked = len(server.state.seen)
        server.state.gone_after_looks = set()
        manifest = refine(wanted, Listener())
        assert {seen.path for seen in server.state.seen[asked:]} == {"/b.warc.gz"}
        whole = refine(replace(settings(server, tmp_path / "whole"), workers=2), Listener())
        assert (manifest.root, manifest.sources) == (whole.root, whole.sources)


def test_a_dataset_without_a_source_names_it(tmp_path: Path) -> None:
    """`--allow-missing` makes the dataset; the manifest says that nothing of that source was read, and why."""
    with FaultyServer({f"/{name}.warc.gz": PART for name in "abc"}) as server:
        server.state.gone_after_looks = {"/b.warc.gz"}
        said = Listener()
        manifest = refine(replace(settings(server, tmp_path / "out"), allow_missing=0.34), said)
        missing = manifest.sources[1]
        assert (missing.pages, missing.losses) == (0, {"source_unreadable": 1})
        assert sum(part.length for part in missing.slices) == 0
        assert any("Left out" in line and "b.warc.gz: not found" in line for line in said.said)
        assert any("b.warc.gz" in line and "could not be read" in line for line in remarks(tmp_path / "out", manifest))
        places = [f"{server.base}/{name}.warc.gz" for name in "ac"]
        found = verify(tmp_path / "out", default_cache(), CommonCrawl(), sample=9, sources=places)
    assert sum(found.judged.values()) == 9


def test_a_source_that_is_gone_when_the_run_is_planned(tmp_path: Path) -> None:
    """It ends the run, or is left out and named if that is allowed; it stays out of this run when it is there again."""
    files = {f"/{name}.warc.gz": PART for name in "abc"}
    with FaultyServer(dict(files)) as server:
        del server.state.files["/b.warc.gz"]
        wanted = settings(server, tmp_path / "out")
        wanted = replace(wanted, specs=tuple(f"{server.base}{path}" for path in files))
        with pytest.raises(SourceError, match=r"b.warc.gz: not found"):
            refine(wanted, Listener())
        assert not (tmp_path / "out" / "ledger" / "run.json").exists()
        said = Listener()
        allowed = replace(wanted, allow_missing=1)
        ledger = begin(allowed, said)
        assert slices_left(ledger) == [0, 2]
        server.state.files["/b.warc.gz"] = PART
        with pytest.raises(SourceError, match=r"1 of 3 sources could not be read: .*b.warc.gz: it could not"):
            refine(wanted, Listener())
        manifest = refine(allowed, said)
        assert any("goes on without a source" in line and "b.warc.gz: not found" in line for line in said.said)
        assert (manifest.sources[1].size_bytes, manifest.sources[1].losses) == (0, {"source_unreadable": 1})
        assert [source.pages > 0 for source in manifest.sources] == [True, False, True]
        server.state.files.clear()
        with pytest.raises(SourceError, match="not found"):
            refine(replace(allowed, out=tmp_path / "none", allow_missing=3), Listener())


def test_a_server_that_gives_nothing_ends_the_run_early(tmp_path: Path) -> None:
    """Too large a share of unreadable sources is no fault of the sources; a single source is said as it is."""
    with FaultyServer({f"/{number}.warc.gz": PART for number in range(40)}) as server:
        server.state.gone_after_looks = set(server.state.files)
        with pytest.raises(SourceError, match=r"10 of 10 sources could not be read, the last: .*not found"):
            refine(settings(server, tmp_path / "out"), Listener())
        assert len(server.state.seen) <= 40 + 12
        server.state.files = {"/0.warc.gz": PART}
        server.state.seen.clear()
        with pytest.raises(SourceError, match=r"^http://[^ ]*/0.warc.gz: not found"):
            refine(settings(server, tmp_path / "one"), Listener())


def test_a_source_that_changes_costs_itself(tmp_path: Path) -> None:
    """Nothing of another state of the file enters the dataset."""
    with FaultyServer({f"/{name}.warc.gz": PART for name in "ab"}) as server:
        wanted = settings(server, tmp_path / "out")
        ledger = begin(wanted, Listener())
        server.state.files["/a.warc.gz"] = PART[:-1000]
        with ledger.lock(), pytest.raises(SourceError, match=r"1 of 2 sources could not be read: .*/a.warc.gz: chang"):
            finish(ledger, wanted, local_tasks(ledger, wanted, Listener()))
        assert ledger.has(1) and not ledger.has(0)
