"""The table of languages: FineWeb-2's settings, DataTrove's tokenizers, and what is refused."""

from __future__ import annotations

import pytest
from datatrove.utils import word_tokenizers

from finest.errors import RecipeError
from finest.recipe import languages
from finest.recipe.build_languages import assignments
from finest.recipe.languages import language_settings
from finest.recipe.words import tokenizer_for


def test_every_language_has_settings_and_datatroves_tokenizer() -> None:
    """Each row can be read, and names the tokenizer that the installed DataTrove assigns."""
    assigned = assignments()
    assert len(languages.languages()) == 1929
    for code in languages.languages():
        settings = language_settings(code)
        assert (settings.name, settings.tokenizer, settings.tokenizer_language) == assigned[code]
        assert hasattr(word_tokenizers, settings.tokenizer)
        assert 0.3 <= settings.language_score <= 0.9 and settings.stop_words


def test_german_has_the_published_settings() -> None:
    """The figures of one configuration, as FineWeb-2 publishes it."""
    german = language_settings("deu_Latn")
    assert (german.name, german.key, german.extra, german.refused) == ("German", ("SpaCyTokenizer", "de"), None, None)
    assert (german.language_score, german.dup_line_frac, german.line_punct_thr) == (0.821, 0.263, 0.0)
    assert german.top_n_grams == ((2, 0.169), (3, 0.153), (4, 0.137))
    assert german.dup_n_grams[0] == (5, 0.141) and german.dup_n_grams[-1] == (10, 0.098)
    assert german.stop_words[:3] == ("der", "und", "die")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("urd_Arab", "TensorFlow"), ("bel_Cyrl", "Stanza"), ("bod_Tibt", "botok"), ("deu", "did you mean deu_Latn"),
        ("xyz_Latn", "finest languages"),
    ],
)  # fmt: skip
def test_a_language_without_a_tokenizer_is_refused_by_name(code: str, said: str) -> None:
    """The message names the language, and the reason or the next step."""
    with pytest.raises(RecipeError, match=said) as caught:
        tokenizer_for(code)
    assert code in str(caught.value)


def test_english_has_a_tokenizer_and_no_settings() -> None:
    """FineWeb-2 leaves English to FineWeb."""
    assert tokenizer_for("eng_Latn").tokens("It's") == ["It", "'s"]
    with pytest.raises(RecipeError, match="recipe fineweb"):
        language_settings("eng_Latn")


def test_languages_with_the_same_rules_share_a_tokenizer() -> None:
    """A run over a thousand languages holds few tokenizers."""
    assert tokenizer_for("aak_Latn") is tokenizer_for("aau_Latn")
    assert len({language_settings(code).key for code in languages.languages()}) < 110


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user reads what to type."""

    def absent(name: str) -> str:
        raise languages.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(languages.importlib.metadata, "version", absent)
    with pytest.raises(RecipeError, match=r"pip install 'finest-data\[zho\]'"):
        tokenizer_for("cmn_Hani")
    with pytest.raises(RecipeError, match="jieba"):
        languages.deciding_libraries(["cmn_Hani"])
