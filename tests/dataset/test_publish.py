"""Publishing: one commit per dataset, whatever happens; what the Hub then holds is the manifest's."""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from finest.devnet.hub.faults import Fault
from finest.devnet.hub.server import HubServer
from tests.deep import examples, sampled
from tests.devnet.hub_client import client, environment
from tests.e2e.command import command, finest

from .made import DUMP, Made, make_dataset, make_series

HEX = set("0123456789abcdef")
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """One Hub for all tests; each has a user of its own."""
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        yield server


@dataclass
class Miner:
    """Somebody with a token and a dataset."""

    hub: HubServer
    name: str
    home: Path
    made: Made
    token: str | None = None

    @property
    def repo(self) -> str:
        return f"{self.name}/web"

    def env(self, *, xet: bool = False) -> dict[str, str]:
        return environment(self.home, self.hub, self.token, xet=xet)

    def publish(
        self, *more: object, check: bool = True, xet: bool = False, repo: str = "web", folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        arguments = ("publish", folder or self.made.folder, "--hf_repo", repo, *more)
        return finest(*arguments, check=check, env=self.env(xet=xet))

    def revision(self, *more: object, **options: Any) -> str:
        """The revision that `finest publish` prints last."""
        return str(self.publish(*more, **options).stdout.splitlines()[-1])

    def ask(self, path: str) -> Any:
        answer = requests.get(
            f"{self.hub.endpoint}/api/datasets/{self.repo}{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=300,
        )
        answer.raise_for_status()
        return answer.json()

    def commits(self) -> list[str]:
        """Commits that published something, newest first."""
        return [commit["id"] for commit in self.ask("/commits/main") if "root" in commit["title"]]

    def files(self, revision: str) -> dict[str, Any]:
        tree = self.ask(f"/tree/{revision}?recursive=true")
        return {entry["path"]: entry for entry in tree if entry["type"] == "file"}


@pytest.fixture
def miner(hub: HubServer, tmp_path: Path) -> Iterator[Miner]:
    """A miner whom nobody knows yet, with a dataset of 40 rows."""
    name = f"miner{next(_NUMBERS)}"
    yield Miner(hub, name, tmp_path / "home", make_dataset(tmp_path / "dataset"), hub.add_user(name))
    hub.faults.clear()
    hub.requests.clear()


@pytest.mark.parametrize("xet", sampled([True, False]), ids=["xet", "lfs"])
def test_a_dataset_becomes_one_commit(miner: Miner, xet: bool) -> None:
    """By either way of uploading: one commit with the manifest's files and sha256s, and a card that names its place."""
    revision = miner.revision(xet=xet)
    assert len(revision) == 40 and set(revision) <= HEX
    assert miner.commits() == [revision]
    files = miner.files(revision)
    named = {file.path: file.sha256 for file in (*miner.made.manifest.shards, *miner.made.manifest.verdicts)}
    assert files.keys() - {".gitattributes"} == {*named, "manifest.json", "README.md"}
    assert {path: files[path]["lfs"]["oid"] for path in named} == named
    card = requests.get(f"{miner.hub.endpoint}/datasets/{miner.repo}/resolve/{revision}/README.md", timeout=60).text
    assert f'load_dataset("{miner.repo}"' in card and "OWNER/NAME" not in card
    assert ("xet-write-token" in str(miner.hub.requests.all())) == xet


@pytest.mark.nightly
def test_a_second_run_does_nothing(miner: Miner) -> None:
    """The same dataset again gives the same revision, and sends nothing."""
    revision = miner.revision()
    miner.hub.requests.clear()
    assert miner.revision() == revision
    assert miner.commits() == [revision]
    assert not [seen for seen in miner.hub.requests.all() if seen.method != "GET"]


FAULTS = {
    "answer lost": Fault(path="/commit/main", lost=True),
    "503 before": Fault(path="/commit/main", status=503),
    "504 after": Fault(path="/commit/main", lost=True, status=504),
    "dropped": Fault(path="/commit/main", drop=True),
    "429": Fault(path="/commit/main", status=429, retry_after_s=1),
}


@pytest.mark.parametrize("fault", sampled(FAULTS))
def test_a_commit_that_fails_is_done_once(miner: Miner, fault: str) -> None:
    """Refused for a while, dropped, or done with the answer lost: there is one commit, and its revision is printed."""
    miner.hub.faults.add(FAULTS[fault])
    revision = miner.revision()
    assert miner.commits() == [revision]
    assert not miner.hub.faults.pending()


@pytest.mark.nightly
def test_many_files_take_several_commits(hub: HubServer, tmp_path: Path) -> None:
    """102 series: commits of 100 files, the manifest last; a killed run goes on where it was."""
    name = f"miner{next(_NUMBERS)}"
    miner = Miner(hub, name, tmp_path / "home", make_series(tmp_path / "many", [1] * 102), hub.add_user(name))
    process = subprocess.Popen(
        command("publish", miner.made.folder, "--hf_repo", "web"), env=miner.env(), stderr=subprocess.DEVNULL
    )
    while hub.requests.count(f"{miner.repo}/commit/main", status=200) < 1 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not miner.commits()
    hub.requests.clear()
    revision = miner.revision(xet=False)
    assert hub.requests.count("", method="PUT") <= 104
    titles = [commit["title"] for commit in miner.ask("/commits/main")]
    assert miner.commits() == [revision] and titles[0].startswith(f"{DUMP}: 102 rows, root")
    assert sum(title.startswith("Some files of an unfinished dataset: 100 of") for title in titles) == 2
    assert miner.files(revision).keys() >= {file.path for file in miner.made.manifest.files}


def test_what_the_client_gives_up_on_is_asked_again(miner: Miner) -> None:
    """Who am I, repository info, its making and its listing all survive a Hub that is busy."""
    miner.hub.faults.add(
        Fault(path="/whoami", status=503),
        Fault(path=f"/api/datasets/{miner.repo}$", status=502),
        Fault(path="/repos/create", status=429, retry_after_s=1),
        Fault(path="/commits/main", drop=True),
        Fault(path="/validate-yaml", status=500),
    )
    done = miner.publish()
    assert miner.commits() == [done.stdout.splitlines()[-1]]
    assert not miner.hub.faults.pending()
    assert "the Hub answers 503; asking again in" in done.stderr


@pytest.mark.nightly
def test_a_patient_wait_is_as_long_as_asked(miner: Miner) -> None:
    """Retry-After is a promise to wait."""
    miner.hub.faults.add(Fault(path="/whoami", status=429, retry_after_s=2))
    began = time.monotonic()
    miner.publish()
    assert time.monotonic() - began > 2


def test_killed_at_any_moment(miner: Miner) -> None:
    """A process that is killed again and again, after some of its requests, and a last run: exactly one commit."""
    moments, asked = random.Random(20251123), miner.hub.requests.all
    for _ in range(examples(1, 6)):
        end = len(asked()) + moments.randrange(2, 13)
        arguments = command("publish", miner.made.folder, "--hf_repo", "web")
        process = subprocess.Popen(
            arguments, env=miner.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while len(asked()) < end and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
    revision = miner.revision()
    assert miner.commits() == [revision]


@pytest.mark.nightly
def test_killed_while_the_commit_is_on_its_way(miner: Miner) -> None:
    """The Hub takes a commit from a process that is dead by then: the next run finds it, or makes the only one."""
    miner.hub.faults.add(Fault(path="/commit/main", stall_s=1.0))
    process = subprocess.Popen(
        command("publish", miner.made.folder, "--hf_repo", "web"), env=miner.env(), stderr=subprocess.DEVNULL
    )
    while miner.hub.faults.pending() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    revision = miner.revision()
    assert miner.commits() == [revision]


@pytest.mark.nightly
def test_the_next_task_replaces_the_last(miner: Miner, tmp_path: Path) -> None:
    """One repository, one revision per task: each is one whole dataset, and an earlier one stays what it was."""
    first = miner.revision()
    other = make_dataset(tmp_path / "other", kept=7)
    extra = other.folder / "data" / DUMP / "000_00000.parquet"
    renamed = extra.rename(extra.with_name("001_00000.parquet"))
    shard = other.manifest.shards[0].model_copy(update={"path": renamed.relative_to(other.folder).as_posix()})
    roots = {f"data/{DUMP}/001": root for root in other.manifest.roots.values()}
    (other.folder / "manifest.json").write_text(other.changed(shards=(shard,), roots=roots).model_dump_json(indent=1))
    second = miner.revision(folder=other.folder)
    assert miner.commits() == [second, first]
    assert {path for path in miner.files(second) if path.startswith("data/")} == {shard.path}
    assert miner.revision() == first
    assert (
        finest("open", f"{miner.repo}@{first}", "--json", env=miner.env()).stdout.count(miner.made.manifest.root) == 1
    )


def test_an_altered_shard_is_not_published(miner: Miner) -> None:
    """A file that is not the manifest's is found before the first byte is sent."""
    path = miner.made.folder / miner.made.manifest.shards[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    done = miner.publish(check=False)
    assert done.returncode == 7
    assert f"{miner.made.manifest.shards[0].path}: not the file that the manifest names" in done.stderr
    assert not [seen for seen in miner.hub.requests.all() if seen.method != "GET"]


@pytest.mark.parametrize("path", sampled([f"data/{DUMP}/theirs.parquet", "model.safetensors"]))
def test_other_work_in_a_repository_is_left_alone(miner: Miner, path: str) -> None:
    """A repository that holds something else is refused, and nothing of it is deleted."""
    script = f"""
        api.create_repo("{miner.repo}", repo_type="dataset")
        result = api.upload_file(path_or_fileobj=b"theirs", path_in_repo="{path}", repo_id="{miner.repo}",
                                 repo_type="dataset").oid"""
    theirs = client(miner.home, miner.hub, script, token=miner.token)
    done = miner.publish(check=False)
    assert done.returncode == 2
    assert f"holds other things ({path})" in done.stderr
    assert miner.ask("")["sha"] == theirs


@pytest.mark.nightly
def test_a_private_repository(miner: Miner) -> None:
    """Nobody else can read it; its owner can."""
    revision = miner.revision("--private")
    assert miner.ask("")["private"] is True
    place = f"{miner.repo}@{revision}"
    assert finest("open", place, env=miner.env()).returncode == 0
    stranger = finest("open", place, check=False, env=environment(miner.home, miner.hub, None, xet=False))
    assert stranger.returncode == 8
    assert "no such repository, or it is private" in stranger.stderr


@pytest.mark.nightly
def test_what_was_to_be_private_is_never_public(miner: Miner) -> None:
    """--private into a public repository is refused before anything is sent."""
    miner.revision()
    miner.hub.requests.clear()
    done = miner.publish("--private", check=False)
    assert done.returncode == 2 and "is public" in done.stderr
    assert not miner.hub.requests.count(".", method="POST")


@pytest.mark.nightly
def test_tokens(miner: Miner, hub: HubServer) -> None:
    """No token, a wrong one, one that may only read: one clear line each, without the token."""
    refused = {
        None: "no Hugging Face token",
        "hf_" + "wrong" * 6: "does not accept this token",
        hub.read_token(miner.name): "may not do that",
    }
    for token, says in refused.items():
        miner.token = token
        done = miner.publish(check=False)
        assert done.returncode == 8
        assert says in done.stderr and "hf auth login" in done.stderr
        assert token is None or token not in done.stderr + done.stdout


def test_somebody_elses_name(miner: Miner, hub: HubServer) -> None:
    """A repository under another owner is the Hub's to refuse."""
    hub.add_user("somebody")
    done = miner.publish(check=False, repo="somebody/web")
    assert done.returncode == 8 and "may not do that" in done.stderr


@pytest.mark.nightly
def test_the_token_may_stand_in_dotenv_or_the_login_file(miner: Miner, tmp_path: Path) -> None:
    """HF_TOKEN from .env, and the file of `hf auth login`, are as good as the environment; .env is read first."""
    token, env = miner.token, miner.env()
    del env["HF_TOKEN"], env["HF_ENDPOINT"]
    (tmp_path / ".env").write_text(f"HF_TOKEN={token}\nHF_ENDPOINT={miner.hub.endpoint}\n")
    arguments = command("publish", miner.made.folder, "--hf_repo", "web")
    by_dotenv = subprocess.run(
        arguments, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    (miner.home / "hf").mkdir(parents=True, exist_ok=True)
    (miner.home / "hf" / "token").write_text(token or "")
    env["HF_ENDPOINT"] = miner.hub.endpoint
    by_file = subprocess.run(
        arguments, env=env, cwd=miner.home, capture_output=True, text=True, timeout=300, check=True
    )
    assert by_dotenv.stdout == by_file.stdout
    assert miner.commits() == [by_file.stdout.strip()]
