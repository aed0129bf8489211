"""The index of accepted tasks: one small dataset that leads to every accepted row, at pinned revisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from finest.chain.payload import encode
from finest.devnet.hub.server import HubServer
from finest.tasks.models import WORK_KINDS, Rules, ScoreRequest, Task
from finest.tasks.store import Store
from tests.dataset.made import make_dataset
from tests.devnet.hub_client import client, environment
from tests.e2e.command import finest
from tests.tasks.samples import CRAWL, ROOT, paths
from tests.validator.test_merges import part

V, W, X = "5Victor", "5Wendy", "5Xenia"
OTHER = "CC-MAIN-2024-10"
PUBLISH = """
from pathlib import Path
from finest.dataset.task_folders import publish_task
result = []
for token, task, folder in {tasks}:
    place = publish_task(Path(folder), "web", task, token=token)
    result.append([place.repo, place.sha])
"""
USE = """
from datasets import load_dataset
from finest.dataset.hub import Hub
from finest.dataset.index import open_index
from finest.dataset.publish_index import publish_index
from finest.errors import VerifyError

for folder in {alices}:
    HfApi(token="{token}").delete_folder(folder, "alice/web", repo_type="dataset")
index = open_index("{place}")
again = publish_index(index.entries, Hub(), "operator/index")
listed = load_dataset("operator/index", split="train")
files = [file for task in listed if task["crawl"] == "{crawl}" for file in task["files"]]
rows = load_dataset("parquet", data_files=files, split="train")
good, bad, other = index.entries
lies = [good.model_copy(update=dict(files=bad.files)), bad.model_copy(update=dict(root="ab" * 32)), other]
forged = publish_index(lies, Hub(), "operator/lies")
api.upload_file(
    path_or_fileobj=(good.model_dump_json() + "\\n").encode(), path_in_repo="tasks.jsonl", repo_id="operator/lies",
    repo_type="dataset",
)
try:
    open_index("operator/lies", latest=True)
except VerifyError as error:
    changed = str(error)
result = dict(
    again=str(again), rows=len(rows), datasets=[one.manifest.rows for one in index.datasets(crawl="{crawl}")],
    english=len(index.select(language="en")), french=index.select(language="fr"), listed=listed.to_list(),
    forged=str(forged), changed=changed,
)
"""

MERGE = """
import threading
from finest.dataset.hub import Revision
from finest.pipeline.merging.merge import MergeOptions, merge
from finest.pipeline.progress import Progress
from finest.settings import default_cache
from finest.validator.loop.verdict import run_verdict
from finest.validator.loop.verdict_process import Job
from finest.validator.models import Assignment, Plan, Subject, Submission
from finest.dataset.merge_inputs import MergeLease
lease = MergeLease.model_validate_json({lease!r})
out = Path({out!r})
made = merge([one.place for one in lease.inputs], out, MergeOptions(default_cache(), 1, 10**9), Progress(quiet=True))
place = publish_task(out, "web", "{task}", token="{token}")
subject = Subject(
    submission=Submission(repo=place.repo, revision=place.sha), seed="ab" * 32,
    task=Assignment(warcs=("merge",), merge=lease, recipe_hash=made.recipe_hash),
)
done = run_verdict(Job(
    subject=subject, plan=Plan(), place=str(place), warcs=(), heldout=(), tier=1, device=None, tokens=1000,
    index=out.parent / "fingerprints.db", cache=default_cache(), cc_https="http://127.0.0.1:1", cc_bucket="x",
), threading.Event(), lambda line: None)
found = done.evidence
result = [place.repo, place.sha, made.root, done.why or found.why, found.measured.verified_tokens, made.token_count]
"""


@dataclass
class World:
    """A Hub with two miners and an operator, and the operator's database."""

    folder: Path
    hub: HubServer
    store: Store
    url: str

    def finished(self) -> dict[int, Task]:
        """Tasks of alice with 10, 11 and 12 rows and one of bob with 13, published and finished, by their rows."""
        tokens = dict.fromkeys((10, 11, 12), self.hub.add_user("alice")) | {13: self.hub.add_user("bob")}
        leased = {rows: self.store.lease(f"5M{rows}", 1, 100, crawl=OTHER if rows == 13 else CRAWL) for rows in tokens}
        made = {rows: make_dataset(self.folder / str(rows), kept=rows) for rows in tokens}
        told = [(tokens[rows], leased[rows].id, str(made[rows].folder)) for rows in tokens]
        found = {}
        for rows, (repo, sha) in zip(tokens, self.script(PUBLISH.format(tasks=told)), strict=True):
            root = made[rows].manifest.root
            task = leased[rows]
            found[rows] = self.store.finish(task.hotkey, task.id, repo, sha, root, encode(repo, sha, root), 101)
        return found

    def judge(self, task: Task, validator: str, verdict: Any = "pass", tokens: int = 1000) -> None:
        score = ScoreRequest(verdict=verdict, score=0.5 if verdict == "pass" else 0.0, tokens=tokens)
        self.store.report(validator, task.id, score, 102)

    def run(self, *arguments: object, check: bool = True) -> Any:
        env = environment(self.folder / "operator", self.hub, self.hub.add_user("operator"), xet=False)
        return finest(*arguments, check=check, env=env | {"DATABASE_URL": self.url})

    def publish(self) -> str:
        """The place that `finest tasks publish-index` prints."""
        return str(self.run("tasks", "publish-index", "--hf-repo", "index").stdout.splitlines()[-1])

    def script(self, text: str) -> Any:
        return client(self.folder / "operator", self.hub, text, token=self.hub.add_user("operator"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    store = Store.open(url, Rules())
    store.add_warcs(CRAWL, paths(4))
    store.add_warcs(OTHER, paths(1, OTHER))
    with HubServer(tmp_path / "hub") as hub:
        yield World(tmp_path, hub, store, url)
    store.close()


def test_an_index_leads_to_every_accepted_row(world: World) -> None:
    """Of all miners, at pinned revisions: what a miner changes or deletes afterwards changes nothing that is read.

    A line with another root or other files is refused by its task's name, and so is a list that was changed.
    """
    pytest.importorskip("datasets", reason="datasets 5 needs Python 3.11")
    tasks = world.finished()
    for rows in (10, 11, 13):
        world.judge(tasks[rows], V)
        world.judge(tasks[rows], W, tokens=900)
    world.judge(tasks[12], V, "fail")
    place = world.publish()
    alices = [f"tasks/{tasks[rows].id}" for rows in (10, 11)]
    told = {"place": place, "crawl": CRAWL, "alices": alices, "token": world.hub.add_user("alice")}
    found = world.script(USE.format(**told))
    assert found["again"] == place  # nothing has changed, so there is no other commit
    assert (found["rows"], found["datasets"], found["english"], found["french"]) == (21, [10, 11], 3, [])
    entry = next(one for one in found["listed"] if one["task"] == tasks[10].id)
    assert (entry["repo"], entry["revision"], entry["folder"]) == ("alice/web", tasks[10].revision, alices[0])
    assert (entry["root"], entry["warcs"], entry["verified_tokens"]) == (tasks[10].root, tasks[10].warcs, 900)
    assert "not the list that manifest.json describes" in found["changed"]
    world.judge(tasks[10], V, "fail")
    world.judge(tasks[10], X, "fail")
    later = world.publish()
    opened = json.loads(world.run("open", later, "--crawl", CRAWL, "--rows", 1, "--json").stdout)
    assert (opened["tasks"], opened["rows"], opened["refused"], len(opened["sample"])) == (2, 24, {}, 1)
    done = world.run("open", found["forged"], "--json", "--rows", 0, check=False)
    assert done.returncode == 7 and "2 of 3 datasets" in done.stderr
    refused = json.loads(done.stdout)["refused"]
    others = {task.id: why for task in tasks.values() if (why := refused.get(task.id))}
    assert len(others) == 2 and all(task_id in why for task_id, why in others.items())
    assert {why.rpartition("has other ")[2] for why in others.values()} == {
        "root than the index names", "files than the index names",
    }  # fmt: skip


def test_a_task_is_accepted_by_more_passes_than_fails(world: World) -> None:
    """And as long as its WARCs are not leased again; the lower median of the tokens counts."""
    first, second = (world.store.lease(f"5M{number}", 1, 100) for number in range(2))
    for number, task in enumerate((first, second)):
        revision = f"{number:040x}"
        world.store.finish(task.hotkey, task.id, "a/b", revision, ROOT, encode("a/b", revision, ROOT), 101)
    assert world.store.accepted() == []
    world.judge(first, V, tokens=1000)
    world.judge(first, W, tokens=10**15)
    world.judge(second, V)
    world.judge(second, W, "no_evidence")
    assert [(one.id, one.verified_tokens) for one in world.store.accepted()] == [(first.id, 1000), (second.id, 1000)]
    world.judge(second, V, "fail")
    assert [one.id for one in world.store.accepted()] == [first.id]


@pytest.mark.slow
def test_a_merge_of_a_deleted_dataset_is_withdrawn(world: World) -> None:
    """Once a miner gave it back: the command looks at the Hub, says what is gone, and goes on without it."""
    parts = [part(world.folder, first) for first in (0, 5)]
    leased = [world.store.lease(f"5M{number}", 1, 100, crawl=CRAWL) for number in range(2)]
    tokens = [world.hub.add_user(name) for name in ("alice", "bob")]
    told = [(token, task.id, str(one.folder)) for token, task, one in zip(tokens, leased, parts, strict=True)]
    for task, one, (repo, sha) in zip(leased, parts, world.script(PUBLISH.format(tasks=told)), strict=True):
        root = one.manifest.root
        world.judge(world.store.finish(task.hotkey, task.id, repo, sha, root, encode(repo, sha, root), 101), V)
    asked = ("tasks", "merge", CRAWL, "--index", "operator/index", "--recipe", "fineweb", "--inputs", 2)
    assert "1 new merge of 2 datasets" in world.run(*asked).stdout
    merge = world.store.lease("5Carol", 4, 102, recipes=[parts[0].manifest.recipe_hash], kinds=WORK_KINDS)
    world.store.release("5Carol", merge.id, 103)
    assert "1 merge to be accepted" in world.run(*asked).stdout
    world.script(f"result = HfApi(token={tokens[1]!r}).delete_repo('bob/web', repo_type='dataset')")
    done = world.run(*asked)
    assert "Gone: bob/web@" in done.stderr and "no such repository" in done.stderr
    assert "1 merge withdrawn" in done.stdout and "0 merges to be accepted, 1 dataset in no merge" in done.stdout
    assert [one.hotkey for one in world.store.accepted()] == ["5M0"]


@pytest.mark.nightly
@pytest.mark.slow
def test_merging_accepted_datasets_is_work(world: World) -> None:
    """Two datasets of the index are leased as one merge, merged from the Hub, judged there and named in their place."""
    parts = [part(world.folder, first) for first in (0, 5)]
    leased = [world.store.lease(f"5M{number}", 1, 100, crawl=CRAWL) for number in range(2)]
    told = [(world.hub.add_user(name), task.id, str(one.folder)) for name, task, one in zip(
        ("alice", "bob"), leased, parts, strict=True)]  # fmt: skip
    for task, one, (repo, sha) in zip(leased, parts, world.script(PUBLISH.format(tasks=told)), strict=True):
        root = one.manifest.root
        world.judge(world.store.finish(task.hotkey, task.id, repo, sha, root, encode(repo, sha, root), 101), V)
    world.publish()
    asked = ("tasks", "merge", CRAWL, "--index", "operator/index", "--recipe", "fineweb", "--inputs", 2)
    assert "1 new merge of 2 datasets" in world.run(*asked).stdout
    recipe = parts[0].manifest.recipe_hash
    task = world.store.lease("5Carol", 4, 102, recipes=[recipe], kinds=WORK_KINDS)
    assert task.merge is not None and set(task.merge.roots) == {one.manifest.root for one in parts}
    script = PUBLISH.partition("result")[0] + MERGE.format(
        lease=task.merge.model_dump_json(), out=str(world.folder / "merged"), task=task.id,
        token=world.hub.add_user("carol"),
    )  # fmt: skip
    repo, sha, root, why, verified, tokens = world.script(script)
    assert verified == tokens > 0, why
    world.judge(world.store.finish("5Carol", task.id, repo, sha, root, encode(repo, sha, root), 103), V)
    place = world.publish()
    opened = json.loads(world.run("open", place, "--crawl", CRAWL, "--rows", 0, "--json").stdout)
    assert (opened["tasks"], opened["rows"]) == (1, sum(one.manifest.rows for one in parts) - 3)
    assert "0 new merges" in world.run(*asked).stdout
