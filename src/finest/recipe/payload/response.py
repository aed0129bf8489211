"""Read a page's response, by the standards or as DataTrove's WARC reader does.

`standard`: `message` parses the status line and the fields, and `codings` undoes the codings. The type is taken from
the first of these: the WARC record (WARC-Identified-Payload-Type), HTTP's Content-Type, and the content of the body
(`sniff`). An invalid media type is ignored. As in browsers, a body served as text/plain or application/octet-stream
keeps that type.

`datatrove`: the same bytes and type as warcio and libmagic return (`as_datatrove`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from finest.recipe.payload.as_datatrove import http_payload, magic_type
from finest.recipe.payload.codings import undo, undo_unnamed
from finest.recipe.payload.media_type import MediaType, parse_media_type
from finest.recipe.payload.message import Message, has_status_line, split_message
from finest.recipe.payload.sniff import HTML, XML, XML_TYPES, is_feed, refine_xml, sniff

if TYPE_CHECKING:
    from finest.recipe.page import Page
    from finest.recipe.recipe import PayloadRules


class Response(NamedTuple):
    """The decoded response of a record: its body, with all codings undone, its type and its charset."""

    body: bytes
    type: str
    """Media type without parameters."""
    charset: str | None = None
    """The charset parameter of HTTP's Content-Type or of the record's type, verbatim."""


def read_message(page: Page, rules: PayloadRules) -> Message:
    """Split the record's block into header data and the body, whose codings are not undone.

    With `reading = "datatrove"`, `as_datatrove` parses the fields itself; only the status of this message is used, and
    only if the recipe lists statuses.
    """
    if rules.reading == "standard":  # tools write addresses without a scheme, or with `HTTP:`
        is_split = page.is_http or (page.record_type == "response" and has_status_line(page.block))
    else:
        is_split = page.is_http and bool(rules.statuses)
    return split_message(page.block) if is_split else Message(page.block)


def read_response(page: Page, message: Message, rules: PayloadRules) -> Response:
    """Return the response whose `message` comes from `read_message`. Raises Undecodable and PayloadTooLarge."""
    return _as_datatrove(page, rules) if rules.reading == "datatrove" else _by_standards(page, message, rules)


def _as_datatrove(page: Page, rules: PayloadRules) -> Response:
    body = http_payload(page.block, rules.max_bytes) if page.is_http else page.block
    if page.payload_type is not None:
        return Response(body, page.payload_type)
    return Response(body, magic_type(body) if body else "")


def _by_standards(page: Page, message: Message, rules: PayloadRules) -> Response:
    codings = (*message.content_codings, *message.transfer_codings)
    body = undo(message.body, codings, rules.max_bytes) if codings else message.body
    named = parse_media_type(page.payload_type) if page.payload_type else None
    served = parse_media_type(message.content_type)
    known = named or served
    if known is None or known.essence in rules.types:
        body = undo_unnamed(body, rules.max_bytes)
    charset = (served and served.charset) or (named and named.charset) or None
    return Response(body, _type(named, served, body), charset)


def _type(named: MediaType | None, served: MediaType | None, body: bytes) -> str:
    known = named or served
    found = known.essence if known else sniff(body)
    if found in XML_TYPES:
        return refine_xml(body)
    return XML if found == HTML and named is None and is_feed(body) else found


def is_wanted_status(status: int | None, rules: PayloadRules) -> bool:
    """Return whether responses of that status are pages; a response without a status is."""
    return status is None or not rules.statuses or not {str(status), f"{status // 100}xx"}.isdisjoint(rules.statuses)
