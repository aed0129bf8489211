"""Train on drawn pieces, and compute what held-out pieces cost afterwards.

Text comes as n-grams, whose last two tokens are a position's input and target. For training, drawn pieces are
concatenated and cut into windows, so that equally many tokens take equally many steps, however short the texts are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from finest.validator.quality.kneser_ney import BITS, Grams
from finest.validator.quality.neural.llama import Llama
from finest.validator.quality.pieces import Pieces, Told

BATCH = 16
"""Windows per step: 4,096 tokens, with which a step takes 0.8 GB on a CPU (measured)."""
BETAS, DECAY, CLIP = (0.9, 0.95), 0.1, 1.0
"""AdamW's betas, the weight decay of matrices, and the limit of the gradient norm (Brown et al. 2020, appendix B)."""
NO_TARGET = -100


def train(
    model: Llama, training: Grams, rates: Callable[[int], Sequence[float]], told: Told = lambda _share: None
) -> None:
    """Train on n-grams in their order: one step for every BATCH windows, at least one; a remainder is not used.

    `rates` takes the number of steps and returns the learning rate of each.
    """
    windows = _windows(training, model.shape.context)
    steps = max(1, len(windows) // BATCH)
    optimizer = _optimizer(model)
    for step, rate in enumerate(rates(steps)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, targets = _placed(windows[step * BATCH : (step + 1) * BATCH], model)
        with _precision(inputs):
            logits = model(inputs)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        told((step + 1) / steps)


def nats(model: Llama, pieces: Pieces, told: Told = lambda _share: None) -> NDArray[np.float64]:
    """Return the nats that each token of the pieces costs, given the tokens before it in its piece."""
    found = []
    tokens = np.split(_tokens(pieces.grams), np.cumsum(pieces.lengths)[:-1])
    for first in range(0, len(tokens), BATCH):
        batch = [torch.from_numpy(each) for each in tokens[first : first + BATCH]]
        padded = nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=NO_TARGET)
        found.append(_costs(model, padded))
        told(min(1.0, (first + BATCH) / len(tokens)))
    return np.concatenate(found)


def _costs(model: Llama, windows: Tensor) -> NDArray[np.float64]:
    inputs, targets = _placed(windows, model)
    with torch.inference_mode(), _precision(inputs):
        logits = model(inputs.clamp(min=0))
        costs = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    known: NDArray[np.float64] = costs[targets.flatten() != NO_TARGET].double().cpu().numpy()
    return known


def _optimizer(model: Llama) -> torch.optim.AdamW:
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=BETAS, fused=True)


def _tokens(grams: Grams) -> NDArray[np.int64]:
    """Return an array (n, 2) of each token's predecessor and the token itself."""
    mask = np.uint64((1 << BITS) - 1)
    return np.stack([grams >> np.uint64(BITS) & mask, grams & mask], axis=1).astype(np.int64)


def _windows(training: Grams, context: int) -> Tensor:
    """Return a tensor (windows, context, 2); a single shorter window if the text does not fill one."""
    context = min(context, len(training))
    count = len(training) // context
    return torch.from_numpy(_tokens(training[: count * context])).view(count, context, 2)


def _placed(windows: Tensor, model: Llama) -> tuple[Tensor, Tensor]:
    """Return inputs and targets on the model's device."""
    inputs, targets = windows.to(model.model.norm.weight.device).unbind(-1)
    return inputs, targets


def _precision(tokens: Tensor) -> torch.autocast:
    """Use bfloat16 on a GPU. Enter this for each step, since it caches weights in bfloat16 until it exits."""
    return torch.autocast(tokens.device.type, torch.bfloat16, enabled=tokens.is_cuda)
