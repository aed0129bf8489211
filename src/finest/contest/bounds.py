"""Limits on a submitted recipe, so that it judges every page in bounded time and runs nobody else's code.

A recipe has no regular expressions of its own, so lists and sizes are all that can make it slow. Rules that would only
change the measurement, not the data's quality (duplicates and personal data), are the same for everybody.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from finest.recipe.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from finest.recipe.stage import Rules

MAX_NGRAM_RULES = 12
"""Rules of each kind; FineWeb has three and six. Each costs one pass over the words of a page."""
MAX_NGRAM_WORDS = 32
MAX_STOP_WORDS = 256
MAX_LANGUAGES = 8
MAX_TYPES = 16
MAX_WORD_CHARS = 64
MAX_CPU_LIMIT_S = 10.0
"""CPU seconds for extracting a page, as in `fineweb`; the page ends the process at three times that."""
FIXED = ("dedup", "pii")
"""Sections that are as in `fineweb` or `finest`: near-duplicates are nothing to compete for, nor is personal data."""
_KEYS = ("schema", "name", "description", "libraries")


def strange_sections(data: Mapping[str, Any]) -> list[str]:
    """Return the sections that only stages of other packages can have; looking for these would import their code."""
    known = {name for name, _ in load_recipe("fineweb") if name not in ("stages", "others", "schema_name")}
    return sorted(str(key)[:64] for key in data if key not in known and key not in _KEYS)


def broken_bounds(recipe: Recipe) -> Iterator[str]:
    """Yield what the recipe may not ask for, each as one line with its section."""
    usual = load_recipe("fineweb")
    shipped = (usual, load_recipe("finest"))
    for name in FIXED:
        if getattr(recipe, name) not in [getattr(one, name) for one in shipped]:
            yield f"[{name}] is the same for every submission; leave the section out"
    yield from _too_large(recipe.limits, usual.limits, "limits")
    if recipe.payload.max_bytes > usual.payload.max_bytes:
        yield f"[payload] max_bytes is at most {usual.payload.max_bytes:,}"
    if not 0 < recipe.extraction.cpu_limit_s <= MAX_CPU_LIMIT_S:
        yield f"[extraction] cpu_limit_s is above 0 and at most {MAX_CPU_LIMIT_S:g}"
    if recipe.decontaminate.enabled:
        yield "[decontaminate] is the validator's to apply; leave the section out"
    if (recipe.language.model, recipe.language.model_sha256) != (usual.language.model, usual.language.model_sha256):
        yield f"[language] model is {usual.language.model}, which comes with this version"
    yield from _too_many(recipe)
    yield from _not_finite(recipe)


def _too_large(found: Rules, usual: Rules, section: str) -> Iterator[str]:
    for key, most in usual:
        if getattr(found, key) > most:
            yield f"[{section}] {key} is at most {most:,}"


def _too_many(recipe: Recipe) -> Iterator[str]:
    repetition, quality = recipe.gopher_repetition, recipe.gopher_quality
    for key in ("top_n_grams", "dup_n_grams"):
        rules = getattr(repetition, key)
        if len(rules) > MAX_NGRAM_RULES or any(not 1 <= size <= MAX_NGRAM_WORDS for size, _ in rules):
            yield f"[gopher_repetition] {key} has at most {MAX_NGRAM_RULES} rules, of 1 to {MAX_NGRAM_WORDS} words"
    for where, values, most in (
        ("[gopher_quality] stop_words", quality.stop_words, MAX_STOP_WORDS),
        ("[language] languages", recipe.language.languages, MAX_LANGUAGES),
        ("[payload] types", recipe.payload.types, MAX_TYPES),
        ("[payload] statuses", recipe.payload.statuses, MAX_TYPES),
    ):
        if len(values) > most or any(len(value) > MAX_WORD_CHARS for value in values):
            yield f"{where} has at most {most} entries of up to {MAX_WORD_CHARS} characters"


def _not_finite(recipe: Recipe) -> Iterator[str]:
    for section, rules in recipe.sections().items():
        for key, value in rules:
            numbers = [value] if isinstance(value, float) else _floats(value) if isinstance(value, tuple) else ()
            if not all(map(math.isfinite, numbers)):
                yield f"[{section}] {key} is not a finite number"


def _floats(value: tuple[Any, ...]) -> Iterator[float]:
    for one in value:
        if isinstance(one, float):
            yield one
        elif isinstance(one, tuple):
            yield from _floats(one)
