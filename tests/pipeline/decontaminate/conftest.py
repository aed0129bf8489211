"""A dataset whose pages hold evaluation items, and the index of these."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finest.pipeline.decontaminate.indexes import make_index
from tests.validator.made import Published, make
from tests.validator.repeated import response, sentences, write_warc


def questions() -> list[str]:
    """Sentences of the pages of the runs of this test, as if they were questions."""
    return [one for one in sentences() if 12 <= len(one.split()) <= 30][:6]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("index")
    (folder / "quiz.jsonl").write_text("".join(json.dumps({"question": one}) + "\n" for one in questions()))
    _, sha256 = make_index([str(folder / "quiz.jsonl")], folder / "x.decon", fields=(), n=4, min_words=8)
    return folder / "x.decon", sha256


@pytest.fixture(scope="module")
def warc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_warc(tmp_path_factory.mktemp("warc") / "a.warc.gz", [[response(n)] for n in range(12)])


@pytest.fixture(scope="module")
def whole(warc: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return make(tmp_path_factory.mktemp("whole") / "whole", [warc])
