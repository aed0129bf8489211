"""Terminals that foreign text cannot command: escape sequences, controls and reversed writing do not get through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from finest.masking import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


def plain_console(**options: Any) -> Console:
    """A console that shows what it is given; colours and movements are its own alone."""
    return _PlainConsole(highlight=False, **options)


class _PlainConsole(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is shown comes through here, live displays too; the console's own movements are control segments."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
