"""Datasets that the tests of this folder share; each is made once in a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.once import made_once

from .made import Published, make, write_crawl


@pytest.fixture(scope="session")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The devnet's four WARCs."""
    return write_crawl(tmp_path_factory.mktemp("crawl"))


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory, crawl: list[Path]) -> Published:
    """Alice's dataset of two of them."""
    made = made_once(tmp_path_factory, "alice", lambda out: make(out, crawl[:2]))
    return Published(made, tuple(crawl[:2]))


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory, crawl: list[Path]) -> Published:
    """Bob's, of the other two."""
    made = made_once(tmp_path_factory, "bob", lambda out: make(out, crawl[2:]))
    return Published(made, tuple(crawl[2:]))
