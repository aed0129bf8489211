"""The C files that score texts, compiled alone: equal on AArch64 (run by qemu), and clean under sanitizers."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from finest.recipe import native
from finest.recipe.quality_model.fasttext import FasttextTable
from tests.deep import examples
from tests.recipe.quality_model.made import CLASSES, model
from tests.recipe.quality_model.test_scoring import drawn

CORE = Path(__file__).parents[3] / "src" / "finest" / "recipe" / "native" / "core"
PARTS = ("text", "sum", "fasttext")
AARCH64 = ["aarch64-linux-gnu-gcc", "-static"]
SANITIZED = ["gcc", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", f"-I{CORE}"]


def packed(*parts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def number(value: int) -> bytes:
    return struct.pack("<i", value)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("compiler", "runner"), [(AARCH64, ["qemu-aarch64"]), (SANITIZED, [])], ids=["aarch64", "sanitized"]
)
def test_scores_of_the_files_alone(compiler: list[str], runner: list[str], tmp_path: Path) -> None:
    """100,000 texts at night: of words, of all scripts, and of random bytes."""
    for needed in (compiler[0], *runner):
        if not shutil.which(needed):
            pytest.skip(f"no {needed}")
    program = tmp_path / "score"
    sources = [*(CORE / f"quality_{part}.c" for part in PARTS), Path(__file__).with_name("alone.c")]
    subprocess.run([*compiler, *FLAGS, *map(str, sources), "-o", str(program)], check=True)
    draw = np.random.default_rng(4)
    linear = model(bits=14, classes=CLASSES).table
    keys = np.unique(draw.integers(0, 2**64, 500, dtype=np.uint64))
    fasttext = FasttextTable(
        keys, draw.integers(-(2**15), 2**15, len(keys), dtype=np.int16),
        draw.integers(-(2**15), 2**15, 997, dtype=np.int16), 3, 2, 5,
    )  # fmt: skip
    texts = [text if isinstance(text, bytes) else text.encode() for text in drawn(examples(1_000, 100_000))]
    data = packed(
        number(14), number(len(CLASSES)), model(bits=14, classes=CLASSES).weights.tobytes(), number(3), number(2),
        number(5), keys.tobytes(), fasttext.words.tobytes(), fasttext.buckets.tobytes(), *texts,
    )  # fmt: skip
    run = subprocess.run([*runner, str(program)], input=data, capture_output=True, check=True)
    found = [tuple(map(int, line.split())) for line in run.stdout.splitlines()]
    core = native.core()
    if core is None:
        assert found == [(*linear.sums(text), *fasttext.sums(text)) for text in texts]
    else:  # faster; test_scoring.py and test_fasttext.py compare the core with Python
        joined = core.quality_join((linear.opened(core), fasttext.opened(core)))
        assert found == [(*one, *other) for one, other in (core.quality_sums(joined, text) for text in texts)]
