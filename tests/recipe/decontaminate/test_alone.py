"""The C files that match texts, compiled alone: equal on AArch64 (run by qemu), and clean under sanitizers."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from finest.recipe import native
from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.characters import kinds_table
from finest.recipe.decontaminate.match import Matcher
from tests.deep import examples
from tests.recipe.decontaminate.made import edited, items, prose
from tests.recipe.decontaminate.test_match import CHINESE, SIGNS, THAI

CORE = Path(__file__).parents[3] / "src" / "finest" / "recipe" / "native" / "core"
FLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", f"-I{CORE}"]
AARCH64 = ["aarch64-linux-gnu-gcc", "-static"]
SANITIZED = ["gcc", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
needs_core = pytest.mark.skipif(native.core() is None, reason="no compiled core to compare with")


def drawn(count: int, questions: list[Item], draw: random.Random) -> Iterator[bytes]:
    """Random bytes, characters of several scripts, and prose with an edited question, a third each."""
    for number in range(count):
        size = draw.randrange(300)
        if number % 3 == 0:
            yield draw.randbytes(size)
        elif number % 3 == 1:
            signs = "".join(draw.choices([*SIGNS, CHINESE[:9], THAI], k=size))
            yield signs.encode("utf-8", "replace")[: draw.randrange(2000)]  # also cut off within a character
        else:
            question = edited(draw.choice(questions).text, draw.choice((0.0, 0.2)), draw)
            yield f"{prose(draw.randrange(400), draw)} {question} {prose(60, draw)}".encode()


@pytest.mark.nightly
@needs_core
@pytest.mark.parametrize(
    ("compiler", "runner"), [(AARCH64, ["qemu-aarch64"]), (SANITIZED, [])], ids=["aarch64", "sanitized"]
)
@pytest.mark.parametrize("n", [1, 4, 32])
def test_matches_of_the_files_alone(compiler: list[str], runner: list[str], n: int, tmp_path: Path) -> None:
    """Equal to the installed core's, at night for 3 times 10,000 texts; those that are not UTF-8 have no meaning."""
    for needed in (compiler[0], *runner):
        if not shutil.which(needed):
            pytest.skip(f"no {needed}")
    core = native.core()
    assert core is not None
    draw = random.Random(n)
    questions = items(60, draw, (8, 90))
    questions += [Item(100, CHINESE * 2), Item(101, THAI)]
    index = build_index([("quiz", questions)], n, 1)
    matcher = Matcher(index, 2, 5)
    program = tmp_path / "match"
    sources = [CORE / "decontaminate_text.c", CORE / "decontaminate_match.c", Path(__file__).with_name("alone.c")]
    subprocess.run([*compiler, *FLAGS, *map(str, sources), "-o", str(program)], check=True)
    texts = list(drawn(examples(500, 10_000), questions, draw))
    arrays = (index.hashes, index.firsts, index.items, index.ordinals, matcher._needed)
    head = [kinds_table(), struct.pack("<i", n), *(array.tobytes() for array in arrays)]
    data = b"".join(struct.pack("<I", len(part)) + part for part in [*head, *texts])
    run = subprocess.run([*runner, str(program)], input=data, capture_output=True, check=True)
    opened = core.decontaminate_open(kinds_table(), n, *arrays)
    wanted = [core.decontaminate_match(opened, text) or (0, 0, 0, 0, 0) for text in texts]
    found = np.array(run.stdout.split(), np.int64).reshape(-1, 5)
    assert found.tolist() == [list(one) for one in wanted]
    assert (found[:, 1] > 0).sum() > len(texts) / 20
