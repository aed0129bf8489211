"""Stage payload: drops responses that are not a page that can be decoded.

It has three steps: read the body (`finest.recipe.payload`), decode it (`finest.recipe.decode`) and measure its markup
(`finest.recipe.bounds`). These modules are imported only when a page is judged, because other code reads the list of
stages without judging pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from finest.recipe.check import Check
from finest.recipe.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox


class PayloadRules(Rules):
    """Which WARC records count as pages, and how their payload is read.

    - `reading`: `"standard"` follows RFC 9110, RFC 9112 and the WHATWG's MIME Sniffing Standard; `"datatrove"` reads
      responses as DataTrove's WARC reader does (`finest.recipe.payload.response`).
    - `records`: the WARC-Types to read. DataTrove's reader, and therefore `fineweb`, skips `resource` records.
    - `statuses`: the HTTP statuses of pages, as numbers ("203") or classes ("2xx"). If the list is empty, the status is
      ignored. A response without a status counts as a page.
    - `types`: the media types of pages.
    - `max_bytes`: the largest body, in bytes after all codings are undone.
    """

    reading: Literal["standard", "datatrove"] = "standard"
    records: tuple[Literal["response", "conversion", "resource"], ...] = ("response", "conversion")
    statuses: tuple[Annotated[str, Field(pattern=r"^[1-9](xx|[0-9]{2})$")], ...] = ("2xx",)
    types: tuple[str, ...] = ("text/html", "application/xhtml+xml")
    max_bytes: int = 32 * 1024 * 1024


class DecodeRules(Rules):
    """How the bytes of a page are decoded to text.

    `encoding = "standard"` uses the encoding that the page declares and decodes as the WHATWG Encoding Standard
    specifies. `"datatrove"` tries UTF-8, then cchardet's guess, as DataTrove does.
    """

    encoding: Literal["standard", "datatrove"] = "standard"


class LimitRules(Rules):
    """Limits on a page's markup, checked before any parser reads it (`finest.recipe.bounds`), and on its text.

    Real pages stay far below these limits: `docs/concepts/recipe.md` lists the largest values observed beside each.

    - `tags`: tags and attributes of the page.
    - `attributes`: attributes of one tag.
    - `depth`: depth of nested elements. The default is twice Blink's limit (512, kMaximumHTMLParserDOMTreeDepth); the
      other limits are our own.
    - `nesting`: sum of the depths of all elements.
    - `cells`: rows of all tables times the columns of the widest row.
    - `text_chars`: characters of the extracted text.
    """

    tags: int = Field(default=500_000, ge=1)
    attributes: int = Field(default=1_024, ge=1)
    depth: int = Field(default=1_024, ge=1, le=16_000)
    nesting: int = Field(default=50_000_000, ge=1)
    cells: int = Field(default=4_000_000, ge=1)
    text_chars: int = Field(default=16 * 1024 * 1024, ge=1)


def _read(state: PageState, rules: PayloadRules, _: Toolbox) -> Iterator[Check]:
    from finest.recipe.payload.codings import Undecodable
    from finest.recipe.payload.response import read_response
    from finest.recipe.payload.size import PayloadTooLarge

    yield Check("payload_record", 0, 1, state.page.record_type not in rules.records)
    try:
        response = state.response = read_response(state.page, state.message, rules)
    except Undecodable:
        yield Check("payload_coding", 0, 1, True)
        return
    except PayloadTooLarge:
        yield Check("payload_too_large", rules.max_bytes + 1, rules.max_bytes, True)
        return
    size = len(response.body)
    yield Check("payload_empty", size, 1, not size)
    yield Check("payload_too_large", size, rules.max_bytes, size > rules.max_bytes)
    yield Check("payload_type", 0, 1, response.type not in rules.types)


def _decode(state: PageState, rules: DecodeRules, _: Toolbox) -> Iterator[Check]:
    from finest.recipe.decode import decode

    html, state.encoding = decode(state.response, rules)
    yield Check("payload_encoding", 0, 1, html is None)
    state.html = html or ""


def _measure(state: PageState, rules: LimitRules, _: Toolbox) -> Iterator[Check]:
    from finest.recipe.bounds import check_markup

    return check_markup(state.html, rules)


_QUESTION = "Is the response a page that can be decoded?"
PAYLOAD = Stage(
    name="payload", section="payload", rules=PayloadRules, run=_read, needs=("page", "message"),
    provides=("response",), question=_QUESTION, ends=True,
    reasons={
        "payload_record": "The recipe takes no pages from WARC records of this type.",
        "payload_coding": "The body is compressed or encrypted in a way that cannot be undone.",
        "payload_empty": "The response has no body.",
        "payload_type": "The response is not an HTML page.",
        "payload_too_large": "The page is larger than the recipe allows.",
    },
)  # fmt: skip
ENCODING = Stage(
    name="payload", section="decode", rules=DecodeRules, run=_decode, needs=("response",),
    provides=("html", "encoding"), question=_QUESTION, ends=True,
    reasons={"payload_encoding": "The bytes could not be decoded as text."},
)  # fmt: skip
MARKUP = Stage(
    name="payload", section="limits", rules=LimitRules, run=_measure, needs=("html",), question=_QUESTION, ends=True,
    reasons={
        "payload_tags": "The page has more tags and attributes of tags than the recipe allows.",
        "payload_attributes": "A tag has more attributes than the recipe allows.",
        "payload_depth": "Elements are nested deeper than the recipe allows.",
        "payload_nesting": "Too many elements are nested too deep.",
        "payload_cells": "A table would be padded to more cells than the recipe allows.",
    },
)  # fmt: skip
