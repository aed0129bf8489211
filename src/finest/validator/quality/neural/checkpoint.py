"""Weights on disk that `AutoModelForCausalLM.from_pretrained(FOLDER)` and `lm_eval --model hf` can load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from tokenizers import Tokenizer, decoders

from finest.atomic_files import write_whole
from finest.validator.quality.neural.llama import Llama, Shape
from finest.validator.quality.tokens import END, VOCABULARY, pinned, tokenizer

SEED = Path(__file__).with_name("seed")
WEIGHTS = "model.safetensors"
SEED_SHA256 = "5f2bc472d497b793eac49a2403dac00d600dc2dce13ca606896a5fd80385576e"
"""The sha256 of the weights that `build_seed` wrote. Figures depend on them and on no other file in the folder."""


def seed_model(path: Path = SEED / WEIGHTS, sha256: str = SEED_SHA256) -> Llama:
    """Load the pinned checkpoint; raises RecipeError if the file is a different one."""
    model = Llama(Shape())
    model.load_state_dict({name: weight.float() for name, weight in load(pinned(path, sha256)).items()})
    return model


def save_folder(model: Llama, folder: Path, precision: torch.dtype = torch.float32, about: str = "") -> None:
    """Write weights, configuration and tokenizer; `about` is stored in the header of the weights file."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.to("cpu", precision).contiguous() for name, weight in model.state_dict().items()}
    write_whole(folder / WEIGHTS, save(weights, {"format": "pt", **({"about": about} if about else {})}))
    precision_name = str(precision).removeprefix("torch.")
    for name, content in (
        ("config.json", configuration(model.shape, precision_name)),
        ("tokenizer.json", json.loads(_with_decoder().to_str())),
        ("tokenizer_config.json", tokenizer_configuration(model.shape)),
    ):
        write_whole(folder / name, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def configuration(shape: Shape, precision: str) -> dict[str, Any]:
    """Return a `LlamaConfig` of this shape, with the keys that transformers releases before and after 5 read."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "max_position_embeddings": shape.context,
        "hidden_act": "silu",
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": precision,
        "dtype": precision,
    }


def tokenizer_configuration(shape: Shape) -> dict[str, Any]:
    """Return the tokenizer's configuration: token 0 begins a document, and ends it for programs that need that."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "model_max_length": shape.context,
        "clean_up_tokenization_spaces": False,
    }


def _with_decoder() -> Tokenizer:
    """Return the pinned tokenizer with a decoder that turns tokens into text."""
    bpe = Tokenizer.from_str(tokenizer().to_str())
    byte_level: Any = decoders.ByteLevel()
    bpe.decoder = byte_level
    return bpe
