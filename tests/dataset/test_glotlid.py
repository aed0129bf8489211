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
SHA256 = hashlib.sha256(MODEL).hexdigest()
MAKE = f"""
api.create_repo("maker/lid", repo_type="model")
changes = [CommitOperationAdd({FILE!r}, bytes(range(256)) * 400)]
result = api.create_commit("maker/lid", changes, commit_message="model").oid
"""
FETCH = """
import sys
from pathlib import Path
from finest.dataset.glotlid import Model, fetch_glotlid
from finest.dataset.hub import Hub
from finest.errors import FinestError

repository, sha256, revision = sys.argv[1:]
try:
    revision = revision or Hub(None, print, kind="model").head(repository).sha
    model = Model(repository, revision, sha256)
    print(fetch_glotlid(Path("cache"), model=model, progress=lambda have, _: print("at", have)).name)
except FinestError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        client(tmp_path_factory.mktemp("maker"), server, MAKE, token=server.add_user("maker"))
        yield server


def fetch(
    hub: HubServer, home: Path, repository: str = "maker/lid", sha256: str = SHA256, revision: str = ""
) -> list[str]:
    """Run `fetch_glotlid` in a process, for the client reads its settings once; returns its lines."""
    command = [sys.executable, "-c", FETCH, repository, sha256, revision]
    env = environment(home, hub, None, xet=False)
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout.splitlines()


@pytest.mark.nightly
def test_a_stopped_download_continues(hub: HubServer, tmp_path: Path) -> None:
    """The part that is here is not asked for again; a part with other bytes is thrown away, and named."""
    path = glotlid_path(tmp_path / "cache")
    part = path.with_name(f".{path.name}.{SHA256[:16]}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(1000))
    assert "another sha256 than the pinned one" in fetch(hub, tmp_path)[-1]
    part.write_bytes(MODEL[:1000])
    assert fetch(hub, tmp_path) == ["at 1000", f"at {len(MODEL)}", path.name]
    assert path.read_bytes() == MODEL
    head = "0" * 40
    hub.requests.clear()
    assert fetch(hub, tmp_path, revision=head) == [path.name]
    assert not hub.requests.all()
    assert json.dumps(sorted(file.name for file in path.parent.iterdir() if file.suffix == ".part")) == "[]"


def test_another_file_than_the_pinned_one_is_refused(hub: HubServer, tmp_path: Path) -> None:
    """On the Hub, where nothing of it is downloaded, and in the cache."""
    other = "0" * 64
    assert fetch(hub, tmp_path, sha256=other)[-1].endswith(f"has no {FILE} with the sha256 {other}")
    path = glotlid_path(tmp_path / "cache")
    path.write_bytes(MODEL[:-1])
    assert "is not GlotLID v3" in fetch(hub, tmp_path)[-1]


def test_a_repository_without_the_model(hub: HubServer, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path, "maker/none", revision="1" * 40)[-1].startswith("HubNotFound")
    assert not glotlid_path(tmp_path / "cache").exists()
