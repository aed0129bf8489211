"""Read the rules of spaCy's tokenizer for a language, which `build_language.py` writes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, cast

RULES = Path(__file__).parent / "languages" / "spacy"


def path_of(language: str) -> Path:
    """Return the file with the rules of a language of spaCy, such as `de`."""
    return RULES / f"{language}.json.gz"


def read(language: str) -> dict[str, Any]:
    """Return the rules: expressions, special cases, and what is proved of them."""
    return cast("dict[str, Any]", json.loads(gzip.decompress(path_of(language).read_bytes())))
