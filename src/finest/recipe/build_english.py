"""Writes `english.json`: the rules of spaCy's English tokenizer, which cost half a second to be made from spaCy itself.

    python -m finest.recipe.build_english

Run it when the version of spaCy that pyproject.toml pins changes; a test compares the file with that spaCy.
"""

from __future__ import annotations

import json
from typing import Any

from finest.recipe.chunks import ENGLISH


def english() -> dict[str, Any]:
    """Expressions, special cases and the ends of sentences, as the installed spaCy has them."""
    import spacy
    from spacy.pipeline import Sentencizer
    from spacy.symbols import ORTH

    tokenizer = spacy.blank("en").tokenizer
    return {
        "spacy": spacy.__version__,
        "prefix": tokenizer.prefix_search.__self__.pattern,
        "suffix": tokenizer.suffix_search.__self__.pattern,
        "infix": tokenizer.infix_finditer.__self__.pattern,
        "url": tokenizer.url_match.__self__.pattern,
        "special": {text: [part[ORTH] for part in parts] for text, parts in tokenizer.rules.items()},
        "sentence_ends": "".join(Sentencizer.default_punct_chars),
    }


if __name__ == "__main__":
    ENGLISH.write_text(json.dumps(english(), ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
