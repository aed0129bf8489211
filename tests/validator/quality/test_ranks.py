"""Data sets of known order, made of real pages, rank right."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.quality import ORDER, WORSE, Judged, deal, is_right, judge_all, measured

TOKENS, HELDOUT_BYTES = 400_000, 500_000


@pytest.fixture(scope="module")
def pages(corpus: Path) -> list[Judged]:
    return judge_all([str(corpus / "en-00.warc.gz"), str(corpus / "mix-00.warc.gz")])


@pytest.mark.corpus
@pytest.mark.nightly  # 72 CPU seconds, the longest test of all
@pytest.mark.timeout(3600)
def test_datasets_of_known_order_rank_right(pages: list[Judged]) -> None:
    """Best to worst: reference, 10 % and 30 % boilerplate, raw, shuffled, other language; and what repeats is worse.

    One seed; `python -m bench.quality` does it for twenty.
    """
    seed = 0
    task = deal(pages, seed, TOKENS, HELDOUT_BYTES)
    found = {name: measured(task, name, seed, TOKENS) for name in (*ORDER, *WORSE)}
    assert is_right(found), {name: (each.bpb, each.error_bpb) for name, each in found.items()}
    assert found["reference"].q == 1
    assert not any(each.leaked_documents for each in found.values())
