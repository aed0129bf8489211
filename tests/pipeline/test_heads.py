"""Looking at the sources of a run: many at once, over few connections, and nothing twice."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from finest.errors import LedgerError, SourceError
from finest.pipeline.heads import sources_at
from finest.pipeline.options import RunOptions
from finest.pipeline.plan import begin
from finest.pipeline.progress import Progress
from finest.retry import Policy
from finest.warc.http_session import CONNECTIONS
from finest.warc.layout import Layout
from finest.warc.pauses import Pauses
from finest.warc.source import LOOK_BYTES
from tests.faulty_server import Fault, FaultyServer

from .test_run import Listener, record
from .test_secrets import options

PAGES = b"".join(record(number, os.urandom(100 if number < 2 else LOOK_BYTES).hex().encode()) for number in range(3))
"""A WARC whose first records fit in a look, and that goes on."""
COUNT = 300


def served(count: int = COUNT) -> FaultyServer:
    return FaultyServer({f"/{number}.warc.gz": PAGES for number in range(count)})


def listed(server: FaultyServer, folder: Path, numbers: range) -> RunOptions:
    """A run of these sources, named in a list."""
    (folder / "list").write_text("".join(f"{server.base}/{number}.warc.gz\n" for number in numbers))
    return replace(options("", folder / "out"), specs=(f"@{folder / 'list'}",))


def test_many_are_looked_at_at_once(tmp_path: Path) -> None:
    """One request each over kept connections, a few kilobytes of each, in the order of their names."""
    with served() as server:
        server.state.delay_s = 0.05
        locations = [f"{server.base}/{number}.warc.gz" for number in range(COUNT)]
        found = sources_at(locations, locations, None, Pauses(tmp_path), Progress(quiet=True))
        state = server.state
    assert [source.location for source in found] == locations
    assert set(found.sizes.tolist()) == {len(PAGES)}
    assert all(source.layout is Layout.MEMBERS for source in found)
    assert len(state.seen) == COUNT
    assert state.sent_bytes <= COUNT * LOOK_BYTES
    assert 10 < state.most_at_once <= state.connections <= CONNECTIONS


def test_a_begun_run_is_not_looked_at_again(tmp_path: Path) -> None:
    """Only what its ledger does not know; and then the folder holds another run."""
    with served(20) as server:
        first = begin(listed(server, tmp_path, range(19)), Listener())
        assert len(server.state.seen) == 19
        again = begin(listed(server, tmp_path, range(19)), Listener())
        assert list(again.plan.sources) == list(first.plan.sources)
        assert len(server.state.seen) == 19
        with pytest.raises(LedgerError, match="other sources"):
            begin(listed(server, tmp_path, range(20)), Listener())
        assert [seen.path for seen in server.state.seen[19:]] == ["/19.warc.gz"]
        begin(replace(listed(server, tmp_path, range(19)), restart=True), Listener())
        assert len(server.state.seen) == 39


def test_a_changed_local_file_is_looked_at(tmp_path: Path) -> None:
    """Another time is another state of the same source, another size is another source."""
    path = tmp_path / "a.warc.gz"
    path.write_bytes(PAGES)
    wanted = options(str(path), tmp_path / "out")
    first = begin(wanted, Listener()).plan.sources[0]
    os.utime(path, ns=(1, 7))
    again = begin(wanted, Listener()).plan.sources[0]
    assert (first.etag, again.etag) == (str(first.etag), "7")
    path.write_bytes(PAGES[:-1])
    with pytest.raises(LedgerError, match="other sources"):
        begin(wanted, Listener())


def test_one_missing_source_ends_the_looking(tmp_path: Path) -> None:
    """It is named, and the others are not waited for."""
    with served() as server:
        del server.state.files["/3.warc.gz"]
        with pytest.raises(SourceError, match=r"3\.warc\.gz: not found"):
            begin(listed(server, tmp_path, range(COUNT)), Listener())
    assert not (tmp_path / "out" / "ledger").exists()


def test_a_refusal_pauses_all_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that limits the rate is asked again by all of them, later."""
    monkeypatch.setattr("finest.warc.pauses.LENGTHS", Policy(first_s=0.05, cap_s=0.2))
    with served(60) as server:
        server.state.faults = [Fault("status", status=429)] * 30
        assert len(begin(listed(server, tmp_path, range(60)), Listener()).plan.sources) == 60
