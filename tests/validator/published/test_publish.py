"""Batches on the devnet's Hub: one commit each, earlier ones stay, and anybody reads them back."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.devnet.hub.server import HubServer
from tests.devnet.hub_client import client

pytestmark = pytest.mark.slow

ROOT = str(Path(__file__).parents[3])
SCRIPT = """
sys.path.insert(0, ROOT)
from pathlib import Path
from finest.errors import FinestError
from finest.validator.published.batch import make_batch
from finest.validator.published.fetch import PublishedBatch
from finest.validator.published.publish import publish_batch
from tests.validator.published.made import Key, record

key, said = Key(), []
def publish(number, records, previous=None):
    batch, data = make_batch(records, key, number, previous)
    return publish_batch(batch, data, "verdicts", Path("sending"), said.append)

first = make_batch([record(key, n) for n in range(3)], key, 1, None)
one, again = (publish_batch(*first, "verdicts", Path("sending"), said.append) for _ in range(2))
two = publish(2, [record(key, 7)], one.root)
found = PublishedBatch.open(two)
whole = PublishedBatch.open(one)
files = sorted(api.list_repo_files("victor/verdicts", repo_type="dataset"))
api.create_repo("victor/other", repo_type="dataset")
api.upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id="victor/other", repo_type="dataset")
batch, data = make_batch([record(key)], key, 1, None)
def refusal(call):
    try:
        call()
    except FinestError as error:
        return f"{type(error).__name__}: {error}"
result = {
    "same": str(one) == str(again), "commits": len(api.list_repo_commits("victor/verdicts", repo_type="dataset")),
    "files": files, "places": [str(one), str(two)], "task": found.record(found.of_task("t7")).subject.task.id,
    "previous": found.batch.previous == one.root,
    "tasks": [whole.record(item).subject.task.id for item in whole.batch.items],
    "left": [path.name for path in Path("sending").iterdir()],
    "other": refusal(lambda: publish_batch(batch, data, "other", Path("sending"), said.append)),
    "absent": refusal(lambda: PublishedBatch.open(type(one)(one.repo, one.revision, two.root))),
}
"""


@pytest.mark.nightly
def test_a_batch_is_one_commit_and_earlier_ones_stay(tmp_path: Path) -> None:
    """Published twice it is one commit; another repository's files are left alone."""
    with HubServer(tmp_path / "hub") as hub:
        token = hub.add_user("victor")
        found = client(tmp_path / "home", hub, f"ROOT = {ROOT!r}\n{SCRIPT}", token=token)
    assert (found["same"], found["commits"], found["previous"]) == (True, 3, True)  # the repository's own, and two
    roots = [place.partition("#")[2] for place in found["places"]]
    expected = [f"evidence/{root[:2]}/{root}{end}" for root in roots for end in (".json", ".jsonl.gz")]
    assert [path for path in found["files"] if path.startswith("evidence/")] == sorted(expected)
    assert (found["task"], found["tasks"], found["left"]) == ("t7", ["t0", "t1", "t2"], [])
    assert "holds other things" in found["other"]
    assert "no such batch" in found["absent"]
