"""The tokenizer: pinned, and as quick as it is exact."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.errors import RecipeError
from finest.validator.quality import build_languages, tokens
from finest.validator.quality.heldout import FIXED_SHA256, anchors
from finest.validator.quality.tokens import ENGLISH, LANGUAGES, Vocabulary

VOCABULARIES = (ENGLISH, LANGUAGES)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@given(st.text() | st.text(alphabet=" \t\n\x85\u00a0\u2028\x1cab.,1é漢\ud800", max_size=40))
def test_remembered_pieces_change_nothing(vocabulary: Vocabulary, text: str) -> None:
    """Cut into pieces or not, a text has the same tokens."""
    sound = text.encode("utf-8", "replace").decode()
    whole = tokens.tokenizer(vocabulary).encode(sound, add_special_tokens=False).ids
    assert tokens.ids(text, vocabulary).tolist() == whole


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@given(st.text())
def test_every_text_can_be_encoded(vocabulary: Vocabulary, text: str) -> None:
    """Bytes are tokens, so nothing is unknown, and no text makes the token that stands between documents."""
    found = tokens.ids(text, vocabulary)
    assert not len(found) or (found.min() > 0 and found.max() < tokens.VOCABULARY)
    assert len(found) <= len(text.encode("utf-8", "replace"))


def test_it_fits_english_prose() -> None:
    """A token is some three bytes of prose or more."""
    text = "\n".join(anchors())
    assert len(text.encode()) / len(tokens.ids(text)) > 3
    assert tokens.tokenizer().get_vocab_size() == tokens.VOCABULARY


@pytest.mark.parametrize("code", FIXED_SHA256)
def test_the_other_fits_its_languages_better(code: str) -> None:
    """Five tokens reach further in each language, and at least twice as far where a character has several bytes."""
    text = "\n".join(anchors(code))
    gain = len(tokens.ids(text)) / len(tokens.ids(text, LANGUAGES))
    assert gain > (1.9 if code in ("cmn_Hani", "jpn_Jpan", "rus_Cyrl") else 1.1)
    assert tokens.tokenizer(LANGUAGES).get_vocab_size() == tokens.VOCABULARY


def test_the_shipped_file_is_what_the_builder_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes the sample's prose builds the tokenizer again, or leaves the prose alone."""
    built = LANGUAGES._replace(path=tmp_path / "built.json")
    monkeypatch.setattr(build_languages, "LANGUAGES", built)
    build_languages.main()
    assert built.path.read_bytes() == LANGUAGES.path.read_bytes()


def test_another_file_is_refused(tmp_path: Path) -> None:
    """One changed byte, and nothing is measured with it."""
    other = tmp_path / "bpe-4096.json"
    other.write_bytes(ENGLISH.path.read_bytes() + b" ")
    with pytest.raises(RecipeError, match="reinstall"):
        tokens.pinned(other, ENGLISH.sha256)


def test_both_files_say_where_they_come_from() -> None:
    """Source and licence stand at the head of each data file."""
    for path in (ENGLISH.path, ENGLISH.path.with_name("anchors.txt")):
        head = path.read_text(encoding="utf-8")[:1500]
        assert "public domain" in head
        assert "CC0-1.0" in head
