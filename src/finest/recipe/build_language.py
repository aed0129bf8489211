"""Write `languages/spacy/`: the rules of spaCy's tokenizers, which take seconds to build with spaCy itself.

    python -m finest.recipe.build_language

Run it after changing the version of spaCy or DataTrove that pyproject.toml pins; a test compares the files with those
versions. One file a language holds spaCy's expressions, its special cases, and what `expressions.py` proves of them.
"""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

from finest.recipe.build_languages import assignments
from finest.recipe.expressions import analysis
from finest.recipe.spacy_rules import RULES, path_of
from finest.recipe.words import NOT_BY_CHUNKS


def spacy_languages() -> tuple[str, ...]:
    """Return the languages of spaCy to which DataTrove assigns a language of FineWeb-2, and whose rules we need."""
    assigned = {language for _, name, language in assignments().values() if name == "SpaCyTokenizer"}
    spaces = {"xx" for _, name, _ in assignments().values() if name == "WhitespaceTokenizer"}
    return tuple(sorted((assigned | spaces | {"en"}).difference(NOT_BY_CHUNKS)))


def rules(language: str) -> dict[str, Any]:
    """Return the installed spaCy's expressions, special cases and sentence-ending characters for a language."""
    import spacy
    from spacy.pipeline import Sentencizer
    from spacy.symbols import ORTH
    from spacy.tokenizer import Tokenizer

    tokenizer = spacy.blank(language).tokenizer
    assert type(tokenizer) is Tokenizer and tokenizer.faster_heuristics
    found = {
        "spacy": spacy.__version__,
        "prefix": tokenizer.prefix_search.__self__.pattern,
        "suffix": tokenizer.suffix_search.__self__.pattern,
        "infix": tokenizer.infix_finditer.__self__.pattern,
        "url": tokenizer.url_match.__self__.pattern,
        "token": factored(tokenizer.token_match.__self__.pattern) if tokenizer.token_match else None,
        "special": {
            text: [part[ORTH] for part in parts] for text, parts in tokenizer.rules.items() if not text.isspace()
        },
        "sentence_ends": "".join(Sentencizer.default_punct_chars),
    }
    return found | analysis(found)


def factored(expression: str) -> str:
    """Return an expression that matches the same strings, with equal ends of its alternatives written once.

    French has 300 alternatives `(?:^pseudo-[many letters]+$)`, which take ten seconds to compile one by one.
    """
    flags, _, rest = expression.partition("(?:^") if expression.startswith("(?iu)") else ("", "", "")
    if not rest:
        return expression
    begins = re.compile(r"(\[[^\]]{200,}\]\+)?(.*?)((?:\[[^\]]{200,}\][+*]?)*)")
    groups: dict[tuple[str, str], list[str]] = {}
    for one in rest.removesuffix("$)").split("$)|(?:^"):
        match = begins.fullmatch(one)
        assert match is not None
        groups.setdefault((match[1] or "", match[3]), []).append(match[2])
    return flags + "|".join(f"(?:^{head}(?:{'|'.join(parts)}){tail}$)" for (head, tail), parts in groups.items())


if __name__ == "__main__":
    RULES.mkdir(exist_ok=True)
    for language in spacy_languages():
        text = json.dumps(rules(language), ensure_ascii=False, indent=0) + "\n"
        path_of(language).write_bytes(gzip.compress(text.encode(), mtime=0))
