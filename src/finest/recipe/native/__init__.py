"""The compiled core: the same answers as the Python path for a fraction of its CPU time, where it was built.

The package works without it. `core()` is the core, `missing()` says why there is none. FINEST_NATIVE=0 in the
environment leaves it out, when it is built and when it is loaded. `core/README.md` describes it.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from finest.recipe.native._core import Core


@lru_cache(maxsize=1)
def _loaded() -> tuple[Core | None, str]:
    if os.environ.get("FINEST_NATIVE") == "0":
        return None, "FINEST_NATIVE=0 leaves it out"
    try:
        module = import_module("finest.recipe.native._core")
    except ImportError as error:
        return None, str(error)
    core = cast("Core", module)
    core.seed(secrets.randbits(64))
    return core, ""


def core() -> Core | None:
    """The compiled module, or None where it was not built."""
    return _loaded()[0]


def missing() -> str:
    """Why there is no compiled core here; empty where there is one."""
    return _loaded()[1]
