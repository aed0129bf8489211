"""The gate for other languages than English: it drops a page only where an identifier cannot have mistaken it."""

from __future__ import annotations

import pytest

from finest.recipe.gate import cld2_gate, text_gate
from finest.recipe.judge import toolbox
from finest.recipe.near import CLD2, known_to_cld2, near
from finest.recipe.page import Page
from finest.recipe.recipe import load_recipe
from finest.recipe.table import with_languages
from finest.settings import default_cache


def is_dropped(wanted: tuple[str, ...], *shares: tuple[str, float]) -> bool:
    recipe = with_languages(load_recipe("fineweb-2-lid176"), wanted)
    return any(check.failed for check in cld2_gate(Page("", "", "", b"", languages=shares), recipe))


@pytest.mark.parametrize(
    ("wanted", "stated", "dropped"),
    [
        (("deu_Latn",), "en", True),
        (("deu_Latn",), "de", False),
        (("dan_Latn",), "no", False),  # CLD2 takes one for the other
        (("dan_Latn",), "nn", False),
        (("dan_Latn",), "de", True),
        (("ces_Latn",), "sk", False),
        (("heb_Hebr",), "iw", False),  # CLD2's code is the withdrawn one
        (("jav_Latn",), "jw", False),
        (("cmn_Hani",), "zh-Hant", False),
        (("nob_Latn",), "no", False),
        (("deu_Latn", "fra_Latn"), "fr", False),
        (("deu_Latn",), "un", False),  # unknown
        (("deu_Latn",), "xxx", False),
        (("als_Latn",), "de", True),
        (("bar_Latn",), "de", False),  # Bavarian, which CLD2 does not know, may be called anything
        (("bar_Latn",), "en", False),
        (("deu_Latn", "bar_Latn"), "en", False),
    ],
)
def test_what_cld2_may_have_mistaken_passes(wanted: tuple[str, ...], stated: str, dropped: bool) -> None:
    if any(code in ("bar_Latn", "als_Latn", "jav_Latn") for code in wanted):
        assert (known_to_cld2(wanted) and not near(wanted).has(stated)) == dropped
    else:
        assert is_dropped(wanted, (stated, 0.99)) == dropped


def test_shares_of_near_languages_add_up() -> None:
    assert not is_dropped(("dan_Latn",), ("en", 0.9), ("no", 0.03), ("da", 0.03))
    assert is_dropped(("dan_Latn",), ("en", 0.96), ("no", 0.02), ("da", 0.02))


def test_the_codes_of_cld2_are_known() -> None:
    """Each means a language, so that none passes the gate as an unknown one."""
    assert not [code for code in CLD2 if near(("deu_Latn",)).has(code) and code not in ("de", "nl", "af")]


def test_a_text_of_which_the_model_predicts_no_wanted_label_is_dropped() -> None:
    """lid.176 gives Korean ten labels, and German is none of them."""
    recipe = with_languages(load_recipe("fineweb-2-lid176"), ("deu_Latn",))
    korean = f"<p>{'한국어 ' * 100}</p>"
    checks = list(text_gate(Page("", "", "", b""), korean, recipe, toolbox(recipe, default_cache()).model))
    assert [(check.reason, check.value) for check in checks if check.failed] == [("gate_lid", 0.0)]
