"""From payload bytes to HTML text, as DataTrove's WARC reader decides it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import cchardet

if TYPE_CHECKING:
    from finest.recipe.page import Page


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
    return cast("str", _magic().from_buffer(payload))


@lru_cache(maxsize=1)
def _magic() -> Any:
    import magic
    import pylibmagic  # noqa: F401  (loads the libmagic that it ships, so that none need be installed)

    return magic.Magic(mime=True)
