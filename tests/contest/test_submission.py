"""A submission is data within limits; whatever else it is, is refused in one clear line."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from finest.contest.submission import MAX_MODEL_BYTES, read_submission
from finest.errors import UsageError, VerifyError
from finest.recipe.quality_model.place import cached_path
from finest.recipe.recipe import load_recipe

from .made import folder_of, model, recipe_text, with_model

BOUNDS = {
    "[dedup] is the same for every submission": ("buckets = 14", "buckets = 1000000"),
    "[pii] is the same for every submission": ("emails = true", "emails = false"),
    "[limits] tags is at most 500,000": ("tags = 500000", "tags = 500000000"),
    "[payload] max_bytes is at most 33,554,432": ("max_bytes = 33554432", "max_bytes = 3355443200"),
    "[extraction] cpu_limit_s is above 0 and at most 10": ("cpu_limit_s = 10.0", "cpu_limit_s = 60.0"),
    "[language] model is lid.176.ftz": ('model = "lid.176.ftz"', 'model = "/etc/passwd"'),
    "[gopher_repetition] top_n_grams has at most 12 rules": ("[[2, 0.2],", "[[3000, 0.2],"),
    "[gopher_repetition] dup_n_grams has at most 12 rules": ("[[5, 0.15],", "[" + "[5, 0.15]," * 50),
    "[gopher_quality] stop_words has at most 256 entries": (
        'stop_words = ["the"',
        'stop_words = ["' + "the" * 50 + '"',
    ),
    "[fineweb] line_punct_thr is not a finite number": ("line_punct_thr = 0.12", "line_punct_thr = nan"),
}
"""What a recipe asks for that no recipe may, by what is said about it."""


def refusal(folder: Path) -> str:
    with pytest.raises(VerifyError) as error:
        read_submission(str(folder))
    return str(error.value)


def test_a_recipe_and_its_model_are_all_that_is_read(tmp_path: Path, cache: Path) -> None:
    """Another file neither counts nor is opened; the digest is that of the files by name."""
    data = model()
    folder = folder_of(tmp_path / "one", recipe_text(with_model(data, more="min_bin = 3")), own=data)
    first = read_submission(str(folder))
    (folder / "evil.py").write_text("raise SystemExit")
    os.mkfifo(folder / "pipe")
    assert read_submission(str(folder)).digest == first.digest
    assert set(first.files) == {"recipe.toml", "own.safetensors"}
    path = first.install(tmp_path / "cache")
    assert load_recipe(str(path)).hash == first.recipe.hash
    assert cached_path(tmp_path / "cache", first.recipe.quality_model.models[0].sha256).read_bytes() == data


@pytest.mark.parametrize("said", BOUNDS)
def test_a_recipe_judges_in_bounded_time(said: str, tmp_path: Path) -> None:
    """Lists and sizes are all that can make a recipe slow, and each has a limit."""
    usual, asked = BOUNDS[said]
    text = recipe_text()
    assert usual in text
    assert said in refusal(folder_of(tmp_path, text.replace(usual, asked, 1)))


def test_no_code_of_a_stranger_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A section of another package's stage is refused before anything looks for that package."""
    monkeypatch.setattr("finest.recipe.recipe.installed_stage", lambda _: pytest.fail("it was looked for"))
    for section in ("[evil]\nx = 1\n", "[stages.evil]\ndistribution = 'evil'\n", "[others]\nx = 1\n"):
        assert "stages of other packages are not run here" in refusal(folder_of(tmp_path, recipe_text(f"\n{section}")))


@pytest.mark.parametrize(
    "place",
    ["../own.safetensors", "/root/own.safetensors", "deep/own.safetensors", "~/own.safetensors", "unknown",
     "hf:alice/edu@0123456789abcdef0123456789abcdef01234567"],
)  # fmt: skip
def test_a_model_is_a_file_of_the_submission(place: str, tmp_path: Path) -> None:
    """No path of this machine is opened, and nothing is fetched from elsewhere."""
    assert "is no file of the submission" in refusal(folder_of(tmp_path, recipe_text(with_model(model(), place))))


def test_a_model_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    """By its size alone; so are five models that are too large together."""
    folder = folder_of(tmp_path, recipe_text(with_model(model())))
    with (folder / "own.safetensors").open("wb") as file:
        file.truncate(1 << 30)
    assert refusal(folder).startswith("own.safetensors has 1.07")
    names = [f"m{number}" for number in range(5)]
    several = "".join(
        f'\n[[quality_model.models]]\nname = "{name}"\nmodel = "{name}.safetensors"\nsha256 = "{"0" * 64}"\n'
        for name in names
    )
    folder = folder_of(tmp_path / "several", recipe_text(several))
    for name in names:
        with (folder / f"{name}.safetensors").open("wb") as file:
            file.truncate(MAX_MODEL_BYTES)
    assert "m3.safetensors has" in refusal(folder)


def test_a_header_that_promises_a_terabyte_is_refused(tmp_path: Path) -> None:
    """A tensor that is larger than the file, a header longer than the file, and a head without an end."""
    head = {"__metadata__": {"finest_model": json.dumps({"kind": "linear", "name": "own", "bits": 22})}}
    tensor = {"dtype": "I16", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 41]}
    whole = json.dumps({**head, "weights": tensor}).encode()
    for data in (struct.pack("<Q", len(whole)) + whole, struct.pack("<Q", 1 << 60) + whole, b"{" * 100_000):
        assert "safetensors file" in refusal(folder_of(tmp_path, recipe_text(with_model(data)), own=data))


def test_a_model_is_the_one_that_the_recipe_names(tmp_path: Path) -> None:
    """By its sha256 and by its kind."""
    folder = folder_of(tmp_path, recipe_text(with_model(model())), own=model(value=2))
    assert "its sha256 is not the one in recipe.toml" in refusal(folder)
    classes = recipe_text(with_model(model(), more='kind = "class"'))
    assert "the model is of the other kind" in refusal(folder_of(tmp_path, classes, own=model()))


@pytest.mark.parametrize(
    ("text", "said"),
    [("a" * 70_000, "allowed are 64"), ("x = " + "[" * 5000, "recipe.toml"), ("\x00", "recipe.toml"),
     ('schema = "finest-recipe/2"\nname = "x"\n', "[schema]"), ('name = "UPPER"\n', "[name]"),
     ('name = "x"\n[libraries]\nlxml = "0.1"\n', "other library versions"),
     ('name = "x"\n[decontaminate]\nenabled = true\nindex = "/etc/a.decon"\nindex_sha256 = "' + "0" * 64 + '"\n',
      "[decontaminate] is the validator's")],
)  # fmt: skip
def test_what_is_no_recipe_is_named(text: str, said: str, tmp_path: Path) -> None:
    """With the section where there is one."""
    assert said in refusal(folder_of(tmp_path, text))


def test_a_place_that_is_none(tmp_path: Path) -> None:
    """An empty folder, and a repository without a revision."""
    assert "there is no file recipe.toml" in refusal(tmp_path)
    with pytest.raises(UsageError, match="neither a folder nor"):
        read_submission("alice/better")
