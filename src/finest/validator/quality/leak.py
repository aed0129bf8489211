"""Find held-out documents that a training text already contains: text learned by heart says nothing about quality."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from finest.validator.quality.kneser_ney import look_up

GRAM_WORDS = 13
"""Words per n-gram, as in GPT-3's check of its benchmarks (Brown et al. 2020, appendix C)."""
LEAK_SHARE = 0.1
"""A document counts as contained in a text if the text has more than this share of its 13-grams. Between real pages of
different hosts the share was 0 for 263 of 264, and 0.1 % for the other."""

_WORD = re.compile(r"\w+")
_FACTOR = 0x9E3779B97F4A7C15
"""An odd factor, so that its powers lose no bits modulo 2 ** 64."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Flags for each held-out document: `known` if the sources contain it, `leaked` if only the submission does."""

    known: NDArray[np.bool_]
    leaked: NDArray[np.bool_]


def overlap(heldout: Sequence[str], submission: Iterable[str], sources: Iterable[str]) -> Overlap:
    """Compare held-out documents with the submission, and with the validator's own texts of the same records."""
    known, submitted = _shares(heldout, sources), _shares(heldout, submission)
    is_known = known > LEAK_SHARE
    return Overlap(is_known, ~is_known & (submitted - known > LEAK_SHARE))


def _shares(documents: Sequence[str], texts: Iterable[str]) -> NDArray[np.float64]:
    """Return the share of each document's 13-grams that occur in the texts; 0 for a document of fewer than 13 words."""
    wanted = [_grams(document) for document in documents]
    there = np.unique(np.concatenate([np.zeros(1, np.uint64), *wanted]))
    seen = np.zeros(len(there), bool)
    for text in texts:
        at, known = look_up(there, _grams(text))
        seen[at[known]] = True
    return np.array([seen[np.searchsorted(there, of)].mean() if len(of) else 0.0 for of in wanted])


def _grams(text: str) -> NDArray[np.uint64]:
    """Hash each run of 13 words to a number, ignoring case and punctuation."""
    words = [xxhash.xxh3_64_intdigest(word) for word in _WORD.findall(text.encode("utf-8", "replace").decode().lower())]
    count = len(words) - GRAM_WORDS + 1
    if count < 1:
        return np.zeros(0, np.uint64)
    hashes = np.array(words, np.uint64)
    found = np.zeros(count, np.uint64)
    for first in range(GRAM_WORDS):
        found = found * np.uint64(_FACTOR) + hashes[first : first + count]
    return found
