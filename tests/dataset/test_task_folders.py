"""Each task keeps a folder of its own in its miner's repository, and all of them load as one dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from finest.dataset.hub import HubPlace, Revision, parse_place, task_place
from finest.dataset.task_list import TaskEntry
from finest.dataset.tasks_card import MAX_TASKS_SHOWN, tasks_card
from finest.devnet.hub.server import HubServer
from finest.errors import UsageError
from tests.devnet.hub_client import client

from .made import DUMP, Made, make_dataset

SHA, ROOT = "4c1f" * 10, "9a0e" * 16
IMPORTS = """
from pathlib import Path
from finest.dataset.hub import Hub, Revision
from finest.dataset.open import open_dataset
from finest.dataset.publish import publish
from finest.dataset.task_folders import changed_since, publish_task
from finest.errors import FinestError

made = [Path("../made") / name for name in ("0", "1", "2")]

def publish_all(repo):
    return [publish_task(folder, repo, f"t{number}") for number, folder in enumerate(made)]

def error_of(call, *args, **options):
    try:
        call(*args, **options)
    except FinestError as error:
        return str(error)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three datasets, of 10, 11 and 12 rows."""
    folder = tmp_path_factory.mktemp("tasks")
    for number in range(3):
        make_dataset(folder / "made" / str(number), kept=10 + number)
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        yield server


def run(folder: Path, hub: HubServer, user: str, script: str) -> dict[str, object]:
    """What a script of `user` left in `result`."""
    found: dict[str, object] = client(folder / "home", hub, IMPORTS + script, token=hub.add_user(user))
    return found


def test_places_of_tasks() -> None:
    """A folder follows the revision, as in addresses of the Hub's own file system."""
    place = task_place("alice/web", SHA, "t1")
    assert place == f"alice/web@{SHA}/tasks/t1" == str(Revision("alice/web", SHA, "tasks/t1"))
    assert parse_place(place) == HubPlace("alice/web", SHA, None, "tasks/t1")
    assert parse_place(f"hf://datasets/{place}#{ROOT}") == HubPlace("alice/web", SHA, ROOT, "tasks/t1")
    assert task_place("alice/web", SHA, None) == f"alice/web@{SHA}"
    for wrong in ("tasks/..", "tasks/a/b", "data/x", "tasks/", "../tasks/t1"):
        with pytest.raises(UsageError):
            parse_place(f"alice/web@{SHA}/{wrong}")


def test_tasks_stay_and_load_together(folder: Path, hub: HubServer) -> None:
    """`load_dataset` gives all tasks, a crawl or one task; a repeated publish is no commit; each revision opens.

    If an old task's folder is changed or deleted on main, the pinned revisions are read as before, and the look for
    availability says what became of it.
    """
    pytest.importorskip("datasets", reason="datasets 5 needs Python 3.11")
    found = run(folder, hub, "alice", f"""
places = publish_all("web")
again = [str(one) for one in publish_all("web")]
from datasets import load_dataset
counts = [len(load_dataset("alice/web", *name, split="train")) for name in ((), ("t1",), ("{DUMP}",))]
counts.append(len(load_dataset("alice/web", data_dir="tasks/t0/data", split="train")))
whole = f"alice/web@{{places[2].sha}}"
root = open_dataset(str(places[1])).manifest.root
opened = [str(open_dataset(place).place) for place in (f"{{whole}}#{{root}}", f"alice/web@{{places[0].sha}}")]
listed = open(hf_hub_download("alice/web", "tasks.jsonl", repo_type="dataset")).read()
commits = len([c for c in api.list_repo_commits("alice/web", repo_type="dataset") if "root" in c.title])
before = [changed_since(one) for one in places]
api.delete_folder("tasks/t0", "alice/web", repo_type="dataset")
api.upload_file(
    path_or_fileobj=b"{{}}", path_in_repo="tasks/t1/manifest.json", repo_id="alice/web", repo_type="dataset"
)
with open_dataset(str(places[0])) as dataset:
    dataset.check_root()
    rows = dataset.sample(100, seed=1).num_rows
result = dict(
    places=[str(one) for one in places], again=again, counts=counts, root=root, opened=opened, commits=commits,
    listed=listed, ambiguous=error_of(open_dataset, whole), replaced=error_of(publish, made[0], "web"),
    before=before, after=[changed_since(one) for one in places], rows=rows,
)
""")  # fmt: skip
    places = found["places"]
    assert isinstance(places, list)
    shas = [place.partition("@")[2][:40] for place in places]
    assert places == [f"alice/web@{sha}/tasks/t{number}" for number, sha in enumerate(shas)]
    assert found["again"] == [f"alice/web@{shas[2]}/tasks/t{number}" for number in range(3)]
    assert (found["commits"], found["counts"]) == (3, [33, 11, 33, 10])
    assert found["opened"] == [f"alice/web@{shas[2]}/tasks/t1", places[0]]
    assert f"name one: alice/web@{shas[2]}/tasks/t2" in str(found["ambiguous"])
    assert "holds other things" in str(found["replaced"])
    lines = [json.loads(line) for line in str(found["listed"]).splitlines()]
    assert [(line["task"], line["rows"]) for line in lines] == [("t0", 10), ("t1", 11), ("t2", 12)]
    assert lines[1]["root"] == found["root"]
    assert (found["before"], found["rows"]) == ([None, None, None], 10)
    changed = ["tasks/t0 was removed from alice/web", "tasks/t1 was changed in alice/web", None]
    assert found["after"] == changed


@pytest.mark.nightly
def test_a_dataset_of_an_earlier_version_stays_at_the_top(folder: Path, hub: HubServer) -> None:
    """It opens as before, also under the name of its task, and is loaded with the others; foreign files are refused."""
    found = run(folder, hub, "carol", """
old = publish(made[0], "web")
new = publish_task(made[1], "web", "t1")
opened = []
for place in (str(old), f"{old}/tasks/t0", str(new)):
    with open_dataset(place) as dataset:
        opened.append(dataset.manifest.rows)
card = open(hf_hub_download("carol/web", "README.md", repo_type="dataset")).read()
names = sorted(Hub().names(Revision("carol/web", new.sha)))
api.create_repo("other", repo_type="dataset")
api.upload_file(path_or_fileobj=b"mine", path_in_repo="README.md", repo_id="carol/other", repo_type="dataset")
api.delete_file("tasks.jsonl", "carol/web", repo_type="dataset")
publish_task(made[2], "web", "t2")
listed = open(hf_hub_download("carol/web", "tasks.jsonl", repo_type="dataset")).read()
result = dict(
    opened=opened, card=card, names=names, refused=error_of(publish_task, made[0], "other", "t0"), listed=listed,
    absent=error_of(open_dataset, str(new).replace("/t1", "/t9")),
)
""")  # fmt: skip
    assert found["opened"] == [10, 10, 11]
    assert found["names"] == [
        ".gitattributes", "README.md", "data", "manifest.json", "tasks", "tasks.jsonl", "verdicts",
    ]  # fmt: skip
    configs = yaml.safe_load(str(found["card"]).split("---")[1])["configs"]
    assert configs[0]["data_files"][0]["path"] == ["data/*/*.parquet", "tasks/*/data/*/*.parquet"]
    assert "holds other things (README.md)" in str(found["refused"])
    assert "no such file" in str(found["absent"])
    assert [json.loads(line)["task"] for line in str(found["listed"]).splitlines()] == ["t1", "t2"]


def test_the_card_names_the_newest_tasks(made: Made) -> None:
    """However many tasks there are, the card stays small; tasks with other columns load with the common ones."""
    entry = TaskEntry.of("t0", made.manifest)
    entries = [entry.model_copy(update={"task": f"t{number}"}) for number in range(MAX_TASKS_SHOWN + 50)]
    text = tasks_card("alice/web", entries, made.manifest)
    configs = yaml.safe_load(text.split("---")[1])["configs"]
    assert [one["config_name"] for one in configs[:3]] == ["default", DUMP, f"t{MAX_TASKS_SHOWN + 49}"]
    assert len(configs) == 2 + MAX_TASKS_SHOWN
    assert "columns" not in configs[0] and "And 50 earlier ones" in text
    scored = entry.model_copy(update={"task": "t9", "columns": ("edu", "edu_raw")})
    both = yaml.safe_load(tasks_card("alice/web", [entry, scored], made.manifest).split("---")[1])["configs"]
    assert ["columns" in one for one in both] == [True, True, False, False]
    assert "edu" not in both[0]["columns"]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_dataset(tmp_path / "dataset", kept=2)
