"""From payload bytes to HTML text, as DataTrove's WARC reader decides it."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cchardet

from finest.errors import RecipeError

if TYPE_CHECKING:
    from finest.recipe.page import Page

MAGIC_MIME_TYPE = 0x10
"""libmagic's flag (magic.h): answer with the MIME type alone."""


def payload_type(page: Page) -> str:
    """The record's own identified type, else libmagic's opinion of the payload (crawls before 2015)."""
    return page.payload_type if page.payload_type is not None else _sniff(page.payload)


def decode(payload: bytes) -> str | None:
    """The payload as text: UTF-8, else the encoding that cchardet finds; None where neither fits."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        encoding = cchardet.detect(payload)["encoding"]
    if not encoding or encoding == "UTF-8":
        return None
    try:
        return payload.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _sniff(payload: bytes) -> str:
    library, cookie = _magic()
    found = library.magic_buffer(cookie, payload, len(payload))
    return found.decode("ascii", "replace") if found else ""


@lru_cache(maxsize=1)
def _magic() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """The libmagic that `pylibmagic` ships, with its own data: the verdict must not depend on what is installed here.

    (`python-magic` would take the system's library where there is one.)
    """
    spec = find_spec("pylibmagic")  # found, not imported: its import changes ctypes and the environment
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("package pylibmagic is not installed; reinstall with: pip install finest-data")
    folder = Path(spec.submodule_search_locations[0])
    library = ctypes.CDLL(str(folder / ("libmagic.so.1" if sys.platform == "linux" else "libmagic.dylib")))
    library.magic_open.restype = ctypes.c_void_p
    library.magic_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.magic_buffer.restype = ctypes.c_char_p
    library.magic_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    cookie = ctypes.c_void_p(library.magic_open(MAGIC_MIME_TYPE))
    if library.magic_load(cookie, str(folder / "magic.mgc").encode()) != 0:
        raise RecipeError("libmagic cannot load its data; mend it with: pip install --force-reinstall pylibmagic")
    return library, cookie
