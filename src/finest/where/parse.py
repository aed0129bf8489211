"""Parse an expression into a tree of nodes, or refuse it with the name and position of what is not of the language."""

from __future__ import annotations

import re

from finest.errors import WhereError
from finest.where.nodes import Expression, position

MAX_CHARS = 4096
"""Length of an expression: room for a list of some hundred hosts."""

_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


def parse(text: str) -> Expression:
    """Parse an expression in time proportional to its length.

    Raises WhereError, with the position (counted from 1) and the name of what is refused, if the text is not of the
    language or exceeds its limits.
    """
    if not text.strip():
        raise WhereError("the expression is empty; write one such as: language = 'en' AND token_count >= 100")
    if len(text) > MAX_CHARS:
        raise WhereError(f"the expression has {len(text):,} characters; at most {MAX_CHARS:,} are read")
    if found := _TEXT.search(text):
        raise WhereError(f"a control character{position(found.start())}; an expression is plain text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WhereError(f"half a character{position(error.start)}; an expression is valid UTF-8") from None
    from finest.where.grammar import tree

    return Expression(re.sub(r"[\t\r\n]+", " ", text).strip(), tree(text))  # a quoted text or name holds none of these
