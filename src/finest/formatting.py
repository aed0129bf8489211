"""Format numbers, sizes and durations for people; make untrusted text safe to show."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from finest.masking import UNSHOWABLE

_PREFIXES = ("", "k", "M", "G", "T", "P")
_THIN = "\u202f"
"""Narrow no-break space, between number and unit."""


_MOST_DIGITS = 17
"""Digits that distinguish any two floats (IEEE 754 binary64)."""


def whole(number: float) -> str:
    """Format a number without decimals: 1234567 -> 1,234,567."""
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """Format a count with its noun: 1 page, 2 pages."""
    return f"{whole(number)} {noun}{'s' * (number != 1)}"


def compact(number: float) -> str:
    """Format a number with three digits and a prefix: 1234567 -> 1.23 M."""
    digits, prefix = _scaled(number)
    return f"{digits}{_THIN}{prefix}" if prefix else digits


def byte_size(size: float) -> str:
    """Format a number of bytes: 1234567 -> 1.23 MB."""
    digits, prefix = _scaled(size)
    return f"{digits}{_THIN}{prefix}B"


def _scaled(number: float) -> tuple[str, str]:
    value, place = float(number), 0
    while abs(value) >= 999.5 and place < len(_PREFIXES) - 1:
        value, place = value / 1000, place + 1
    return short(value), _PREFIXES[place]


def share(part: float, total: float) -> str:
    """Format a percentage, never rounding a partial share to 0% or 100%: 1 of 3,000 is <0.1%."""
    if not total:
        return "\u2013"
    percent = 100 * part / total
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.0f}%" if percent in (0, 100) else f"{percent:.1f}%"


def short(number: float, digits: int = 3) -> str:
    """Format with three significant digits: 0.0123, 1.23, 12.3, 123; the integer part keeps all digits: 12,345."""
    if not math.isfinite(number):
        return str(number)
    if number == 0:
        return "0"
    decimals = max(0, min(digits + 3, digits - 1 - math.floor(math.log10(abs(number)))))
    text = f"{number:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def beside(value: float, limit: float) -> tuple[str, str]:
    """Format a value and its limit with as many digits as distinguish them: 464,300 beside 500,000.

    0.6504 beside 0.65 stays 0.6504, while 0.651234 beside 0.65 is shortened to 0.651.
    """
    both = [(short(value, digits), short(limit, digits)) for digits in range(3, _MOST_DIGITS + 1)]
    return next((pair for pair in both if value == limit or pair[0] != pair[1]), both[-1])


def duration(seconds: float) -> str:
    """Format seconds in the two largest units: 3725 -> 1 h 2 min."""
    if seconds < 10:
        return f"{short(seconds)} s"
    total = round(seconds)
    units = ((total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s"))
    first = next(i for i, (n, _) in enumerate(units) if n)
    return " ".join(f"{n} {unit}" for n, unit in units[first : first + 2] if n)


def showable(text: object, limit: int) -> str:
    """Cut untrusted text to `limit` characters, and replace characters that could disturb the page by U+FFFD."""
    raw = str(text)
    cut = UNSHOWABLE.sub("\ufffd", raw[:limit].replace("\r\n", "\n"))
    return cut + "\u2026" if len(raw) > limit else cut


def link(url: str) -> str | None:
    """Return the URL if it is a plain http(s) address that can be a link; None otherwise."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return None
    return url if fine and not UNSHOWABLE.search(url) and not re.search(r"\s", url) else None
