"""Draw a model's threshold curve as SVG: precision, recall and the share kept, by the lowest bin that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finest.models.record import Interval, Threshold

CURVE_NAME = "threshold-curve.svg"
_LEFT, _TOP, _WIDTH, _HEIGHT = 56, 24, 520, 260
_FIRST, _LAST = 1, 19
"""Bins that a threshold may have; a threshold of 0 keeps everything."""
_STYLE = "font-family='system-ui, sans-serif' font-size='13' fill='#333'"


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    colour: str
    """One of Okabe and Ito's, which colour-blind readers tell apart (https://jfly.uni-koeln.de/color/)."""
    dash: str
    value: Callable[[Threshold], Interval | None]


_LINES = (
    _Line("precision", "#0072B2", "", lambda one: one.precision),
    _Line("recall", "#D55E00", "8 3", lambda one: one.recall),
)


def curve(thresholds: Sequence[Threshold], name: str) -> bytes:
    """Return the picture; equal figures give equal bytes. The bands are the 95 % intervals."""
    parts = [_grid(), *(_band(line, thresholds) for line in _LINES), *(_path(line, thresholds) for line in _LINES)]
    kept = [(one.min_bin, one.kept) for one in thresholds]
    parts += [_polyline(kept, "#555555", "2 4"), _legend()]
    title = f"Precision, recall and share kept of {name} by threshold"
    width, height = _LEFT + _WIDTH + 24, _TOP + _HEIGHT + 88
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"role='img'><title>{title}</title><rect width='{width}' height='{height}' fill='#fff'/>\n"
        + "\n".join(parts) + "\n</svg>\n"
    ).encode()  # fmt: skip


def _x(number: float) -> float:
    return _LEFT + _WIDTH * (number - _FIRST) / (_LAST - _FIRST)


def _y(share: float) -> float:
    return _TOP + _HEIGHT * (1 - share)


def _grid() -> str:
    rows = [
        f"<line x1='{_LEFT}' y1='{_y(tenth / 10):.1f}' x2='{_LEFT + _WIDTH}' y2='{_y(tenth / 10):.1f}' stroke='#ddd'/>"
        f"<text x='{_LEFT - 8}' y='{_y(tenth / 10) + 4:.1f}' text-anchor='end' {_STYLE}>{tenth / 10:.1f}</text>"
        for tenth in range(0, 11, 2)
    ]
    columns = [
        f"<text x='{_x(number):.1f}' y='{_TOP + _HEIGHT + 20}' text-anchor='middle' {_STYLE}>{number}</text>"
        for number in range(_FIRST, _LAST + 1, 2)
    ]
    middle = _LEFT + _WIDTH / 2
    label = f"<text x='{middle}' y='{_TOP + _HEIGHT + 44}' text-anchor='middle' {_STYLE}>lowest bin that is kept</text>"
    return "\n".join([*rows, *columns, label])


def _band(line: _Line, thresholds: Sequence[Threshold]) -> str:
    found = [(one.min_bin, value) for one in thresholds if (value := line.value(one)) is not None]
    low = [(number, value.low) for number, value in found]
    high = [(number, value.high) for number, value in reversed(found)]
    return f"<polygon points='{_points([*low, *high])}' fill='{line.colour}' fill-opacity='0.15'/>"


def _path(line: _Line, thresholds: Sequence[Threshold]) -> str:
    found = [(one.min_bin, value.value) for one in thresholds if (value := line.value(one)) is not None]
    return _polyline(found, line.colour, line.dash)


def _polyline(found: Sequence[tuple[int, float]], colour: str, dash: str) -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    return f"<polyline points='{_points(found)}' fill='none' stroke='{colour}' stroke-width='2'{dashes}/>"


def _points(found: Sequence[tuple[int, float]]) -> str:
    return " ".join(f"{_x(number):.1f},{_y(share):.1f}" for number, share in found)


def _legend() -> str:
    y, parts = _TOP + _HEIGHT + 70, []
    lines = [*((line.name, line.colour, line.dash) for line in _LINES), ("share kept", "#555555", "2 4")]
    for number, (name, colour, dash) in enumerate(lines):
        x = _LEFT + 150 * number
        dashes = f" stroke-dasharray='{dash}'" if dash else ""
        parts.append(
            f"<line x1='{x}' y1='{y - 4}' x2='{x + 36}' y2='{y - 4}' stroke='{colour}' stroke-width='2'{dashes}/>"
            f"<text x='{x + 44}' y='{y}' {_STYLE}>{name}</text>"
        )
    return "\n".join(parts)
