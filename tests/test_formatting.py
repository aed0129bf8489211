"""Numbers and foreign text as a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.formatting import beside, byte_size, compact, counted, duration, link, share, short, showable, whole


def test_numbers() -> None:
    """Numbers have three digits that count, groups and units."""
    assert [whole(n) for n in (0, 999, 1234567)] == ["0", "999", "1,234,567"]
    assert [counted(n, "page") for n in (0, 1, 2000)] == ["0 pages", "1 page", "2,000 pages"]
    assert [compact(n) for n in (0, 999, 1000, 999_999, 1.5e12)] == [
        "0", "999", "1\u202fk", "1\u202fM", "1.5\u202fT"
    ]  # fmt: skip
    assert [byte_size(n) for n in (0, 512, 1_234_567)] == ["0\u202fB", "512\u202fB", "1.23\u202fMB"]
    assert [short(n) for n in (0, 0.01234, 0.9999, 12.34, 12345.6, float("nan"))] == [
        "0", "0.0123", "1", "12.3", "12,346", "nan"
    ]  # fmt: skip
    assert [duration(s) for s in (0, 0.25, 59.9, 60, 3725, 90_000)] == [
        "0 s", "0.25 s", "1 min", "1 min", "1 h 2 min", "1 d 1 h"
    ]  # fmt: skip


def test_a_value_and_its_limit_can_be_told_apart() -> None:
    """Plain notation, three significant digits, and more only where they would look equal."""
    assert beside(464_300, 500_000) == ("464,300", "500,000")
    assert beside(0.651234, 0.1) == ("0.651", "0.1")
    assert beside(0.6504, 0.65) == ("0.6504", "0.65")
    assert beside(0.65, 0.65) == ("0.65", "0.65")
    assert beside(0, 4.9e-9) == ("0", "0.000000005")
    assert beside(float("inf"), 20) == ("inf", "20")


@given(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15))
def test_a_value_never_looks_like_its_limit(value: float, limit: float) -> None:
    """No exponent is shown, and different numbers are shown differently, down to 20 decimals."""
    shown = beside(value, limit)
    assert not any("e" in text for text in shown)
    assert shown[0] != shown[1] or abs(value - limit) < 1e-19


def test_shares_are_never_rounded_to_nothing_or_all() -> None:
    """What is there is not shown as 0 %, what is missing not as 100 %."""
    assert [share(n, 10_000) for n in (0, 1, 5000, 9_999, 10_000)] == ["0%", "<0.1%", "50.0%", ">99.9%", "100%"]
    assert share(0, 0) == "–"


@given(st.text(), st.integers(1, 50))
def test_shown_text_is_harmless(text: str, limit: int) -> None:
    """Shown text can be encoded, is short, and holds no control or direction mark."""
    shown = showable(text, limit)
    shown.encode()
    assert len(shown) <= limit + 1
    assert not set(shown) & {chr(c) for c in (*range(9), *range(11, 32), 0x7F, 0x202E, 0x2066)}


@pytest.mark.parametrize("url", ["http://a.org/", "https://a.org/?x=%22&y='", "HTTPS://a.org"])
def test_addresses_become_links(url: str) -> None:
    """Plain http(s) addresses can be followed."""
    assert link(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "a.org", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//a.org", "http://", "http://[::1",
     " https://a.org", "https://a.org/\u202ecod", "https://a.org/ x", "java\nscript:alert(1)", "https://a.org/\ud800"],
)  # fmt: skip
def test_other_addresses_are_text(url: str) -> None:
    """Anything else is only shown."""
    assert link(url) is None
