"""Labelled texts made by rule: good and other texts share most words, and differ in some."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson

from finest.models.documents import find_files
from finest.models.record import ModelRecord
from finest.models.train import TrainOptions, train

_COMMON = [f"word{number}" for number in range(200)]
_OWN = {1: ["theorem", "proof", "lemma", "hence"], 0: ["cart", "sale", "cookie", "login"]}
SILENT = lambda *_: None  # noqa: E731


def text_of(label: int, draw: random.Random, clear: float = 0.15) -> str:
    """A text of 60 words, of which a share `clear` tells its label."""
    own = _OWN[label]
    return " ".join(draw.choice(own if draw.random() < clear else _COMMON) for _ in range(60))


def rows(count: int, hosts: int = 20, seed: int = 1, clear: float = 0.15) -> list[dict[str, Any]]:
    """Labelled texts, half of each label, on so many hosts."""
    draw = random.Random(seed)
    return [
        {"text": text_of(at % 2, draw, clear), "label": at % 2, "host": f"h{draw.randrange(hosts)}.org"}
        for at in range(count)
    ]


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    """The rows as JSONL."""
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


def trained(folder: Path, labels: Path, *heldout: Path, name: str = "edu", **options: Any) -> ModelRecord:
    """A model trained on a labelled file; a small one, unless `bits` says otherwise."""
    folder.mkdir(exist_ok=True)
    chosen = {"bits": 12, "workers": 1} | options
    return train(
        TrainOptions(
            out=folder / f"{name}.safetensors",
            labels=find_files([str(labels)]),
            heldout=find_files([str(path) for path in heldout]),
            **chosen,
        ),
        SILENT,
    )
