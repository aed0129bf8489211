"""Every reason that a verdict can have: the closed list, its stages in order, and one plain line on each.

A reason is `<stage prefix>_<test>`; `duplicate` and `kept` stand alone. Recipes may use other n-gram sizes than
FineWeb's, so the n-gram reasons are a family: `repetition_top_7_gram` is known although the table does not list it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

KEPT = "kept"
DUPLICATE = "duplicate"


class Reason(NamedTuple):
    """A reason's name, the stage that gives it, and what it means in one line for a reader who knows no code."""

    name: str
    stage: str
    explanation: str


STAGES: dict[str, str] = {
    "http": "Did the server answer with a page?",
    "payload": "Is the response a page that can be decoded?",
    "url": "Is the address on a block list?",
    "gate": "Is the page surely not in a wanted language?",
    "extraction": "Is there main text in the page?",
    "language": "Is the text in a wanted language?",
    "repetition": "Does the text repeat itself? (Gopher)",
    "quality": "Does it read like prose? (Gopher)",
    "c4": "Does it look like code, a placeholder or a stub? (C4)",
    "fineweb": "Is it made of lists and fragments? (FineWeb)",
    "judge": "Could the page be judged at all?",
    "dedup": "Is it nearly the same as another page?",
    "kept": "In the dataset.",
}
"""The stages in the order in which they decide, each as the question it answers."""

_EXPLANATIONS: dict[str, dict[str, str]] = {
    "http": {
        "http_status": "The server answered with an error or a redirect, not with a page.",
    },
    "payload": {
        "payload_record": "The recipe takes no pages from WARC records of this type.",
        "payload_coding": "The body is compressed or encrypted in a way that cannot be undone.",
        "payload_empty": "The response has no body.",
        "payload_type": "The response is not an HTML page.",
        "payload_encoding": "The bytes could not be decoded as text.",
        "payload_too_large": "The page is larger than the recipe allows.",
        "payload_tags": "The page has more tags and attributes of tags than the recipe allows.",
        "payload_attributes": "A tag has more attributes than the recipe allows.",
        "payload_depth": "Elements are nested deeper than the recipe allows.",
        "payload_nesting": "Too many elements are nested too deep.",
        "payload_cells": "A table would be padded to more cells than the recipe allows.",
    },
    "url": {
        "url_domain": "The domain is on a block list.",
        "url_subdomain": "The subdomain is on a block list.",
        "url_url": "The exact address is on a block list.",
        "url_hard_blacklisted": "The address holds a word that is never allowed.",
        "url_soft_blacklisted": "The address holds several suspicious words.",
        "url_blacklisted_subword": "A forbidden word is hidden inside a word of the address.",
    },
    "gate": {
        "gate_cld2": "Common Crawl's own language record gives almost no wanted language.",
        "gate_lid": "The visible text of the page is surely in another language.",
        "gate_short": "The page is too short to hold any text.",
    },
    "extraction": {
        "extraction_empty": "No main text was found in the page.",
        "extraction_error": "The extractor failed on the page.",
        "extraction_limit": "The page took more CPU time than the recipe allows.",
        "extraction_crash": "The page took the process that judged it down.",
        "extraction_long": "The extracted text is longer than the recipe allows.",
    },
    "language": {
        "language": "The text is not in a wanted language, or not surely enough.",
    },
    "repetition": {
        "repetition_empty": "The text holds nothing to count.",
        "repetition_dup_para_frac": "Too many paragraphs are repeated.",
        "repetition_dup_para_char_frac": "Repeated paragraphs make up too much of the text.",
        "repetition_dup_line_frac": "Too many lines are repeated.",
        "repetition_dup_line_char_frac": "Repeated lines make up too much of the text.",
    },
    "quality": {
        "quality_short_doc": "Too few words.",
        "quality_long_doc": "Too many words.",
        "quality_below_avg_threshold": "The average word is too short.",
        "quality_above_avg_threshold": "The average word is too long.",
        "quality_too_many_hashes": "Too many hash signs for the number of words.",
        "quality_too_many_ellipsis": "Too many ellipses for the number of words.",
        "quality_too_many_bullets": "Too many lines begin with a bullet.",
        "quality_too_many_end_ellipsis": "Too many lines end with an ellipsis.",
        "quality_below_alpha_threshold": "Too few words hold a letter.",
        "quality_enough_stop_words": "Too few of the common little words that prose has.",
    },
    "c4": {
        "c4_lorem_ipsum": "Placeholder text (lorem ipsum).",
        "c4_curly_bracket": "Curly brackets: most likely code.",
        "c4_too_few_sentences": "Too few sentences are left once menu and script lines are gone.",
    },
    "fineweb": {
        "fineweb_empty": "No line holds any text.",
        "fineweb_line_punct_ratio": "Too few lines end like a sentence.",
        "fineweb_short_line_ratio": "Too many lines are short.",
        "fineweb_char_dup_ratio": "Repeated lines hold too many of the characters.",
        "fineweb_list_ratio": "Too many line breaks for the number of words: a list.",
    },
    "judge": {
        "judge_error": "A stage other than extraction failed on the page.",
    },
    "dedup": {
        DUPLICATE: "Nearly the same text as another page of this run, which was kept.",
    },
    "kept": {
        KEPT: "In the dataset.",
    },
}

_FAMILIES = (
    (re.compile(r"repetition_top_(\d{1,3})_gram"), "The most frequent {}-word phrase makes up too much of the text."),
    (re.compile(r"repetition_duplicated_(\d{1,3})_n_grams"), "Repeated {}-word phrases make up too much of the text."),
)


def _family(name: str) -> Reason | None:
    for pattern, explanation in _FAMILIES:
        if match := pattern.fullmatch(name):
            return Reason(name, "repetition", explanation.format(match[1]))
    return None


def reason(name: str) -> Reason:
    """The reason of that name; raises ValueError where the closed list and its n-gram families hold no such name."""
    found = REASONS.get(name) or _family(name)
    if found is None:
        raise ValueError(f"no reason is called {name!r}")
    return found


def stage_of(name: str) -> str:
    """The stage (a key of STAGES) that gives the reason of that name; raises ValueError as `reason` does."""
    return reason(name).stage


def _table() -> dict[str, Reason]:
    table = {n: Reason(n, stage, text) for stage, names in _EXPLANATIONS.items() for n, text in names.items()}
    families = [f"repetition_top_{n}_gram" for n in (2, 3, 4)]
    families += [f"repetition_duplicated_{n}_n_grams" for n in (5, 6, 7, 8, 9, 10)]
    table |= {name: found for name in families if (found := _family(name))}
    order = {stage: place for place, stage in enumerate(STAGES)}
    return dict(sorted(table.items(), key=lambda item: order[item[1].stage]))


REASONS: dict[str, Reason] = _table()
"""Every reason of the shipped recipes, by name, in the order of the stages."""

FAILURES: frozenset[str] = frozenset({"extraction_error", "extraction_limit", "extraction_crash", "judge_error"})
"""Reasons that say that the refinery failed on a page, not that the page is bad. A run with many of them stops."""
