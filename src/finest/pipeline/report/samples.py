"""The samples of a report: a few pages per reason, with the value that decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from finest.formatting import beside, counted, link, showable
from finest.recipe.reasons import DUPLICATE, FAILURES, KEPT, Reasons

EXCERPT_CHARS = 400
DETAIL_CHARS = 300

_UNMEASURED = frozenset({
    "payload_coding", "payload_type", "payload_encoding", "payload_empty", "extraction_error", "extraction_crash",
    "judge_error",
})  # fmt: skip
"""Yes-or-no reasons, whose value and limit mean nothing to a reader."""

LANGUAGES = {
    "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan",
    "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "gl": "Galician",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean",
    "la": "Latin", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ms": "Malay", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Names of the most common languages in crawls, by language code."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample page, formatted for display."""

    id: str
    url: str
    link: str | None
    facts: list[str]
    excerpt: str


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """Samples of one reason."""

    reason: str
    explanation: str
    count: str
    tone: str
    samples: list[Sample]


def sample_groups(
    samples: dict[str, list[dict[str, Any]]],
    duplicates: list[dict[str, Any]],
    reasons: dict[str, int],
    known: Reasons,
) -> list[SampleGroup]:
    """Group the samples by reason: kept pages first, then by stage. `reasons` holds the number of pages per reason."""
    samples = {name: found for name, found in [*samples.items(), (DUPLICATE, duplicates)] if found}
    places = {stage: place for place, stage in enumerate(known.stages)}
    order = sorted(samples, key=lambda name: (name != KEPT, places[known.stage_of(name)], -reasons.get(name, 0), name))
    return [
        SampleGroup(
            name, known.reason(name).explanation, counted(reasons.get(name, 0), "page"),
            "kept" if name == KEPT else "bad" if name in FAILURES else "",
            [_sample(name, s, known) for s in samples[name]],
        )
        for name in order
    ]  # fmt: skip


def _sample(name: str, page: dict[str, Any], known: Reasons) -> Sample:
    url = str(page.get("url") or "")
    facts = [fact for fact in (_measured(name, page, known), _language(page), _winner(page), _detail(page)) if fact]
    excerpt = showable(page.get("excerpt") or "", EXCERPT_CHARS).strip()
    return Sample(showable(page.get("id") or "", 100), showable(url, 160), link(url), facts, excerpt)


def _measured(name: str, page: dict[str, Any], known: Reasons) -> str:
    value, limit = page.get("value"), page.get("limit")
    if value is None or limit is None or name in _UNMEASURED or known.stage_of(name) in ("url", KEPT):
        return ""
    return "{} beside a limit of {}".format(*beside(float(value), float(limit)))


def _language(page: dict[str, Any]) -> str:
    code = showable(page.get("language") or "", 12)
    return LANGUAGES.get(code, code)


def _detail(page: dict[str, Any]) -> str:
    return showable(page.get("detail") or "", DETAIL_CHARS)


def _winner(page: dict[str, Any]) -> str:
    winner = page.get("duplicate_of")
    return f"duplicate of {showable(winner, 100)}" if winner else ""
