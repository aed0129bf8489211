"""Weights on disk: pinned, and what other programs load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from finest.errors import RecipeError
from finest.validator.quality.heldout import anchors
from finest.validator.quality.pieces import pool_of
from finest.validator.quality.tokens import ids
from tests.late import late_module

torch = late_module("torch")
loop, checkpoint, continued = (
    late_module(f"finest.validator.quality.neural.{name}") for name in ("train", "checkpoint", "continued")
)


def test_another_checkpoint_is_refused(tmp_path: Path) -> None:
    """One changed bit, and nothing is measured with it."""
    data = bytearray((checkpoint.SEED / checkpoint.WEIGHTS).read_bytes())
    data[-1] ^= 1
    other = tmp_path / checkpoint.WEIGHTS
    other.write_bytes(data)
    with pytest.raises(RecipeError, match="reinstall"):
        checkpoint.seed_model(other)


def test_the_checkpoint_says_where_it_comes_from() -> None:
    """Sources and licence stand in the head of the file."""
    with safe_open(checkpoint.SEED / checkpoint.WEIGHTS, "pt") as file:
        about = file.metadata()["about"]
    assert "public domain" in about
    assert "CC0-1.0" in about


def test_the_files_beside_the_weights_are_those_that_would_be_written(tmp_path: Path) -> None:
    """Configuration and tokenizer of the shipped folder follow from the code."""
    checkpoint.save_folder(checkpoint.seed_model(), tmp_path, torch.bfloat16)
    for path in checkpoint.SEED.glob("*.json"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.mark.nightly
def test_transformers_computes_the_same(tmp_path: Path) -> None:
    """Fitted weights give `LlamaForCausalLM` the logits that they give us, and its tokenizer our tokens."""
    transformers = pytest.importorskip("transformers")
    model = checkpoint.seed_model()
    loop.train(model, pool_of(anchors()[:6]).grams, continued.rates)
    checkpoint.save_folder(model, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = anchors()[7][:600]
    tokens = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert tokens[0].tolist() == ids(text).tolist()
    assert tokenizer.decode(tokens[0]) == text
    with torch.inference_mode():
        torch.testing.assert_close(theirs(tokens).logits, model(tokens), atol=1e-4, rtol=1e-4)
