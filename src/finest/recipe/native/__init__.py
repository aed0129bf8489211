"""Load the compiled core, which gives the same results as the Python path in a fraction of its CPU time.

The package works without it. `core()` returns the core, and `missing()` the reason why it is not available. If the
environment variable FINEST_NATIVE is 0, it is neither built nor loaded. `core/README.md` describes the core.
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
    """Return the compiled module, or None if it is not available."""
    return _loaded()[0]


def missing() -> str:
    """Return the reason why the compiled core is not available; "" if it is."""
    return _loaded()[1]
