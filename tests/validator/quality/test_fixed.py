"""The fixed documents in ten languages: enough to measure with, and no part of what a miner can be given."""

from __future__ import annotations

import pytest

from finest.sample.build_languages import articles_in
from finest.sample.prose import LANGUAGES
from finest.validator.quality.heldout import FIXED, FIXED_SHA256, anchors
from finest.validator.quality.leak import _grams
from finest.validator.quality.paired import MIN_HELDOUT_BYTES, MIN_HELDOUT_DOCUMENTS

CODES = (
    "cmn_Hani",
    "deu_Latn",
    "fra_Latn",
    "ita_Latn",
    "jpn_Jpan",
    "nld_Latn",
    "pol_Latn",
    "por_Latn",
    "rus_Cyrl",
    "spa_Latn",
)


def test_ten_languages_have_them() -> None:
    """They are those of the sample; another language has none, and English its own."""
    assert sorted(FIXED_SHA256) == sorted(CODES)
    assert len(CODES) == len(LANGUAGES)
    assert anchors("dan_Latn") == []
    assert len(anchors()) == 48


@pytest.mark.parametrize("code", CODES)
def test_they_are_enough_to_measure_with(code: str) -> None:
    """Without any held-out WARC; each is a document of its own, and the file says what may be done with it."""
    documents = anchors(code)
    assert len(set(documents)) == len(documents) >= MIN_HELDOUT_DOCUMENTS
    assert sum(len(document.encode()) for document in documents) >= MIN_HELDOUT_BYTES
    assert "Licence: MIT" in (FIXED / f"{code}.txt").read_text(encoding="utf-8")[:300]


def test_they_share_nothing_with_the_sample() -> None:
    """Otherwise a dataset made of the sample would be known to hold them."""
    documents = [document for code in CODES for document in anchors(code)]
    shown = [article.text for code in LANGUAGES for article in articles_in(code)]
    known = {gram for text in shown for gram in _grams(text).tolist()}
    assert not [document for document in documents if known & set(_grams(document).tolist())]
