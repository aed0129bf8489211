"""fastText models as integer tables: the decisions of fastText itself, and clear words for every other file."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.fasttext_training import CannotTrain
from bench.fasttext_training import train as train_fasttext
from click.testing import CliRunner
from fasttext.FastText import _FastText

from finest.cli.model_import import import_fasttext
from finest.errors import FinestError, ModelError
from finest.recipe import native
from finest.recipe.quality_model import QualityModel, score_all
from finest.recipe.quality_model.fasttext_file import read_fasttext
from tests.deep import examples

SETTINGS = {
    "words": {"wordNgrams": 1, "bucket": 0},
    "word n-grams": {"wordNgrams": 3, "bucket": 2_000},
    "subwords": {"wordNgrams": 2, "minn": 2, "maxn": 4, "bucket": 2_000},
}
GOOD = ["theorem", "proof", "lemma", "naïve", "日本語", "integral", "the", "of"]
OTHER = ["cheap", "buy", "now", "shoes", "ünlü", "click", "the", "of", "</s>", "__label__1"]


def texts(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts of two kinds of words, each with its label."""
    draw = random.Random(seed)
    return [
        (label, " ".join(draw.choices(words, k=draw.randrange(1, 30)) + draw.choices(GOOD + OTHER[:8], k=12)))
        for label, words in draw.choices([("1", GOOD), ("0", OTHER[:8])], k=count)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Trains a small model, once for each kind."""
    folder = tmp_path_factory.mktemp("fasttext")
    (folder / "texts").write_text("".join(f"__label__{label} {text}\n" for label, text in texts(400, 1)))

    def train(name: str, **changes: Any) -> Path:
        path = folder / f"{name}.bin"
        if not path.exists():
            settings = {"dim": 8, "epoch": 10, "lr": 1.0, **SETTINGS.get(name, {}), **changes}
            try:
                train_fasttext(folder / "texts", path, **settings)
            except CannotTrain as error:
                pytest.skip(str(error))
        return path

    return train


def imported(source: Path, out: Path, *more: str) -> tuple[QualityModel, str]:
    """The model that the command makes of a file, and what it says."""
    result = CliRunner().invoke(import_fasttext, [str(source), "--out", str(out), *more], catch_exceptions=False)
    return QualityModel.load(out), result.output


@pytest.mark.parametrize("name", SETTINGS)
def test_an_imported_model_decides_like_fasttext(
    trained: Callable[..., Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every text: with words, word n-grams, subwords, the end of the line and labels among the words."""
    draw = random.Random(2)
    known = [text for _, text in texts(200, 3)]
    strange = [" ".join(draw.choices([*GOOD, *OTHER, "x\ty", "Ж", "\u2028"], k=8)) for _ in range(200)]
    (tmp_path / "texts.txt").write_text("\n".join(known))
    model, said = imported(trained(name), tmp_path / "good.safetensors", "--text", str(tmp_path / "texts.txt"))
    assert "0 of 200 decisions differ from fastText's" in said
    original = _FastText(str(trained(name))).f
    for text in known + strange:
        found = original.predict(text.replace("\n", " ") + "\n", 2, 0.0, "strict")
        shares = {label: share for share, label in found}
        if abs(shares["__label__1"] - 0.5) > 0.001:
            assert (model.score(text).bin >= 10) == (shares["__label__1"] > 0.5), text
            assert abs(model.score(text).bin - 20 * shares["__label__1"]) < 1.1
    scores = [model.score(text) for text in known + strange]
    monkeypatch.setattr(native, "core", lambda: None)
    assert scores == [model.score(text) for text in known + strange]


@pytest.mark.skipif(native.core() is None, reason="no compiled core to compare with")
def test_random_texts(trained: Callable[..., Path], tmp_path: Path) -> None:
    """Random bytes, and tokens of many characters, have the same score in the core and in Python."""
    draw = random.Random(5)
    models = [imported(trained(name), tmp_path / f"m{n}.safetensors")[0] for n, name in enumerate(SETTINGS)]
    for _ in range(examples(200, 10_000)):
        text = draw.choice([draw.randbytes(80), "é日a <>".encode() * draw.randrange(5), b"</s>", b""])
        found = score_all(models, text)
        assert found == tuple(model.scored(model.table.sums(text)) for model in models)


def test_the_other_label_has_the_opposite_score(trained: Callable[..., Path], tmp_path: Path) -> None:
    """Up to rounding."""
    one, said = imported(trained("words"), tmp_path / "one.safetensors")
    other, _ = imported(trained("words"), tmp_path / "other.safetensors", "--good", "0")
    assert "rises with '1'; for the other label: --good 0" in said
    assert abs(one.score("proof of").raw + other.score("proof of").raw) <= 1


def changed(place: int, *values: int) -> Callable[[bytes], bytes]:
    """Overwrites the 32-bit numbers from that one on; the file begins with magic, version, dim."""
    return lambda data: data[: 4 * place] + struct.pack(f"<{len(values)}i", *values) + data[4 * (place + len(values)) :]


BROKEN = {
    "no fastText model": lambda _: b"\x89PNG" * 40,
    "version 11": changed(1, 11),
    "dimensions": changed(2, 2**30),
    "out of range": changed(7, 1000),
    "hierarchical softmax": changed(8, 1),
    "no supervised model": changed(9, 1),
    "is cut off": lambda data: data[: len(data) // 2],
    "bytes after its end": lambda data: data + b"\0",
    "3 labels": changed(18, 3),
    "another order": lambda data: data[:92] + data[92:].replace(b"\0", b"\0\x01", 1),
    "not finite": lambda data: data[:-40] + struct.pack("<f", float("nan")) + data[-36:],
}


@pytest.mark.parametrize("reason", BROKEN)
def test_other_files_are_refused(trained: Callable[..., Path], tmp_path: Path, reason: str) -> None:
    """With the reason in one line, and nothing is written."""
    path = tmp_path / "m.bin"
    path.write_bytes(BROKEN[reason](trained("words").read_bytes()))
    with pytest.raises(ModelError, match=reason):
        read_fasttext(path)
    result = CliRunner().invoke(import_fasttext, [str(path), "--out", str(tmp_path / "m.safetensors")])
    assert isinstance(result.exception, ModelError)
    assert "\n" not in str(result.exception)
    assert list(tmp_path.iterdir()) == [path]


def test_random_damage_ends_in_an_error_of_ours(trained: Callable[..., Path], tmp_path: Path) -> None:
    """Whatever a stranger's file holds, it is a model or an error."""
    whole, draw = trained("subwords").read_bytes(), random.Random(7)
    path = tmp_path / "m.bin"
    for _ in range(examples(60, 3_000)):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            data[draw.choice([draw.randrange(100), draw.randrange(len(data))])] = draw.randrange(256)
        path.write_bytes(data)
        try:
            assert np.isfinite(read_fasttext(path).numbers).all()
        except FinestError:
            continue


def test_three_labels_of_a_real_model(trained: Callable[..., Path], tmp_path: Path) -> None:
    """They are counted."""
    source = tmp_path / "three"
    source.write_text("".join(f"__label__{n % 3} a b c\n" for n in range(30)))
    trained("words")  # skips the test where nothing can be trained
    train_fasttext(source, tmp_path / "three.bin", dim=2, epoch=1)
    with pytest.raises(ModelError, match="has 3 labels, and only a model of two labels"):
        read_fasttext(tmp_path / "three.bin")
