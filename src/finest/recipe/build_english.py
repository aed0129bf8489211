"""Write `english.json`: the rules of spaCy's English tokenizer, which take half a second to build with spaCy itself.

    python -m finest.recipe.build_english

Run it after changing the spaCy version that pyproject.toml pins; a test compares the file with that version.
"""

from __future__ import annotations

import json
from typing import Any

from finest.recipe.chunks import ENGLISH


def english() -> dict[str, Any]:
    """Return the installed spaCy's expressions, special cases and sentence-ending characters."""
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
