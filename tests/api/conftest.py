"""The sample WARC that ships with the project, and its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

import finest
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

SAMPLE = Path(finest.__file__).parent / "sample" / "sample.warc.gz"


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample WARC."""
    return SAMPLE


@pytest.fixture(scope="session")
def pages() -> list[finest.Page]:
    """The pages of the sample WARC."""
    source = inspect(str(SAMPLE))
    whole = Slice(0, 0, 0, source.size_bytes)
    return [record.page() for record in read_slice(source, whole, max_record_bytes=64 << 20)]
