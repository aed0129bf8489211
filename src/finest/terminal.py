"""Terminals that foreign text cannot command: escape sequences, controls and reversed writing do not get through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderHook
from rich.segment import Segment

from finest.masking import printable

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, ConsoleRenderable, RenderResult


def plain_console(**options: Any) -> Console:
    """A console that shows what it is given; colours and movements are its own alone."""
    console = Console(highlight=False, **options)
    console.push_render_hook(_Plain())
    return console


class _Plain(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Shown(renderable) for renderable in renderables]


class _Shown:
    """Something to be shown, its characters cleaned after it is laid out."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
