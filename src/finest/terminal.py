"""Consoles that are safe for untrusted text: they filter escape sequences, controls and reversed writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from finest.masking import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


def plain_console(**options: Any) -> Console:
    """Return a console that filters control characters in its content; only its own styles and movements pass."""
    return _PlainConsole(highlight=False, **options)


class _PlainConsole(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Filter all output, including live displays; the console's own movements are control segments and pass."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
