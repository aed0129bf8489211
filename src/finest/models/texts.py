"""Texts as the bytes that are scored, and the ranks that identify them."""

from __future__ import annotations

import hashlib
import re

_TOKEN = re.compile(rb"[!-~\x80-\xff]")


def as_bytes(text: str) -> bytes:
    """Return the UTF-8 of a text; half a surrogate pair, which JSON can spell, becomes a question mark."""
    return text.encode("utf-8", "replace")


def has_token(text: bytes) -> bool:
    """Return whether a text holds anything that a model reads: a visible character."""
    return _TOKEN.search(text) is not None


def rank_of(text: bytes) -> int:
    """Return the first 64 bits of the sha256 of a text; equal texts have equal ranks."""
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
