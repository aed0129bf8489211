"""Language codes: what a recipe, Common Crawl's CLD2 records and language models call a language, as one form.

Understood are ISO 639-1 (`de`), 639-2 in both forms (`deu`, `ger`), 639-3 (`gsw`), BCP 47 tags (`zh-Hant`, `zh-TW`,
`sr-Latn-RS`), FineWeb-2's and fastText's `deu_Latn`, codes that were withdrawn (`iw`, `in`, `ji`, `jw`, `mo`), and the
few that CLD2 made up. The form is an ISO 639-3 code, with a script (ISO 15924) where one is stated.

A macro-language and the one member that nearly all of its text is in are the same language here (CLDR's choice: `zh`
is `cmn`, `ar` is `arb`, `no` is `nb`), and its other members are languages of their own (`yue`, `arz`, `nn`).

The tables are `iso639.json`, which `finest.recipe.build_iso639` makes of the registration authority's.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

CODES = Path(__file__).with_name("iso639.json")

_OLD = {
    "iw": "heb", "in": "ind", "ji": "yid", "jw": "jav", "mo": "ron", "bh": "bho", "bih": "bho",
    "blu": "hnj", "fil": "tgl",
}  # fmt: skip
"""Codes that were withdrawn from ISO 639-1 and are still written, CLD2's `blu` (Hmong Njua), and Filipino, which is
standard Tagalog: identifiers do not tell them apart."""
_COLLECTIVE = ("ber", "nah", "oto")
"""Groups of languages (ISO 639-5) that language models and FineWeb-2 have a label for."""
_SCRIPT_OF = {"Hans": "Hani", "Hant": "Hani", "Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}
"""The script that holds another one: what is in Hani may be in Hans, Hant or both."""
_BOKMAL = {"nob": "nor"}
"""CLDR has no member for Norwegian; the code `no` is used for Bokmål by CLD2, by Wikipedia and so by lid.176."""
_REGION_SCRIPTS = {"TW": "Hant", "HK": "Hant", "MO": "Hant", "CN": "Hans", "SG": "Hans"}
"""The script that a region stands for in a tag of Chinese."""


class Language(NamedTuple):
    """A language, and the script that it is written in where that is stated."""

    code: str
    """ISO 639-3, as stated: `zho` for `zh`, `cmn` for `cmn`."""
    script: str | None = None
    """ISO 15924."""

    @property
    def standard(self) -> str:
        """The code with a macro-language's main member counted as the macro-language: `zho` for `cmn`."""
        return _tables().standard.get(self.code, self.code)

    @property
    def family(self) -> str:
        """The macro-language that it belongs to, or itself: `zho` for `yue`."""
        return _tables().macro.get(self.standard, self.standard)

    def is_same(self, other: Language) -> bool:
        """Whether both are one language. A script counts where both state one."""
        return self.standard == other.standard and _may_be_one(self.script, other.script)

    def may_be(self, other: Language) -> bool:
        """Whether text that is said to be in the one may be in the other: they belong to one macro-language."""
        return self.family == other.family and _may_be_one(self.script, other.script)


def _may_be_one(one: str | None, other: str | None) -> bool:
    return not one or not other or one == other or _SCRIPT_OF.get(one) == other or _SCRIPT_OF.get(other) == one


class _Tables(NamedTuple):
    codes: dict[str, str]
    """Any code without a script -> ISO 639-3."""
    standard: dict[str, str]
    macro: dict[str, str]
    scripts: frozenset[str]


@cache
def _tables() -> _Tables:
    data: dict[str, Any] = json.loads(CODES.read_text(encoding="ascii"))
    codes = {old: new for old, new in data["retired"].items() if len(new) == 3}
    codes |= {code: code for code in (*data["languages"].split(), *_COLLECTIVE)}
    codes |= data["part1"] | data["part2b"] | _OLD
    return _Tables(codes, data["standard"] | _BOKMAL, data["macro"], frozenset(data["scripts"].split()))


@lru_cache(maxsize=4096)
def language_of(code: str) -> Language | None:
    """The language of a code or tag, in any case and with `-` or `_`; None where it is none that is known."""
    first, *rest = code.strip().replace("_", "-").split("-")
    tables = _tables()
    found = tables.codes.get(first.lower())
    if found is None or not all(part.isascii() and part.isalnum() for part in rest):
        return None
    if rest and len(rest[0]) == 3 and rest[0].isalpha():  # an extended language: zh-yue
        member = tables.codes.get(rest.pop(0).lower())
        if member is None or tables.macro.get(member) != found:
            return None
        found = member
    return _with_script(found, rest)


def _with_script(code: str, rest: list[str]) -> Language | None:
    """The language with the script that the rest of its tag states; None where there is no such script."""
    if rest and len(rest[0]) == 4 and rest[0].isalpha():
        script = rest[0].title()
        return Language(code, script) if script in _tables().scripts else None
    is_chinese = _tables().macro.get(code, code) == "zho"
    region = next((part.upper() for part in rest if len(part) == 2), "")
    return Language(code, _REGION_SCRIPTS.get(region) if is_chinese else None)
