"""The models that ship: small, pinned by recipe `finest-scored`, described, and right about plain cases."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from finest.models.place import open_model
from finest.models.record import parse_record
from finest.recipe.quality_model import QualityModel
from finest.recipe.quality_model.place import shipped_path
from finest.recipe.recipe import load_recipe

NAMES = ("edu", "spam", "page_type")
MAX_BYTES = 2 << 20
"""Of one model, as docs/concepts/shipped-models.md promises; three may add at most 6 MB to the wheel."""

TEXTBOOK = (
    "Photosynthesis is the process by which green plants convert light energy into chemical energy. In the "
    "chloroplasts, pigments such as chlorophyll absorb light, and the energy is used to split molecules of water. The "
    "oxygen that is released is a by-product of this reaction. The second stage, the Calvin cycle, uses carbon dioxide "
    "to form sugars."
)
SHOP = (
    "Free shipping on all orders over $50! Sign up for our newsletter and get 10% off your first order. Shop now, add "
    "to cart, limited time offer. Follow us on Facebook, Twitter and Instagram. Terms of use. Privacy policy. "
    "Cookie settings."
)
THREAD = (
    "Hi all, I just joined this forum and I have a problem with my carburetor. Has anyone had the same issue? Posted "
    "by mike74\n\nQuote: mike74 wrote:\nI had the same problem last year. Try cleaning the jets first. Posts: 214 "
    "Joined: Mar 2009\n\nThanks for the reply, I will try that and let you know.\n\nReply to this thread"
)
CODE = """import sys

def gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a

if __name__ == "__main__":
    print(gcd(int(sys.argv[1]), int(sys.argv[2])))
"""


def pinned() -> dict[str, str]:
    return {model.name: model.sha256 for model in load_recipe("finest-scored").quality_model.models}


def model(name: str) -> QualityModel:
    return QualityModel.load(shipped_path(name), pinned()[name])


def test_the_recipe_pins_the_shipped_models() -> None:
    """A changed model file is refused, so a change of a model is a change of the recipe."""
    assert tuple(pinned()) == NAMES
    for name in NAMES:
        data = shipped_path(name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == pinned()[name]
        assert len(data) <= MAX_BYTES


def test_the_folder_holds_nothing_else() -> None:
    files = {path.name for path in shipped_path("edu").parent.iterdir()}
    assert files == {f"{name}{suffix}" for name in NAMES for suffix in (".safetensors", ".json")}


@pytest.mark.parametrize("name", NAMES)
def test_the_record_beside_a_model_is_about_it(name: str) -> None:
    """And holds evaluations on at least two sets that the model was not trained on."""
    path = shipped_path(name).with_suffix(".json")
    record = parse_record(path.read_bytes(), path.name)
    assert (record.name, record.model_sha256) == (name, pinned()[name])
    assert len(record.evaluation.sets) >= 2
    assert all(one.of_trained_groups == 0 for one in record.evaluation.sets)


def test_commands_know_a_shipped_model_by_its_name(tmp_path: Path) -> None:
    opened = open_model("edu", tmp_path)
    assert opened.model.sha256 == pinned()["edu"]
    assert opened.needed_record().name == "edu"


def test_finest_scored_is_finest_with_columns() -> None:
    """It keeps what `finest` keeps: the models have no threshold, and nothing else differs."""
    scored, plain = load_recipe("finest-scored"), load_recipe("finest")
    assert not any(model.drops for model in scored.quality_model.models)
    section = scored.resolved().pop("quality_model")
    assert {**plain.resolved(), "quality_model": section, "name": scored.name, "description": scored.description} == (
        scored.resolved()
    )


def test_plain_cases() -> None:
    edu, spam, kind = model("edu"), model("spam"), model("page_type")
    assert edu.score(TEXTBOOK).bin >= 15
    assert edu.score(SHOP).bin <= 5
    assert spam.score(SHOP).bin >= 15
    assert spam.score(TEXTBOOK).bin <= 12
    assert kind.score(CODE).label == "code"
    assert kind.score(THREAD).label == "forum"


def test_the_training_reads_no_labelled_host() -> None:
    """The hosts of the labelled sets are held out by name: the list that the training reads has them."""
    held_out = Path(__file__).parents[3] / "bench" / "shipped_heldout.txt"
    kinds = [line.split()[0] for line in held_out.read_text("ascii").splitlines()]
    assert kinds.count("labels") > 800
    assert kinds.count("corpus") > 1000
