"""Opening: what is read is what was made, from a folder and from the Hub."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from finest.dataset import limits
from finest.dataset.open import open_dataset
from finest.dataset.rows import batch_of, verdict_batch
from finest.devnet.hub.server import HubServer
from finest.errors import UsageError
from tests.deep import sampled
from tests.devnet.hub_client import client, environment
from tests.e2e.command import finest

from .made import DUMP, Made, make_dataset, row, verdict


def test_row_groups(large: Made) -> None:
    """Groups are numbered through all files, and say which rows they hold."""
    with open_dataset(str(large.folder)) as dataset:
        groups = dataset.row_groups()
        assert [(g.path[-17:], g.number, g.first_row, g.rows) for g in groups] == [
            ("000_00000.parquet", 0, 0, 5_000),
            ("000_00000.parquet", 1, 5_000, 2_000),
            ("001_00000.parquet", 0, 7_000, 5_000),
        ]
        assert sum(g.rows for g in dataset.verdict_groups()) == 12_000


def test_rows_come_as_they_were_asked_for(large: Made) -> None:
    """In any order, from any file, twice if asked twice; verdicts likewise."""
    wanted = [11_999, 0, 6_999, 7_000, 0, 4_999, 5_000]
    with open_dataset(str(large.folder)) as dataset:
        assert dataset.read_rows(wanted).equals(pa.Table.from_batches([batch_of([row(n) for n in wanted])]))
        expected = pa.Table.from_batches([verdict_batch([verdict(row(n)) for n in wanted])])
        assert dataset.read_verdicts(wanted).equals(expected)
        assert dataset.read_rows([]).num_rows == 0
        with pytest.raises(IndexError):
            dataset.read_rows([12_000])


def test_a_sample_is_of_the_datasets_rows(large: Made) -> None:
    """A seed draws the same rows again; without replacement; all rows where there are fewer."""
    with open_dataset(str(large.folder)) as dataset:
        drawn = sorted(random.Random(7).sample(range(12_000), 20))
        assert dataset.sample(20, 7)["id"].to_pylist() == [row(n).id for n in drawn]
        assert dataset.sample(20, 7).equals(dataset.sample(20, 7))
        dataset.check_root()


def test_an_empty_dataset(tmp_path: Path) -> None:
    """No rows are no error."""
    with open_dataset(str(make_dataset(tmp_path, kept=0).folder)) as dataset:
        assert dataset.sample(5, 1).num_rows == 0
        assert dataset.row_groups() == []
        dataset.check_root()


@pytest.mark.parametrize("where", ["no-such-folder", "a/b", "a/b@main"])
def test_a_place_is_a_folder_or_a_pinned_revision(where: str) -> None:
    """What may change tomorrow is not opened."""
    with pytest.raises(UsageError):
        open_dataset(where)


# On the Hub. Clients read their environment once, so each of these is a process of its own.


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A Hub on which alice has published the large dataset."""
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        server.add_user("alice")
        yield server


@pytest.fixture(scope="module")
def env(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What alice's programs are told."""
    return environment(tmp_path_factory.mktemp("alice"), hub, hub.add_user("alice"), xet=False)


@pytest.fixture(scope="module")
def revision(env: dict[str, str], large: Made) -> str:
    """The revision of the large dataset."""
    return finest("publish", large.folder, "--hf_repo", "large", env=env).stdout.strip()


@pytest.mark.nightly
def test_a_sample_from_the_hub_is_the_local_one(
    hub: HubServer, env: dict[str, str], revision: str, large: Made
) -> None:
    """The same rows as from the folder, for the price of their row groups; the card is never read."""
    hub.requests.clear()
    remote = json.loads(finest("open", f"alice/large@{revision}", "--rows", 2, "--seed", 11, "--json", env=env).stdout)
    with open_dataset(str(large.folder)) as dataset:
        assert remote["sample"] == dataset.sample(2, 11).to_pylist()
    assert remote["root"] == large.manifest.root
    assert hub.requests.count("README") == 0
    assert hub.requests.count(r"/resolve/.*\.parquet") <= 6


@pytest.mark.nightly
def test_a_busy_storage_is_waited_for(hub: HubServer, env: dict[str, str], revision: str) -> None:
    """Bytes that break off, a storage that answers 503: asked again, where the client would give up."""
    from finest.devnet.hub.faults import Fault

    hub.faults.add(Fault(path="/tree/", status=503), Fault(path="parquet", cut_bytes=1_000))
    hub.faults.add(Fault(path="_cdn", status=503), Fault(path="manifest", drop=True))
    try:
        done = finest("open", f"alice/large@{revision}", env=env)
    finally:
        hub.faults.clear()
    assert "12,000 of 12,000 pages" in done.stdout


@pytest.mark.nightly
def test_the_latest_must_be_asked_for(env: dict[str, str], revision: str) -> None:
    """And is then named, so that it can be written down."""
    refused = finest("open", "alice/large", env=env, check=False)
    assert refused.returncode == 2 and "names no revision" in refused.stderr
    latest = finest("open", "alice/large", "--latest", "--rows", 0, env=env)
    assert f"alice/large@{revision}" in latest.stderr


@pytest.mark.nightly
def test_what_is_not_there(env: dict[str, str], revision: str) -> None:
    """No such repository, no such revision, another root than the one that was promised."""
    for place, status, says in (
        (f"alice/nothing@{revision}", 8, "no such repository"),
        (f"alice/large@{'0' * 40}", 8, "no such revision"),
        (f"alice/large@{revision}#{'0' * 64}", 7, "not the 0000"),
    ):
        done = finest("open", place, env=env, check=False)
        assert done.returncode == status and says in done.stderr, done.stderr


HOSTILE_REPOSITORIES = {
    "extra.jsonl": ("a/extra.jsonl", b"{}", "extra.jsonl is not named in the manifest"),
    "stray shard": (f"data/{DUMP}/more.parquet", b"PAR1", "more.parquet is not named in the manifest"),
    "other bytes": (f"data/{DUMP}/000_00000.parquet", b"PAR1", "another size or sha256 on the Hub"),
    "no large file": (f"data/{DUMP}/000_00000.parquet", b"hello", "is not stored as a large file"),
    "long manifest": ("manifest.json", b" " * (limits.MAX_MANIFEST_BYTES + 1), "a manifest.json of 67108865 bytes"),
}


@pytest.mark.parametrize("kind", sampled(HOSTILE_REPOSITORIES))
def test_hostile_repositories_are_refused(kind: str, hub: HubServer, env: dict[str, str], tmp_path: Path) -> None:
    """What the manifest does not name, or the Hub states otherwise, is found before any shard is read."""
    path, data, says = HOSTILE_REPOSITORIES[kind]
    folder = make_dataset(tmp_path / "dataset").folder
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(data)
    repo = f"alice/{kind.replace(' ', '-')}"
    script = f"""
        api.create_repo("{repo}", repo_type="dataset")
        if {kind == "no large file"}:
            api.upload_file(path_or_fileobj=b"", path_in_repo=".gitattributes", repo_id="{repo}", repo_type="dataset")
        result = api.upload_folder(folder_path="{folder}", repo_id="{repo}", repo_type="dataset").oid"""
    sha = client(tmp_path / "home", hub, script, token=env["HF_TOKEN"])
    hub.requests.clear()
    done = finest("open", f"{repo}@{sha}", env=env, check=False)
    assert done.returncode == 7 and says in done.stderr, done.stderr
    assert hub.requests.count(r"/resolve/.*parquet|README") == 0
