"""Describe an unexpected exception of a stage: its type, stage, innermost location in our code, and message.

The description is published with the verdicts, and the message may quote the page. The description is therefore one
line of limited length, without secrets in addresses, folders of the machine and memory addresses.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finest.masking import masked_error, one_line

if TYPE_CHECKING:
    from types import FrameType

    from finest.recipe.stage import Stage

MAX_CHARS = 300
_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/'\"]+/)+")
_IN_MEMORY = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_MACHINERY = "finest.recipe.judge"


def kind_of(error: BaseException, stage: Stage[Any]) -> str:
    """Return the type, stage and location of an exception: `KeyError in stage fineweb at fineweb.py:24`."""
    return f"{type(error).__name__} in stage {stage.name}{_place(error, stage)}"


def described(error: BaseException, stage: Stage[Any]) -> str:
    """Return the kind of an exception and its message, as one line that is safe to publish."""
    message = masked_error(error).removeprefix(type(error).__name__).removeprefix(": ")
    message = _IN_MEMORY.sub("0x...", _FOLDERS.sub("", message))
    words = kind_of(error, stage) + (f": {message}" if message else "")
    return one_line(words)[:MAX_CHARS]


def _place(error: BaseException, stage: Stage[Any]) -> str:
    """Return the innermost location in this package or the stage's package, or, without one, in any code."""
    own = {"finest", str(getattr(stage.run, "__module__", "")).partition(".")[0]}
    innermost: tuple[FrameType, int] | None = None
    ours: tuple[FrameType, int] | None = None
    at = error.__traceback__
    while at is not None:
        innermost, module = (at.tb_frame, at.tb_lineno), str(at.tb_frame.f_globals.get("__name__", ""))
        if module != _MACHINERY and module.partition(".")[0] in own:
            ours = innermost
        at = at.tb_next
    found = ours or innermost
    return f" at {Path(found[0].f_code.co_filename).name}:{found[1]}" if found else ""
