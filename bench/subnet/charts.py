"""Plain SVG charts: bars by name, and lines over days. No library, so that the same figures give the same bytes.

Text has a white rim, so that it can be read on lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 720
LEFT, RIGHT, ROW = 150, 70, 26
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">'
    '<rect width="{width}" height="{height}" fill="#ffffff"/>'
)


def bars(
    title: str, rows: Mapping[str, Sequence[float]], names: Sequence[str], *, limit: float, mark: float | None = None
) -> str:
    """Draw one bar per name and series. Bars beyond `limit` are cut, not their numbers; `mark` is a vertical line."""
    height = 56 + ROW * len(rows) + 24
    parts = [_HEAD.format(width=WIDTH, height=height), _text(12, 22, title, weight="bold")]
    parts += _legend(names)
    scale = (WIDTH - LEFT - RIGHT) / limit
    if mark is not None:
        x = LEFT + mark * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="48" x2="{x:.1f}" y2="{height - 20}" stroke="#c53030" stroke-dasharray="4 3"/>'
        )
        parts.append(_text(x, height - 6, f"{mark:g}", anchor="middle", size=11))
    for index, (who, values) in enumerate(rows.items()):
        top = 56 + ROW * index
        parts.append(_text(LEFT - 8, top + 15, who, anchor="end"))
        thick = (ROW - 8) / len(values)
        for series, value in enumerate(values):
            size = max(0.0, min(value, limit)) * scale
            at = top + 2 + thick * series
            parts.append(_rectangle(LEFT, at, size, thick - 1, COLOURS[series]))
            parts.append(_text(LEFT + size + 4, at + (thick + 6) / 2, f"{value:.2f}", size=9))
    return "\n".join([*parts, "</svg>\n"])


def lines(title: str, series: Mapping[str, Sequence[float]], *, across: str) -> str:
    """Draw series of values from 0 to 1 over their index, which begins with 1."""
    height, bottom, top = 300, 256, 56
    count = max(len(values) for values in series.values())
    step = (WIDTH - LEFT - RIGHT) / max(1, count - 1)
    parts = [_HEAD.format(width=WIDTH, height=height), _text(12, 22, title, weight="bold"), *_legend(list(series))]
    for tick in range(5):
        y = bottom - (bottom - top) * tick / 4
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e2e8f0"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tick / 4:.2f}", anchor="end", size=11))
    for number, values in enumerate(series.values()):
        points = " ".join(
            f"{LEFT + step * index:.1f},{bottom - (bottom - top) * min(1.0, value):.1f}"
            for index, value in enumerate(values)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[number]}" stroke-width="2"/>')
    days = range(5, count + 1, 5)
    parts += [_text(LEFT + step * (day - 1), bottom + 18, str(day), anchor="middle", size=11) for day in days]
    parts.append(_text(LEFT + step * (count - 1) / 2, bottom + 36, across, anchor="middle"))
    return "\n".join([*parts, "</svg>\n"])


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        x = LEFT + number * 190
        parts += [_rectangle(x, 34, 12, 10, COLOURS[number]), _text(x + 18, 43, name, size=12)]
    return parts


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
        ' paint-order="stroke" stroke="#ffffff" stroke-width="3">'
        f"{escape(text)}</text>"
    )
