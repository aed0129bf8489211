"""Parse media types as the WHATWG's MIME Sniffing Standard (section 4.4) and Fetch Standard do.

Case, parameters and surrounding white space are ignored: `Text/HTML;charset=x` is text/html.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_ESSENCE = re.compile(r"[ \t\r\n]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t\r\n]*(?:;|\Z)")
"""Matches type and subtype, which are HTTP tokens, with surrounding HTTP white space."""
_PARAMETER = re.compile(r';[ \t\r\n]*([^;="]*)=(?:"((?:[^"\\]|\\.)*)"?[^;]*|([^;]*))')
_UNKNOWN = frozenset({"unknown/unknown", "application/unknown", "*/*"})
"""Types without information (MIME Sniffing 7), which servers send if they know no better one."""


class MediaType(NamedTuple):
    """A type without its parameters, in lower case, and its charset parameter, if any."""

    essence: str
    charset: str | None = None


@lru_cache(maxsize=1024)
def parse_media_type(value: str) -> MediaType | None:
    """Parse the media type of a field's value; return None if it is invalid or without information.

    If there are several types, as from several fields of one name, the last valid one counts; without a charset of its
    own it takes that of the previous one with the same essence (Fetch, "extract a MIME type").
    """
    found: MediaType | None = None
    for part in _split(value):
        match = _ESSENCE.match(part)
        if match is None or match[1].lower() in _UNKNOWN:
            continue
        essence, charset = match[1].lower(), _charset(part[match.end() - 1 :])
        if charset is None and found is not None and found.essence == essence:
            charset = found.charset
        found = MediaType(essence, charset)
    return found


def _charset(parameters: str) -> str | None:
    """Return the first charset parameter, unquoted."""
    for name, quoted, plain in _PARAMETER.findall(parameters):
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip(" \t\r\n'\"")
        if name.strip().lower() == "charset" and value:
            return value
    return None


def _split(value: str) -> list[str]:
    """Split at commas outside quoted strings."""
    return value.split(",") if '"' not in value else re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', value)
