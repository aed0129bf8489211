"""The command `finest model import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import say
from finest.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.quality_model import QualityModel
    from finest.recipe.quality_model.fasttext_file import FasttextFile


@click.command("import")
@click.argument("source", metavar="MODEL.bin", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="NAME.safetensors",
              help="File of the quality model; NAME (lower-case letters, digits, _) is the model's name.")  # fmt: skip
@click.option("--good", metavar="LABEL", help="Label with which the score rises.  [default: the last by name]")
@click.option("--text", type=click.Path(path_type=Path), metavar="FILE",
              help="Compare with fastText on these texts: one per line, or .jsonl with a key text.")  # fmt: skip
def import_fasttext(source: Path, out: Path, good: str | None, text: Path | None) -> None:
    """Turn a fastText model of two labels into a quality model.

    The model must be supervised, with two labels, trained with softmax, and not quantised. Each of its vectors becomes
    one integer, so the file is about a hundredth of its size. The score's bins are twentieths of fastText's probability
    of the good label.

    \b
    finest model import quality.bin --out quality.safetensors
    finest model import oh_eli5.bin --out dclm.safetensors --good hq --text pages.jsonl
    """
    from finest.atomic_files import write_whole
    from finest.recipe.quality_model import QualityModel
    from finest.recipe.quality_model.fasttext_file import table_bytes

    if out.exists():
        raise UsageError(f"{out} exists; name another file with --out, or remove it")
    if out.suffix != ".safetensors":
        raise UsageError(f"{out} must end with .safetensors: --out {out.stem}.safetensors")
    texts = list(_texts(text)) if text else []
    found = _read(source)
    labels = sorted(found.labels)
    chosen = labels[-1] if good is None else good.removeprefix("__label__")
    if chosen not in labels:
        raise UsageError(f"{source} has no label {chosen!r}; its labels are {' and '.join(labels)}")
    data = table_bytes(out.stem, found, chosen)
    write_whole(out, data)
    model = QualityModel.load(out)
    other = labels[0] if chosen == labels[-1] else labels[-1]
    say(f"{out}: {len(data):,} bytes, sha256 {model.sha256}")
    say(f"its score rises with {chosen!r}" + ("" if good else f"; for the other label: --good {other}"))
    if texts:
        say(_compared(model, source, texts, chosen))


def _read(source: Path) -> FasttextFile:
    from finest.cli.views.steps import Steps
    from finest.recipe.quality_model.fasttext_file import read_fasttext

    with Steps() as steps:
        return read_fasttext(source, lambda done, size: steps("reading", done / size, source.name))


def _texts(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield str(json.loads(line)["text"]) if path.suffix == ".jsonl" else line.rstrip("\n")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"texts {path}: cannot be read: {error}") from error


def _compared(model: QualityModel, source: Path, texts: list[str], good: str) -> str:
    """Return in words on how many texts the model decides otherwise than fastText does."""
    from fasttext.FastText import _FastText

    from finest.recipe.quality_model.format import BINS

    fasttext = _FastText(str(source)).f
    differ = 0
    for one in texts:
        _, label = max(fasttext.predict(one.replace("\n", " ") + "\n", -1, 0.0, "strict"))
        differ += (label == f"__label__{good}") != (model.score(one).bin >= BINS // 2)
    return f"{differ} of {len(texts)} decisions differ from fastText's"
