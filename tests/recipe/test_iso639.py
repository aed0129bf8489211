"""Codes of languages: everybody's, as one form."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from finest.errors import RecipeError
from finest.recipe.gate import cld2_gate
from finest.recipe.iso639 import Language, language_of
from finest.recipe.language import LanguageModel, require_languages, shipped_model
from finest.recipe.page import Page
from finest.recipe.recipe import LanguageRules, Recipe


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel.load(shipped_model(), LanguageRules().model_sha256)


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [("de deu ger DE de-AT de_CH", Language("deu")), ("deu_Latn de-Latn-DE", Language("deu", "Latn")),
     ("he heb iw", Language("heb")), ("id ind in", Language("ind")), ("yi yid ji", Language("yid")),
     ("jv jav jw", Language("jav")), ("ro ron rum mo", Language("ron")), ("sh hbs", Language("hbs")),
     ("zh zho chi", Language("zho")), ("zh-Hant zh-TW zh_Hant_HK", Language("zho", "Hant")),
     ("zh-yue yue", Language("yue")), ("sr-ME sr srp", Language("srp")), ("tl tgl fil", Language("tgl")),
     ("nan", Language("nan")), ("eml", Language("eml")), ("nah", Language("nah"))],
)  # fmt: skip
def test_one_language_has_one_form(codes: str, wanted: Language) -> None:
    """ISO 639-1, both forms of 639-2, 639-3, tags, labels and withdrawn codes."""
    assert {language_of(code) for code in codes.split()} == {wanted}


@pytest.mark.parametrize(
    "code", ["", "xx", "un", "xxx", "english", "deu_Latx", "e", "de--", "zh-deu", "d e", "de_\u0660"]
)
def test_what_is_no_code_is_none(code: str) -> None:
    """CLD2's words for no language among them."""
    assert language_of(code) is None


def pair(both: str) -> tuple[Language, Language]:
    one, other = map(language_of, both.split())
    assert one is not None and other is not None
    return one, other


@pytest.mark.parametrize(
    "both", ["zh cmn", "ar arb", "fa pes", "no nb", "ms zsm", "et ekk", "zh cmn_Hans", "zh_Hani zh-TW"]
)
def test_the_same(both: str) -> None:
    """A macro-language and its main member; scripts count where both are stated."""
    one, other = pair(both)
    assert one.is_same(other) and other.is_same(one) and one.may_be(other)


@pytest.mark.parametrize("both", ["no nn", "nb nn", "zh yue", "ar arz", "sr hr", "id ms"])
def test_the_near(both: str) -> None:
    """Members of a macro-language are languages of their own that are not surely told apart."""
    one, other = pair(both)
    assert not one.is_same(other) and one.may_be(other) and other.may_be(one)


@pytest.mark.parametrize("both", ["en de", "zh-Hans zh-Hant", "sr_Cyrl sr_Latn", "he yi"])
def test_the_different(both: str) -> None:
    """Other languages, and other scripts."""
    one, other = pair(both)
    assert not one.is_same(other) and not one.may_be(other)


def test_every_label_of_the_shipped_model_is_known(model: LanguageModel) -> None:
    """Each is found by its own code, but for Wikipedia's `als`, which is Alemannic."""
    assert all(label in model.labels_of(label) for label in model._languages if label != "als")
    assert model.labels_of("gsw") == {"als"}
    assert model.labels_of("als") == model.labels_of("sqi") == {"sq"}
    assert model.labels_of("deu_Latn") == model.labels_of("ger") == {"de"}
    assert model.labels_of("nob") == {"no"}
    assert model.labels_of("nno") == {"nn"}


def test_scores_are_found_by_any_code(model: LanguageModel) -> None:
    """A recipe may write a language as it likes."""
    text = "Det gamle biblioteket ved torget åpnet igjen etter en lang oppussing."
    assert model.score(text, "nb") == model.score(text, "no") == model.score(text, "nor_Latn") > 0.5


@pytest.mark.parametrize("code", ["english", "xx", ""])
def test_an_unknown_code_is_an_error(code: str) -> None:
    """That names the code."""
    with pytest.raises(ValidationError, match=f"'{code}' is no language code"):
        LanguageRules(languages=("en", code))


def test_a_language_that_the_model_does_not_know_is_an_error(model: LanguageModel) -> None:
    """Known to ISO 639, not to lid.176."""
    require_languages(model, LanguageRules(languages=("en", "deu", "zh-Hant")))
    with pytest.raises(RecipeError, match="xho"):
        require_languages(model, LanguageRules(languages=("xho",)))


@pytest.mark.parametrize(
    ("wanted", "stated", "passes"),
    [("he", "iw", True), ("zh", "zh-Hant", True), ("jv", "jw", True), ("no", "no", True), ("nno", "no", True),
     ("sr", "sr-ME", True), ("deu", "de", True), ("zh-Hans", "zh-Hant", False), ("en", "de", False),
     ("en", "un", False)],
)  # fmt: skip
def test_the_gate_understands_cld2(wanted: str, stated: str, passes: bool) -> None:
    """Its codes are others than ISO 639's, and what may be wanted is not dropped."""
    recipe = Recipe(name="x", language=LanguageRules(languages=(wanted,)))
    page = Page("<a>", "https://a/", "", b"", None, ((stated, 0.9),))
    assert [check.failed for check in cld2_gate(page, recipe)] == [not passes]
