"""A page's response, read in one of two ways: as the standards say, or as DataTrove's WARC reader does.

`standard`: the status line and the fields are read by `message`, codings are undone by `codings`, and the type is, in
this order, the one that the WARC record names (WARC-Identified-Payload-Type), the one that HTTP's Content-Type names,
and the one that the body looks like (`sniff`). A name that is no media type is passed over. Text that is served as
text/plain or as application/octet-stream stays what it is called, as in browsers.

`datatrove`: byte for byte what `warcio` and libmagic give (`as_datatrove`). The status is not looked at there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.recipe.payload.as_datatrove import http_payload, magic_type
from finest.recipe.payload.codings import Undecodable, undo
from finest.recipe.payload.media_type import MediaType, parse_media_type
from finest.recipe.payload.message import split_message
from finest.recipe.payload.sniff import HTML, XML_TYPES, is_feed, refine_xml, sniff

if TYPE_CHECKING:
    from finest.recipe.page import Page
    from finest.recipe.recipe import PayloadRules

__all__ = ["Response", "Undecodable", "read_response"]


@dataclass(frozen=True, slots=True)
class Response:
    """What is in a record: the body as it was before it was coded, and what is said of it."""

    body: bytes
    type: str
    """Media type without parameters."""
    charset: str | None = None
    """The encoding that HTTP names, as it is written there."""


def response_status(page: Page) -> int | None:
    """The status of the HTTP response; None where there is no HTTP response, or it names none."""
    return split_message(page.block).status if page.is_http else None


def read_response(page: Page, rules: PayloadRules) -> Response:
    """The response in the page's record. Raises Undecodable and PayloadTooLarge."""
    return _as_datatrove(page, rules.max_bytes) if rules.reading == "datatrove" else _by_standards(page, rules.max_bytes)


def _as_datatrove(page: Page, max_bytes: int) -> Response:
    body = http_payload(page.block, max_bytes) if page.is_http else page.block
    return Response(body, page.payload_type if page.payload_type is not None else "" if not body else magic_type(body))


def _by_standards(page: Page, max_bytes: int) -> Response:
    if page.is_http:
        message = split_message(page.block)
        codings = (*message.content_codings, *message.transfer_codings)
        body = undo(message.body, codings, max_bytes) if codings else message.body
        served = parse_media_type(message.content_type)
    else:
        body, served = page.block, None
    return Response(body, _type(page.payload_type, served, body), served.charset if served else None)


def _type(identified: str | None, served: MediaType | None, body: bytes) -> str:
    named = parse_media_type(identified) if identified else None
    found = (named or served or MediaType(sniff(body))).essence
    if found in XML_TYPES:
        return refine_xml(body)
    if found == HTML and named is None and is_feed(body):
        return "application/xml"
    return found
