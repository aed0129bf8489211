"""Build the checkpoint of this folder: `python -m finest.validator.quality.neural.build_seed FOLDER`.

It is trained on the texts in the public domain that `build_model` reads from FOLDER, without the paragraphs of the
held-out anchors: 1 million tokens three times, 11 CPU minutes on a busy machine. Another processor or release of
PyTorch rounds differently, so a build is equally good but not identical to the byte; `checkpoint.py` pins the one that
ships.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from finest.validator.quality.build_model import LICENCE, SOURCES, demo, jargon, novels, shown
from finest.validator.quality.heldout import anchors
from finest.validator.quality.neural.checkpoint import SEED, WEIGHTS, save_folder
from finest.validator.quality.neural.llama import Llama, Shape
from finest.validator.quality.neural.train import nats, train
from finest.validator.quality.pieces import pool_of

EPOCHS = 3
RATE, LAST_RATE, WARM_UP = 4e-3, 4e-4, 40
"""Highest and last learning rate, and the number of steps until the highest."""
RANDOM_SEED = 1
ABOUT = "Trained by finest.validator.quality.neural.build_seed on:"


def main() -> None:
    """Train and write the checkpoint; print its hash and the nats per token of the anchors, which it has not seen."""
    texts = unseen([jargon(Path(sys.argv[1])), *novels(Path(sys.argv[1])), *demo()])
    pool = pool_of(texts)
    order = np.concatenate([pool.draw(pool.tokens, epoch).grams for epoch in range(EPOCHS)])
    model = Llama(Shape())
    model.start(RANDOM_SEED)
    train(model, order, rates, _say)
    save_folder(model, SEED, torch.bfloat16, "\n".join([ABOUT, *SOURCES, LICENCE]))
    cost = nats(model, pool_of(anchors())).mean()
    digest = hashlib.sha256((SEED / WEIGHTS).read_bytes()).hexdigest()
    print(f"{digest} {WEIGHTS}: {cost:.4f} nats a token of the anchors, {time.process_time():.0f} CPU s")  # noqa: T201


def unseen(texts: Sequence[str]) -> list[str]:
    """Return the texts without the paragraphs that the anchors contain."""
    held = {line for document in anchors() for line in document.split("\n")}
    return ["\n".join(line for line in text.split("\n") if shown(line) not in held) for text in texts]


def rates(steps: int) -> list[float]:
    """Return the learning rate of each step: a linear warm-up, then a linear decay."""
    falls = np.linspace(RATE, LAST_RATE, max(1, steps - WARM_UP)).tolist()
    return [*(RATE * (step + 1) / WARM_UP for step in range(min(WARM_UP, steps - 1))), *falls][:steps]


def _say(share: float) -> None:
    print(f"\r{share:.1%}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
