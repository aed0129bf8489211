"""MinHash signatures, against DataTrove's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datatrove.pipeline.dedup import MinhashConfig, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import simplify_text
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe.minhash import Signer, simplify
from finest.recipe.recipe import DedupRules
from finest.recipe.words import Tokenizer
from tests.deep import examples
from tests.late import Late
from tests.recipe.filters import prose

TOKENIZER = Late(Tokenizer)
PROSE = "\n".join(prose(40))
TEXTS = [
    PROSE, PROSE * 20, "one two three four five", "one two three four", "", "...", "a b c d e " * 300,
    "Café İstanbul 1.234,56 e\u0301tude 12,5 ١٢٣ ½ ², they're can't IS ÅÄÖ ﬁ Ǆ — “so” it's 3.14.15",
    "\u0301 \u0300 a \u0301b c\u200bd e f g", "ΑΣ ΟΔΥΣΣΕΥΣ Σ. ß ẞ und so weiter",
]  # fmt: skip


def datatrove(tmp_path: Path, rules: DedupRules) -> MinhashDedupSignature:
    config = MinhashConfig(
        n_grams=rules.n_grams, num_buckets=rules.buckets, hashes_per_bucket=rules.hashes_per_bucket, seed=rules.seed,
        hash_config=HashConfig(precision=64, hash_fc=rules.hash),
    )  # fmt: skip
    return MinhashDedupSignature(str(tmp_path), config)


@pytest.mark.parametrize(
    "rules", [DedupRules(), DedupRules(hash="xxhash"), DedupRules(buckets=3, hashes_per_bucket=5, n_grams=3, seed=7)]
)
def test_signatures_are_datatroves(rules: DedupRules, tmp_path: Path) -> None:
    """Every hash of every bucket is the same, and a text too short for a shingle has none."""
    reference, signer = datatrove(tmp_path, rules), Signer(rules)
    for text in TEXTS:
        shingles = reference.get_shingles(text)
        signature = signer.sign(text, TOKENIZER)
        if shingles.size:
            assert signature is not None
            assert signature.dtype == np.uint64
            assert signature.tolist() == reference.get_signature(shingles)
        else:
            assert signature is None


@pytest.mark.slow
@settings(max_examples=examples(50, 4_000))
@given(st.lists(st.one_of(st.text(max_size=6), st.sampled_from(TEXTS)), max_size=6).map(" ".join))
def test_any_text_is_simplified_as_by_datatrove(text: str) -> None:
    """Case, numbers, punctuation, whitespace and diacritics go the same way in every script."""
    assert simplify(text) == simplify_text(text)


def test_a_hash_on_the_prime_is_reduced() -> None:
    """Values of the prime and just over it wrap to small ones; they are one in 10^17, so made here by hand."""
    signer = Signer(DedupRules())
    signer._factors[:] = 1
    signer._offsets[:] = 0
    prime = (1 << 61) - 1
    for value in (0, 1, prime - 1, prime, prime + 1, 2 * prime, 8 * prime, 8 * prime + 7):
        assert set(signer._permuted_minimum(np.array([value], np.uint64)).tolist()) == {value % prime}
