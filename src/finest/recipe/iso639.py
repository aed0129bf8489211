"""Parse the language codes of recipes, Common Crawl's CLD2 records and language models into one form.

The parser accepts ISO 639-1 (`de`), 639-2 in both forms (`deu`, `ger`), 639-3 (`gsw`), BCP 47 tags (`zh-Hant`, `zh-TW`,
`sr-Latn-RS`), the form of FineWeb-2 and fastText (`deu_Latn`), withdrawn codes (`iw`, `in`, `ji`, `jw`, `mo`), and the
few codes that CLD2 invented. The result is an ISO 639-3 code, with a script (ISO 15924) if the code names one.

A macro-language counts as the same language as the member in which nearly all of its text is written (CLDR's choice:
`zh` is `cmn`, `ar` is `arb`, `no` is `nb`); its other members are separate languages (`yue`, `arz`, `nn`).

The tables are in `iso639.json`, which `finest.recipe.build_iso639` generates from the registration authority's tables.
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
"""Withdrawn ISO 639-1 codes that are still in use, CLD2's `blu` (Hmong Njua), and Filipino, which is standard Tagalog:
language identifiers do not distinguish the two."""
_COLLECTIVE = ("ber", "nah", "oto")
"""Groups of languages (ISO 639-5) for which language models and FineWeb-2 have a label."""
_SCRIPT_OF = {"Hans": "Hani", "Hant": "Hani", "Hang": "Kore", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan"}
"""Scripts and the wider script that includes them: text in Hani may be in Hans, Hant or both."""
_BOKMAL = {"nob": "nor"}
"""CLDR names no main member for Norwegian; CLD2, Wikipedia and therefore lid.176 use the code `no` for Bokmål."""
_REGION_SCRIPTS = {"TW": "Hant", "HK": "Hant", "MO": "Hant", "CN": "Hans", "SG": "Hans"}
"""The script that a region implies in a Chinese tag."""


class Language(NamedTuple):
    """A language, with its script if the code names one."""

    code: str
    """ISO 639-3 code of the language as given: `zho` for `zh`, `cmn` for `cmn`."""
    script: str | None = None
    """ISO 15924 code of the script; None if the code names no script."""

    @property
    def standard(self) -> str:
        """The code, where the main member of a macro-language is replaced by the latter: `zho` for `cmn`."""
        return _tables().standard.get(self.code, self.code)

    @property
    def family(self) -> str:
        """The code of the macro-language to which it belongs, or its own: `zho` for `yue`."""
        return _tables().macro.get(self.standard, self.standard)

    def is_same(self, other: Language) -> bool:
        """Return whether both are the same language; the scripts are compared only if both have one."""
        return self.standard == other.standard and _may_be_one(self.script, other.script)

    def may_be(self, other: Language) -> bool:
        """Return whether text labelled with one language may be in the other: both have the same macro-language."""
        return self.family == other.family and _may_be_one(self.script, other.script)


def _may_be_one(one: str | None, other: str | None) -> bool:
    return not one or not other or one == other or _SCRIPT_OF.get(one) == other or _SCRIPT_OF.get(other) == one


class _Tables(NamedTuple):
    codes: dict[str, str]
    """ISO 639-3 code of each code without a script."""
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
    """Return the language of a code or tag, in any case and with `-` or `_`; None for an unknown one."""
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
    """Return the language with the script in the rest of its tag; None if that is not a known script."""
    if rest and len(rest[0]) == 4 and rest[0].isalpha():
        script = rest[0].title()
        return Language(code, script) if script in _tables().scripts else None
    is_chinese = _tables().macro.get(code, code) == "zho"
    region = next((part.upper() for part in rest if len(part) == 2), "")
    return Language(code, _REGION_SCRIPTS.get(region) if is_chinese else None)
