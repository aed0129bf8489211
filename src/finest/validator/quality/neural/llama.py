"""A small Llama: RMSNorm, rotary positions, SwiGLU, tied input and output embeddings.

Its parts have the names that `transformers` uses, so that the weights form a checkpoint of `LlamaForCausalLM` without
conversion. (Touvron et al. 2023, arXiv 2302.13971; rotary positions in halves, as in `transformers`.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from finest.validator.quality.pieces import PIECE_TOKENS
from finest.validator.quality.tokens import VOCABULARY


@dataclass(frozen=True, slots=True)
class Shape:
    """The hyperparameters of a model; the defaults are those of the pinned checkpoint: 1.33 million parameters."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    inner: int = 352
    """Width within the MLP: 8/3 of `width`, rounded to a multiple of 32."""
    context: int = PIECE_TOKENS
    rope_theta: float = 10_000.0
    norm_epsilon: float = 1e-6


class Llama(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits (batch, time, vocabulary) of the token after each of `tokens` (batch, time)."""
        return F.linear(self.model(tokens), self.model.embed_tokens.weight)

    def start(self, seed: int) -> None:
        """Initialise random normal weights, smaller where a layer adds to the residual stream, as in GPT-2."""
        draw = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                adds = name.endswith(("o_proj.weight", "down_proj.weight"))
                spread = 0.02 if "embed" in name else 0.7 / math.sqrt(weight.shape[1])
                nn.init.normal_(weight, 0, spread / math.sqrt(2 * self.shape.layers) if adds else spread, draw)


class Decoder(nn.Module):
    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCABULARY, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        size = shape.width // shape.heads
        speeds = shape.rope_theta ** -(torch.arange(0, size, 2).float() / size)
        angles = torch.outer(torch.arange(shape.context).float(), speeds)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        time = tokens.shape[1]
        stream = self.embed_tokens(tokens)
        for layer in self.layers:
            stream = layer(stream, self.cos[:time], self.sin[:time])
        found: Tensor = self.norm(stream)
        return found


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.width, shape.norm_epsilon)
        self.mlp = SwiGLU(shape)

    def forward(self, stream: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        stream = stream + self.self_attn(self.input_layernorm(stream), cos, sin)
        found: Tensor = stream + self.mlp(self.post_attention_layernorm(stream))
        return found


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(shape.width, shape.width, bias=False) for _ in range(4)
        )

    def forward(self, stream: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        queries, keys, values = (
            each(stream).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for each in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(
            rotated(queries, cos, sin), rotated(keys, cos, sin), values, is_causal=True
        )
        found: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return found


class SwiGLU(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, stream: Tensor) -> Tensor:
        found: Tensor = self.down_proj(F.silu(self.gate_proj(stream)) * self.up_proj(stream))
        return found


def rotated(vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate queries or keys (..., time, size) by their positions, in their own precision."""
    one, other = vectors.chunk(2, -1)
    return torch.cat((one * cos - other * sin, other * cos + one * sin), -1).to(vectors.dtype)
