"""Training texts in any dataset repository on the Hub, named at a revision."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from finest.devnet.hub.server import HubServer
from finest.models.hub_files import is_hub_place
from tests.deep import sampled
from tests.devnet.hub_client import client, environment
from tests.e2e.command import finest
from tests.models.made import rows, written

LINES = rows(20)


@dataclass
class Repository:
    """Somebody's repository of texts, which `finest` did not make."""

    hub: HubServer
    home: Path
    place: str

    def score(self, source: str, *, check: bool = True) -> str:
        """The output of `finest model score` with the shipped model `edu`, and its errors."""
        env = environment(self.home, self.hub, None, xet=False)
        done = finest("model", "score", "edu", source, "--json", check=check, env=env)
        return done.stdout if check else done.stderr

    def scored(self, source: str) -> int:
        return int(json.loads(self.score(source))["documents"])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    home = tmp_path_factory.mktemp("home")
    plain = written(home / "plain.jsonl", LINES)
    (home / "more.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    with HubServer(tmp_path_factory.mktemp("hub")) as hub:
        script = """
        api.create_repo("alice/texts", repo_type="dataset")
        for path in ("plain.jsonl", "more.jsonl.gz"):
            there = {"path_in_repo": "data/" + path, "repo_id": "alice/texts", "repo_type": "dataset"}
            api.upload_file(path_or_fileobj=path, **there)
        result = api.dataset_info("alice/texts").sha
        """
        sha = client(home, hub, script, token=hub.add_user("alice"))
        yield Repository(hub, home, f"alice/texts@{sha}")


@pytest.mark.nightly
def test_all_files_of_a_repository_are_read(repository: Repository) -> None:
    """Without a pattern each file of a kind that is read; a README is none."""
    assert repository.scored(repository.place) == 2 * len(LINES)


@pytest.mark.parametrize("pattern", sampled(["*.gz", "data/plain.jsonl"]))
def test_a_pattern_chooses_files(repository: Repository, pattern: str) -> None:
    """`*` crosses folders, as in the Hub's own patterns."""
    assert repository.scored(f"{repository.place}:{pattern}") == len(LINES)


def test_a_pattern_without_files_is_one_line(repository: Repository) -> None:
    """It says what was looked for."""
    said = repository.score(f"{repository.place}:train/*.parquet", check=False)
    assert "none of its 3 files fits train/*.parquet and ends in .parquet, .jsonl" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("spec", ["alice/texts@main", "alice/texts", "alice/texts@" + "0" * 39, "a.jsonl@" + "0" * 40])
def test_only_a_commit_names_a_revision(spec: str) -> None:
    """A branch would be other texts tomorrow."""
    assert not is_hub_place(spec)
