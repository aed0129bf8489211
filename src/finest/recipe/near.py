"""Which languages an identifier may take for a wanted one, so that the gate drops only pages that it is sure about.

The gate reads CLD2's languages, or lid.176's, of all visible text of a page. Whether the page is kept depends on the
label of the extracted text. The two differ between languages that are close, so a page in any language near a
wanted one passes the gate. And an identifier calls a language that it does not know by the name of another: if a recipe
wants such a language, the gate does not use that identifier at all.
"""

from __future__ import annotations

from functools import lru_cache

from finest.recipe.iso639 import Language, language_of

CLD2 = frozenset({
    "af", "sq", "ar", "hy", "az", "eu", "be", "bn", "bih", "bg", "ca", "ceb", "chr", "hr", "cs", "zh", "zh-Hant",
    "da", "dv", "nl", "en", "et", "fi", "fr", "gl", "lg", "ka", "de", "el", "gu", "ht", "iw", "hi", "hmn", "hu", "is",
    "id", "iu", "ga", "it", "jw", "ja", "kn", "km", "rw", "ko", "lo", "lv", "lif", "lt", "mk", "ms", "ml", "mt", "mr",
    "ne", "no", "or", "fa", "pl", "pt", "pa", "ro", "ru", "gd", "sr", "si", "sk", "sl", "es", "sw", "sv", "syr", "tl",
    "ta", "te", "th", "tr", "uk", "ur", "vi", "cy", "yi",
})  # fmt: skip
"""The languages that every build of CLD2 knows (github.com/CLD2Owners/cld2, README)."""
_CLOSE = (
    "da no nn sv", "is fo", "cs sk", "hr sr bs sl sh", "id ms jv su", "es gl pt ca oc ast", "fr oc ca", "it co scn",
    "ru uk be bg mk sr", "nl af fy lb de", "tr az uz tk", "hi mr ne bih sa", "fa ur ar ps ku ug", "bn as", "zh ja",
    "et fi", "lv lt", "ga gd", "tl ceb war", "ro it", "sw rw lg",
)  # fmt: skip
"""Groups of languages that identifiers take for each other on short or mixed texts."""


class Near:
    """The labels that may mean one of the wanted languages, which are given as codes of any form."""

    def __init__(self, wanted: tuple[str, ...]) -> None:
        self._wanted = [language for language in map(language_of, wanted) if language]
        close = [group for group in _groups() if any(_is_in(language, group) for language in self._wanted)]
        self._close = [language for group in close for language in group]
        self._known: dict[str, bool] = {}

    def has(self, code: str) -> bool:
        """Return whether a text with this code of an identifier may be in a wanted language."""
        if code not in self._known:
            self._known[code] = self._find(language_of(code))
        return self._known[code]

    def _find(self, stated: Language | None) -> bool:
        if stated is None:  # an unknown language
            return True
        return any(map(stated.may_be, self._wanted)) or any(map(stated.is_same, self._close))

    def all_in(self, codes: frozenset[str]) -> bool:
        """Return whether each wanted language is one of these, so that an identifier that knows them can be used."""
        known = [language for language in map(language_of, codes) if language]
        return all(any(map(language.is_same, known)) for language in self._wanted)


@lru_cache(maxsize=16)
def near(wanted: tuple[str, ...]) -> Near:
    """Return the languages near the wanted ones."""
    return Near(wanted)


@lru_cache(maxsize=16)
def known_to_cld2(wanted: tuple[str, ...]) -> bool:
    """Return whether CLD2 knows all of the wanted languages."""
    return near(wanted).all_in(CLD2)


@lru_cache(maxsize=1)
def _groups() -> tuple[tuple[Language, ...], ...]:
    return tuple(tuple(found for found in map(language_of, group.split()) if found) for group in _CLOSE)


def _is_in(language: Language, group: tuple[Language, ...]) -> bool:
    return any(map(language.may_be, group))
