"""What an audit finds in a task, drawn at the rates of detection that `bench.attacks` measured on real pages.

A finding is turned into the values that an audit measures, and the product's own `score` computes the score from them.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from finest.validator.models import Outcome
from finest.validator.score import Measured

RATES = Path(__file__).resolve().parents[1] / "results" / "attacks.json"
TOKENS_A_WARC = 1_500_000
"""Tokens that `fineweb` keeps of a WARC: 1 to 2.5 million by the rows that FineWeb has of each crawl."""
PAGES = 134
"""Pages that an audit of an honest dataset looks for in random windows, as in the measured ones."""
ROWS = 128
_RAW_BPB, _REFERENCE_BPB = 2.0, 1.5
MIN_RECALL = 0.5


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a miner delivers for one task."""

    attack: str = "honest"
    """The name of the measured attack that its rows are most like."""
    recall: float = 1.0
    """Share of the pages that it holds."""


EMPTY = Delivery("honest", recall=0.005)
"""One row of some hundred, under a recipe of one's own: every row is right, and nearly all pages are missing."""
FORGED = Delivery("invented rows, 5 %")
GARBAGE = Delivery("invented rows, 30 %")
COPIED = Delivery("other language as fineweb")
"""Rows of other WARCs: none of them is in the task's own."""
HONEST = Delivery()


@dataclass(frozen=True, slots=True)
class Found:
    """What one audit found."""

    verdict: Outcome
    forged: bool
    measured: Measured


@cache
def _attacks() -> dict[str, dict[str, float]]:
    return {one["name"]: one for one in json.loads(RATES.read_text())["attacks"]}


def audit(delivery: Delivery, warcs: int, blocks_used: int, blocks_allowed: int, draw: random.Random) -> Found:
    """Draw the outcome of one audit of a task."""
    rates = _attacks()[delivery.attack]
    caught = draw.random() < rates["failed"] / rates["seeds"]
    missed = sum(draw.random() >= delivery.recall for _ in range(PAGES))
    rows_bad = 0 if caught or not rates["seen"] else max(1, round((1 - _honesty(rates)) / 10 * ROWS))
    whole = TOKENS_A_WARC * warcs
    measured = Measured(
        admissible=True, rows_checked=ROWS, rows_bad=ROWS if caught else rows_bad, pages_checked=PAGES,
        pages_missed=missed, unique_tokens=round(whole * delivery.recall), reference_tokens=whole,
        bpb=_REFERENCE_BPB + (1 - (rates["quality"] or 0)) * (_RAW_BPB - _REFERENCE_BPB),
        bpb_reference=_REFERENCE_BPB, bpb_raw=_RAW_BPB, error_bpb=0.0,
        blocks_used=blocks_used, blocks_allowed=blocks_allowed,
    )  # fmt: skip
    little = PAGES - missed < MIN_RECALL * PAGES
    return Found("fail" if caught or little else "pass", caught, measured)


def _honesty(rates: dict[str, float]) -> float:
    """The mean honesty of the audits that did not fail; failed ones count 0 in the measured mean."""
    passed = rates["seeds"] - rates["failed"]
    return min(1.0, rates["honesty"]) if passed else 0.0
