"""Stage ftfy: repairs wrongly decoded text, as DataTrove's FTFYFormatter does; it drops no page."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from finest.recipe.check import Check
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class FtfyRules(Rules):
    """Repair of wrongly decoded text by the package ftfy, with the settings of DataTrove's FTFYFormatter."""

    enabled: bool = False


def _run(state: PageState, rules: FtfyRules, _: Toolbox) -> Iterable[Check]:
    if rules.enabled:
        state.text = _formatter()(state.text)
    return ()


@cache
def _formatter() -> Callable[[str], str]:
    from datatrove.pipeline.formatters import FTFYFormatter

    formatter: Callable[[str], str] = FTFYFormatter().format
    return formatter


FTFY = Stage(
    name="ftfy", section="ftfy", rules=FtfyRules, run=_run, needs=("text",), provides=("text",), title="ftfy",
)  # fmt: skip
