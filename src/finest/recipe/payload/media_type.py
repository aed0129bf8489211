"""Media types, parsed as the WHATWG's MIME Sniffing Standard (section 4.4) and Fetch Standard do.

Case, parameters and white space around a type do not count: `Text/HTML;charset=x` is text/html.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_ESSENCE = re.compile(r"[ \t\r\n]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t\r\n]*(?:;|\Z)")
"""Type and subtype are tokens of HTTP; white space is HTTP's."""
_PARAMETER = re.compile(r';[ \t\r\n]*([^;="]*)=(?:"((?:[^"\\]|\\.)*)"?[^;]*|([^;]*))')
_UNKNOWN = frozenset({"unknown/unknown", "application/unknown", "*/*"})
"""Types that say nothing (MIME Sniffing 7); servers send them for want of a better one."""


class MediaType(NamedTuple):
    """A type without its parameters, in lower case, and the charset that it names, if any."""

    essence: str
    charset: str | None = None


@lru_cache(maxsize=1024)
def parse_media_type(value: str) -> MediaType | None:
    """The media type that a field's value names; None where it is none, or says nothing.

    Of several types, as several fields of one name give, the last valid one counts, and it keeps the charset of one
    before it of the same essence (Fetch, "extract a MIME type").
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
    """The first charset parameter; quotation marks are undone."""
    for name, quoted, plain in _PARAMETER.findall(parameters):
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip(" \t\r\n'\"")
        if name.strip().lower() == "charset" and value:
            return value
    return None


def _split(value: str) -> list[str]:
    """The parts between commas that stand in no quoted string."""
    return value.split(",") if '"' not in value else re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', value)
