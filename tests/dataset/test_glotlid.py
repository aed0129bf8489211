"""Fetching the language model of `fineweb-2`: once, continued where it stopped, and only what the Hub lists."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.dataset.glotlid import FILE, glotlid_path
from finest.devnet.hub.server import HubServer
from tests.devnet.hub_client import client, environment

MODEL = bytes(range(256)) * 400
MAKE = f"""
api.create_repo("maker/lid", repo_type="model")
changes = [CommitOperationAdd({FILE!r}, bytes(range(256)) * 400)]
result = api.create_commit("maker/lid", changes, commit_message="model").oid
"""
FETCH = """
import sys
from pathlib import Path
from finest.dataset.glotlid import fetch_glotlid
from finest.errors import FinestError

try:
    print(fetch_glotlid(Path("cache"), repository=sys.argv[1], progress=lambda have, _: print("at", have))[1])
except FinestError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        client(tmp_path_factory.mktemp("maker"), server, MAKE, token=server.add_user("maker"))
        yield server


def fetch(hub: HubServer, home: Path, repository: str = "maker/lid") -> list[str]:
    """Run `fetch_glotlid` in a process, for the client reads its settings once; returns its lines."""
    done = subprocess.run(
        [sys.executable, "-c", FETCH, repository], cwd=home, env=environment(home, hub, None, xet=False),
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.nightly
def test_a_stopped_download_continues(hub: HubServer, tmp_path: Path) -> None:
    """The part that is here is not asked for again; a part with other bytes is thrown away, and named."""
    sha256 = hashlib.sha256(MODEL).hexdigest()
    path = glotlid_path(tmp_path / "cache")
    part = path.with_name(f".{path.name}.{sha256[:16]}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(1000))
    assert "another sha256 than the Hub states" in fetch(hub, tmp_path)[-1]
    part.write_bytes(MODEL[:1000])
    assert fetch(hub, tmp_path) == ["at 1000", f"at {len(MODEL)}", sha256]
    assert path.read_bytes() == MODEL
    hub.requests.clear()
    assert fetch(hub, tmp_path) == [sha256]
    assert not hub.requests.all()
    assert json.dumps(sorted(file.name for file in path.parent.iterdir() if file.suffix == ".part")) == "[]"


def test_a_repository_without_the_model(hub: HubServer, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path, "maker/none")[-1].startswith("HubNotFound")
    assert not glotlid_path(tmp_path / "cache").exists()
