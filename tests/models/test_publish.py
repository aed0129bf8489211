"""Publishing a model: one commit with weights, record, card and curve, which opens, checks and scores again."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from bench.fasttext_training import CannotTrain
from bench.fasttext_training import train as train_fasttext

from finest.devnet.hub.faults import Fault
from finest.devnet.hub.server import HubServer
from finest.errors import ModelError, UsageError, VerifyError
from finest.models.documents import find_files
from finest.models.place import open_model
from finest.models.publishing.card import CardInput, card, recipe_lines
from finest.models.publishing.publish import PublishOptions, publish
from finest.models.publishing.samples import Sample
from finest.models.record import ModelRecord
from finest.recipe.recipe import parse_recipe, tomllib
from tests.devnet.hub_client import client, environment
from tests.e2e.command import finest

GOOD = "The cell wall of a plant is made of cellulose; it lets water through and keeps the cell in shape. Lesson {}."
OTHER = "Buy now! Best price, free shipping, call eve@shop{}.example today. Click here | click here | offer {}."


@dataclass
class Maker:
    """Somebody with a token and a trained model."""

    hub: HubServer
    name: str
    home: Path
    token: str

    def run(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        return finest("model", *arguments, check=check, env=environment(self.home, self.hub, self.token, xet=False))

    def publish(self, *more: object, repo: str = "edu", check: bool = True) -> subprocess.CompletedProcess[str]:
        model = self.home / "edu.safetensors"
        return self.run("publish", model, "--hf_repo", repo, "--with-heldout", *more, check=check)

    def revision(self, *more: object, repo: str = "edu") -> str:
        """OWNER/NAME@REVISION, which `publish` prints first."""
        return self.publish(*more, repo=repo).stdout.splitlines()[0]

    def file(self, place: str, path: str) -> str:
        repo, _, sha = place.partition("@")
        answer = requests.get(f"{self.hub.endpoint}/{repo}/resolve/{sha}/{path}", timeout=60)
        answer.raise_for_status()
        return answer.text

    def ask(self, path: str) -> Any:
        answer = requests.get(f"{self.hub.endpoint}/api/models/{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def commits(self, repo: str = "edu") -> list[str]:
        found = self.ask(f"{self.name}/{repo}/commits/main")
        return [commit["id"] for commit in found if "model" in commit["title"]]


def _write(path: Path, first: int, end: int) -> None:
    rows = []
    for number in range(first, end):
        host = f"{number % 40}.example/{number}"
        rows.append({"text": GOOD.format(number), "label": 1, "url": f"https://good{host}"})
        rows.append({"text": OTHER.format(number, number), "label": 0, "url": f"https://other{host}"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker]:
    """A Hub, a user, and a small model with a held-out set beside it."""
    pytest.importorskip("scipy", reason="training needs the extra train")
    from finest.models.train import TrainOptions, train

    home = tmp_path_factory.mktemp("maker")
    _write(home / "labels.jsonl", 0, 60)
    _write(home / "unseen.jsonl", 60, 90)
    (labels,), heldout = find_files([str(home / "labels.jsonl")]), find_files([str(home / "unseen.jsonl")])
    options = TrainOptions(out=home / "edu.safetensors", labels=(labels,), heldout=heldout, bits=12, workers=1)
    train(options, lambda *_: None)
    with HubServer(tmp_path_factory.mktemp("hub")) as hub:
        yield Maker(hub, "maker", home, hub.add_user("maker"))


@pytest.fixture(scope="module")
def place(maker: Maker) -> str:
    """The published model; its commit failed at first, and its answer was lost the second time."""
    maker.hub.faults.add(Fault(path="/commit/main", status=503), Fault(path="/commit/main", lost=True))
    place = maker.revision("--license", "apache-2.0")
    assert not maker.hub.faults.pending()
    return place


def test_a_model_becomes_one_commit(maker: Maker, place: str) -> None:
    """Whatever happens to the commit; and publishing again makes no other and sends nothing."""
    assert maker.commits() == [place.partition("@")[2]]
    maker.hub.requests.clear()
    printed = maker.publish("--license", "apache-2.0").stdout
    assert printed.splitlines()[0] == place
    assert maker.commits() == [place.partition("@")[2]]
    assert not [seen for seen in maker.hub.requests.all() if seen.method != "GET"]
    files = maker.ask(f"{place.replace('@', '/revision/')}?blobs=true")["siblings"]
    found = {file["rfilename"]: file for file in files}
    assert found.keys() == {
        ".gitattributes", "README.md", "edu.safetensors", "model.json", "threshold-curve.svg", "unseen.jsonl"
    }  # fmt: skip
    sha256 = json.loads(maker.file(place, "model.json"))["model_sha256"]
    assert found["edu.safetensors"]["lfs"]["sha256"] == sha256
    recipe = parse_recipe({"name": "mine", **tomllib.loads(printed.partition("\n")[2])})
    assert [(model.name, model.model, model.sha256) for model in recipe.quality_model.models] == [
        ("edu", f"hf:{place}", sha256)
    ], "the printed lines are a recipe's"


@pytest.mark.nightly
def test_a_stranger_checks_it(maker: Maker, place: str) -> None:
    """The published evaluation comes out again, from the repository alone."""
    done = maker.run("check", f"hf:{place}")
    assert "equal" in done.stdout and "unseen.jsonl" in done.stdout


def test_the_card(maker: Maker, place: str) -> None:
    """It parses on the Hub, and tells training, evaluation, thresholds, samples, limits and licence."""
    text = maker.file(place, "README.md")
    checked = requests.post(
        f"{maker.hub.endpoint}/api/validate-yaml", json={"content": text, "repoType": "model"}, timeout=300
    )
    assert checked.json() == {"errors": [], "warnings": []}
    assert "license: apache-2.0" in text and f"hf:{maker.name}/edu@REVISION" in text
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert titles == ["Use it in a recipe", "Trained on", "Evaluation", "Threshold curve", "What a bin means",
                      "What it rejects and accepts", "Limits", "Check it yourself", "Licence"]  # fmt: skip
    assert str(maker.home) not in text + maker.file(place, "model.json") and "`labels.jsonl`" in text
    rejected = [line for line in text.splitlines() if line.startswith("| rejected")]
    accepted = [line for line in text.splitlines() if line.startswith("| accepted")]
    assert rejected and accepted
    assert all("Buy now" in line and "@shop" not in line for line in rejected)
    assert all("cell wall" in line for line in accepted)
    drawn = ET.fromstring(maker.file(place, "threshold-curve.svg"))
    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) == 3


@pytest.mark.nightly
def test_other_work_in_a_repository_is_left_alone(maker: Maker) -> None:
    """A repository with somebody else's model is refused, and nothing of it is deleted."""
    script = """
        api.create_repo("maker/theirs", repo_type="model")
        adds = [CommitOperationAdd("bert.safetensors", b"theirs" * 100)]
        result = api.create_commit("maker/theirs", adds, commit_message="theirs").oid
        """
    theirs = client(maker.home, maker.hub, script, token=maker.token)
    done = maker.publish(repo="theirs", check=False)
    assert done.returncode == 2 and "holds other things (bert.safetensors)" in done.stderr
    assert maker.ask("maker/theirs")["sha"] == theirs


@pytest.mark.nightly
def test_a_new_model_replaces_the_last(maker: Maker, place: str) -> None:
    """In one commit, and the earlier revision stays what it was. Held-out sets are published only if one says so."""
    second = maker.run("publish", maker.home / "edu.safetensors", "--hf-repo", "edu")
    revision = second.stdout.splitlines()[0]
    assert "Not published: unseen.jsonl" in second.stderr
    files = {file["rfilename"] for file in maker.ask(revision.replace("@", "/revision/"))["siblings"]}
    assert "unseen.jsonl" not in files and "edu.safetensors" in files
    assert maker.file(place, "unseen.jsonl")
    assert maker.run("check", revision, check=False).returncode == 75


def test_mistakes_are_one_line(maker: Maker, tmp_path: Path) -> None:
    """Weights without their record, a wrong licence, notes with a secret: nothing is sent."""
    alone = tmp_path / "edu.safetensors"
    alone.write_bytes((maker.home / "edu.safetensors").read_bytes())
    notes = tmp_path / "notes.md"
    notes.write_text("See https://eve:secret@example.org/")
    model = open_model(str(maker.home / "edu.safetensors"), tmp_path)
    for opened, options, error, words in (
        (open_model(str(alone), tmp_path), PublishOptions(), ModelError, "no model.json beside it"),
        (model, PublishOptions("My Own"), UsageError, "Hub's name of a licence"),
        (model, PublishOptions(notes=notes.read_text()), VerifyError, "cut it out"),
    ):
        with pytest.raises(error, match=words):  # before the Hub is asked
            publish(opened, "edu", options)


def test_a_class_model_is_published_with_its_kind() -> None:
    """Its recipe lines say that it names classes, and its card shows them; a name cannot break out of a table."""
    record = ModelRecord(
        name="page_type", kind="linear", task="classes", model_file="page_type.safetensors", model_sha256="0" * 64,
        bits=12, classes=("article", "forum"), labels={"article": 5, "forum": 4},
    )  # fmt: skip
    recipe = parse_recipe({"name": "mine", **tomllib.loads(recipe_lines(record, "eve/types", "a" * 40))})
    assert recipe.quality_model.models[0].kind == "class"
    hostile = Sample("forum", 3, 12, "a | b ` c\n## d")
    text = card(CardInput(record, "eve/types", "mit", (hostile,), ("x|y.jsonl",)))
    assert "names the class of a page: article, forum" in text and "was not evaluated" in text
    assert "\n| forum |  | 12 | `a _ b _ c ## d` |\n" in text and "`x_y.jsonl`" in text


@pytest.mark.nightly
def test_an_imported_model_needs_no_record(maker: Maker, tmp_path: Path) -> None:
    """Nothing is known of its training, and the card says so."""
    (tmp_path / "texts").write_text("__label__1 proof lemma\n__label__0 cheap shoes\n" * 20)
    try:
        train_fasttext(tmp_path / "texts", tmp_path / "eli.bin", dim=4, epoch=2, bucket=0)
    except CannotTrain as error:
        pytest.skip(str(error))
    maker.run("import", tmp_path / "eli.bin", "--out", tmp_path / "eli.safetensors")
    place = maker.run("publish", tmp_path / "eli.safetensors", "--hf-repo", "eli").stdout.splitlines()[0]
    text = maker.file(place, "README.md")
    assert "the weights were imported" in text and "was not evaluated" in text
    assert "eli" in maker.run("show", place).stdout
