"""How a run reads its sources: few requests, each byte once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from finest.pipeline import run_plan
from finest.pipeline.run import refine
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
