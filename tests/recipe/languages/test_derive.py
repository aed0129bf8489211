"""Thresholds and stop words of a language that nobody has configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from finest.errors import RecipeError, SourceError, UsageError
from finest.recipe.languages import TokenizerKey, check_new_code, chosen_settings, read_settings, spacy_key
from finest.recipe.languages.derive import derive_settings, to_toml
from finest.recipe.words import tokenizer_of
from tests.recipe.filters import prose

if TYPE_CHECKING:
    from pathlib import Path

KEY = TokenizerKey("SpaCyTokenizer", "xx")


def pages(count: int) -> list[str]:
    """Pages of several lines that differ in length."""
    sentences = list(prose(count + 12))
    return ["\n".join(sentences[at : at + 5 + at % 7]) for at in range(count)]


def test_settings_follow_from_texts_and_come_back_from_their_file(tmp_path: Path) -> None:
    """Every limit is one that a filter can use, and the file holds all of them."""
    found = derive_settings("xyz_Latn", "Xyz", pages(150), tokenizer_of(KEY, "xyz_Latn"), KEY)
    assert found.language_score == 0.3
    assert 8 <= len(found.stop_words) <= 63
    assert found.max_avg_word_length > 0
    assert 0 <= found.min_avg_word_length <= found.max_avg_word_length
    shares = [found.dup_line_frac, found.line_punct_thr, *(limit for _, limit in found.top_n_grams + found.dup_n_grams)]
    assert all(0 <= share <= 1 for share in shares)
    path = tmp_path / "xyz.toml"
    path.write_text(to_toml(found), encoding="utf-8")
    assert read_settings(path) == found


def test_the_most_frequent_words_are_stop_words() -> None:
    """Words with a share of 0.8 % or more, the most frequent first; marks and numbers are none."""
    texts = ["la la la ne , 1 " * 20 + f"vorto{chr(97 + at % 26)} " for at in range(120)]
    found = derive_settings("xyz_Latn", "Xyz", texts, tokenizer_of(KEY, "xyz_Latn"), KEY)
    assert found.stop_words[:2] == ("la", "ne")
    assert "1" not in found.stop_words and "," not in found.stop_words


def test_few_texts_give_no_thresholds() -> None:
    """Short texts do not count."""
    with pytest.raises(SourceError, match="100 or more"):
        derive_settings("xyz_Latn", "Xyz", ["word " * 60] * 99 + ["short"] * 500, tokenizer_of(KEY, "xyz_Latn"), KEY)


@pytest.mark.parametrize(("text", "said"), [("code = 1", "code"), ("=", "not a TOML file")])
def test_a_wrong_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=said) as caught:
        read_settings(path)
    assert "wrong.toml" in str(caught.value)


def test_codes_are_checked() -> None:
    """A configured language is not derived again, and `srp` and `sr` name all its scripts."""
    for code in ("deu_Latn", "eng_Latn", "xyz", "XYZ_latn"):
        with pytest.raises(UsageError):
            check_new_code(code)
    check_new_code("qqq_Latn")
    assert [one.code for one in chosen_settings(["srp", "deu_Latn"])] == ["srp_Cyrl", "srp_Latn", "deu_Latn"]
    assert [one.code for one in chosen_settings(["de", "sr"])] == ["deu_Latn", "srp_Cyrl", "srp_Latn"]
    assert spacy_key("ru") == ("SpaCyTokenizer", "ru")
    with pytest.raises(UsageError, match="there are"):
        spacy_key("qq")
