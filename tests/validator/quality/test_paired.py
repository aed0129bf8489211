"""The measure: pure, paired, and never the miner's fault where the validator lacks text."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest

from finest.validator.quality import NoEvidence, Quality, measure
from finest.validator.quality.paired import Documents
from finest.validator.quality.pieces import pool_of
from tests.validator.quality.made import menus, shuffled, split

REFERENCE, HELDOUT = split()
RAW = menus(REFERENCE, 1)


def measured(submission: list[str], seed: str = "aa") -> Quality:
    found = measure(submission, REFERENCE, RAW, HELDOUT, seed)
    assert isinstance(found, Quality)
    return found


def test_the_reference_is_worth_one_and_raw_text_nothing() -> None:
    """The two ends of the scale, without error."""
    assert (measured(REFERENCE).q, measured(REFERENCE).q_error) == (1, 0)
    assert measured(RAW).q == 0


def test_worse_text_ranks_lower() -> None:
    """The reference, a part with menus, all with menus, words in any order."""
    half = len(REFERENCE) // 2
    ladder = (REFERENCE, REFERENCE[:half] + menus(REFERENCE[half:], 2), RAW, shuffled(REFERENCE, 3))
    found = [measured(texts).bpb for texts in ladder]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_every_row_twice_is_worth_less() -> None:
    """Half of the text, twice, has the tokens and not the worth."""
    half = REFERENCE[: len(REFERENCE) // 2]
    found = measured(half * 2)
    assert found.q is not None
    assert found.q < 0.9


def test_the_order_of_texts_does_not_matter() -> None:
    """Rows, pages and documents may come in any order."""
    turned = measure(REFERENCE[::-1], REFERENCE, RAW[::-1], HELDOUT[::-1], "aa")
    assert turned == measured(REFERENCE)


def test_all_three_have_the_same_budget() -> None:
    """A smaller submission shrinks the others too, down to a quarter; a tiny one is left with less."""
    found = measured(REFERENCE[:10])
    assert found.tokens == found.submission_tokens < found.reference_tokens
    tiny = measured(REFERENCE[:1])
    assert tiny.submission_tokens < tiny.tokens
    assert tiny.bpb > tiny.bpb_reference


def test_leaked_documents_are_dropped_and_counted() -> None:
    """Held-out text in the submission alone is no merit; the rest is measured without it."""
    found = measured([*REFERENCE, *HELDOUT[:3]])
    assert found.leaked_documents == 3
    assert found.heldout_documents == len(HELDOUT) - 3
    assert found.q is not None
    assert found.q < 1.1


def test_mostly_leaked_text_is_worthless() -> None:
    """Who submits the evaluation gets no measurement out of it, and no `no evidence` either."""
    found = measured([*REFERENCE, *HELDOUT])
    assert found.bpb == math.inf
    assert found.q is None
    assert math.isfinite(found.bpb_reference)


def test_held_out_text_that_the_sources_hold_is_not_held_against_anybody() -> None:
    """A document that the validator itself finds among the task's pages is dropped, for all alike."""
    found = measure(REFERENCE, REFERENCE, RAW, [*HELDOUT, *REFERENCE[:2]], "aa")
    assert isinstance(found, Quality)
    assert (found.known_documents, found.leaked_documents, found.q) == (2, 0, 1)


def test_an_empty_submission_has_no_quality() -> None:
    """Nothing submitted is the miner's doing."""
    assert measured([]).bpb == math.inf


@pytest.mark.parametrize(
    ("reference", "raw", "heldout"),
    [([], RAW, HELDOUT), (REFERENCE, [], HELDOUT), (REFERENCE, RAW, []), (REFERENCE, RAW, HELDOUT[:3])],
)
def test_too_little_text_of_the_validator_s_own_is_no_evidence(
    reference: list[str], raw: list[str], heldout: list[str]
) -> None:
    """What the validator lacks costs nobody anything."""
    assert isinstance(measure(REFERENCE, reference, raw, heldout, "aa"), NoEvidence)


def test_alike_raw_text_tells_nothing_apart() -> None:
    """Where raw text is as good as the reference there is no scale, but bits all the same."""
    found = measure(REFERENCE, REFERENCE, REFERENCE, HELDOUT, "aa")
    assert isinstance(found, Quality)
    assert found.q is None
    assert found.bpb == found.bpb_reference == found.bpb_raw


@pytest.mark.slow
@pytest.mark.nightly
def test_another_process_measures_the_same() -> None:
    """The same texts and seed give the same figures to 1e-9 in another process with another hash seed."""
    code = (
        "from tests.validator.quality.test_paired import *; import json;"
        "print(json.dumps(asdict(measured(menus(REFERENCE, 4) + REFERENCE))))"
    )
    env = os.environ | {"PYTHONHASHSEED": "77"}
    told = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, timeout=300)
    import json

    here = asdict(measured(menus(REFERENCE, 4) + REFERENCE))
    for name, value in json.loads(told.stdout).items():
        assert here[name] == (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value), name


def test_a_seed_is_a_draw() -> None:
    """Another seed gives other figures of the same things; the texts' hashes stay."""
    texts = REFERENCE + menus(REFERENCE, 5)
    one, other = measured(texts, "aa"), measured(texts, "bb")
    assert one.bpb != other.bpb
    assert replace(one, seed="").submission_sha256 == other.submission_sha256


def test_the_error_is_that_of_a_bootstrap() -> None:
    """The closed form agrees with resampling documents, within what resampling itself varies."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(500, 4000, 150)
    bits = rng.normal(0.02, 0.1, 150) * sizes
    documents = Documents(pool_of([]), np.zeros(0, np.int64), sizes)
    drawn = rng.integers(0, 150, (4000, 150))
    resampled = (bits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)).std()
    assert documents.error(np.tile(bits, (3, 1))) == pytest.approx(resampled, rel=0.08)
