"""A page's response, read in one of two ways: as the standards say, or as DataTrove's WARC reader does.

`standard`: the status line and the fields are read by `message`, codings are undone by `codings`, and the type is, in
this order, the one that the WARC record names (WARC-Identified-Payload-Type), the one that HTTP's Content-Type names,
and the one that the body looks like (`sniff`). A name that is no media type is passed over. Text that is served as
text/plain or as application/octet-stream stays what it is called, as in browsers.

`datatrove`: byte for byte what `warcio` and libmagic give (`as_datatrove`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from finest.recipe.payload.as_datatrove import http_payload, magic_type
from finest.recipe.payload.codings import undo
from finest.recipe.payload.media_type import MediaType, parse_media_type
from finest.recipe.payload.message import Message, split_message
from finest.recipe.payload.sniff import HTML, XML, XML_TYPES, is_feed, refine_xml, sniff

if TYPE_CHECKING:
    from finest.recipe.page import Page
    from finest.recipe.recipe import PayloadRules


class Response(NamedTuple):
    """What is in a record: the body as it was before it was coded, and what is said of it."""

    body: bytes
    type: str
    """Media type without parameters."""
    charset: str | None = None
    """The encoding that HTTP, or the record's own type, names, as it is written there."""


def read_message(page: Page, rules: PayloadRules) -> Message:
    """The record's block, split in what is said of the body and the body, whose codings are not undone.

    DataTrove's reading reads fields in its own way: of the message only the status counts there, if the recipe asks.
    """
    is_split = page.is_http and (rules.reading == "standard" or rules.statuses)
    return split_message(page.block) if is_split else Message(page.block)


def read_response(page: Page, message: Message, rules: PayloadRules) -> Response:
    """The response of which `read_message` gave the parts. Raises Undecodable and PayloadTooLarge."""
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
    charset = (served and served.charset) or (named and named.charset) or None
    return Response(body, _type(named, served, body), charset)


def _type(named: MediaType | None, served: MediaType | None, body: bytes) -> str:
    known = named or served
    found = known.essence if known else sniff(body)
    if found in XML_TYPES:
        return refine_xml(body)
    return XML if found == HTML and named is None and is_feed(body) else found


def is_wanted_status(status: int | None, rules: PayloadRules) -> bool:
    """Whether responses of that status are pages. One that names none is."""
    return status is None or not rules.statuses or not {str(status), f"{status // 100}xx"}.isdisjoint(rules.statuses)
