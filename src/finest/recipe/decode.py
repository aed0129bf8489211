"""From payload bytes to HTML text, in one of two ways.

`standard`: the encoding is, in this order, that of a byte order mark, the one that HTTP names, the one that the page
names in a `<meta>` or an XML declaration, and the one that the bytes look like. Labels and decoding are those of the
WHATWG Encoding Standard: a byte that does not fit becomes U+FFFD and costs nothing else.

The bytes overrule a declaration in two cases, where browsers would show what nobody wrote:

- Bytes that are UTF-8, with characters beyond ASCII among them, are read as UTF-8 whatever is declared. Text of another
  encoding is never UTF-8 by chance, but for a few characters of a Chinese, Japanese or Korean one.
- A declaration of UTF-8 is passed over where more sequences are broken than whole, and more than a few.

A text of which more than one character in twenty is U+FFFD or a control character is none.

`datatrove`: UTF-8, else what cchardet takes the bytes for, and no text where a single byte does not fit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import cchardet

from finest.recipe.payload import PayloadTooLarge, Undecodable, read_message, read_response
from finest.recipe.payload.as_datatrove import decode_by_guess
from finest.recipe.payload.decoders import decode_as
from finest.recipe.payload.labels import encoding_of
from finest.recipe.payload.prescan import declared_encoding

if TYPE_CHECKING:
    from finest.recipe.page import Page
    from finest.recipe.payload import Response
    from finest.recipe.recipe import DecodeRules, PayloadRules

UTF8 = "UTF-8"
DEFAULT_ENCODING = "windows-1252"
"""What the HTML Standard (13.2.3.2) takes for English pages that say nothing."""
FEW_BYTES = 8
"""Bytes beyond ASCII up to which text of a double-byte encoding may be UTF-8 by chance: one pair in eight is."""
FEW_BROKEN = 16
"""Broken sequences that do not speak against UTF-8, however few whole ones there are."""
MAX_BROKEN_SHARE = 0.05
"""Of a text's characters. Text in a language of our pages has none; random bytes have a tenth and more."""

_BOMS = ((b"\xef\xbb\xbf", UTF8), (b"\xfe\xff", "UTF-16BE"), (b"\xff\xfe", "UTF-16LE"))
_DOUBLE_BYTE = frozenset({"Big5", "EUC-JP", "EUC-KR", "GBK", "gb18030", "Shift_JIS"})
_CONTROLS = bytes([*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
"""Binary data bytes (MIME Sniffing Standard, section 3): no text has them."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Decoded(NamedTuple):
    """The text of a page, and the encoding that it was read in."""

    text: str | None
    """None where the bytes are no text."""
    encoding: str = ""
    """Name of the Encoding Standard; empty where DataTrove's reading does not say."""


def decode(response: Response, rules: DecodeRules) -> Decoded:
    """The response's body as text."""
    if rules.encoding == "datatrove":
        return Decoded(decode_by_guess(response.body))
    body = response.body
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], encoding)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _decoded(body, _encoding(body, response.charset))
    if _may_be_other(body, text):
        declared = _declared(body, response.charset)
        if declared in _DOUBLE_BYTE or declared in ("ISO-2022-JP", "replacement", "UTF-16LE", "UTF-16BE"):
            return _decoded(body, declared)
    return Decoded(text, UTF8)


def html_of(page: Page, payload: PayloadRules, decoding: DecodeRules) -> str | None:
    """The page's HTML as those rules read it; None where they find none."""
    try:
        response = read_response(page, read_message(page, payload), payload)
    except (Undecodable, PayloadTooLarge):
        return None
    return decode(response, decoding).text


def _may_be_other(body: bytes, text: str) -> bool:
    """Whether bytes that are UTF-8 may be of an encoding that looks like it: a few double bytes, escapes, zeros."""
    beyond_ascii = len(body) - len(text)
    return beyond_ascii <= FEW_BYTES and (beyond_ascii > 0 or b"\x1b" in body or b"\0" in body)


def _decoded(body: bytes, encoding: str) -> Decoded:
    text = decode_as(body, encoding)
    if text is None:
        return Decoded(None, encoding)
    plain = text.encode("utf-8", "replace") if encoding.startswith("UTF-16") else body
    broken = text.count("\ufffd") + _controls(plain)
    return Decoded(None if broken > len(text) * MAX_BROKEN_SHARE else text, encoding)


def _controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, _CONTROLS))


def _declared(body: bytes, charset: str | None) -> str | None:
    return (encoding_of(charset) if charset else None) or declared_encoding(body)


def _encoding(body: bytes, charset: str | None) -> str:
    """The encoding of bytes that are not UTF-8 from end to end."""
    served = encoding_of(charset) if charset else None
    if served and served != UTF8:
        return served
    declared = declared_encoding(body)
    if not served and declared and declared != UTF8:
        return declared
    if UTF8 in (served, declared) and _controls(body) > len(body) * MAX_BROKEN_SHARE:
        return UTF8  # no text in any encoding: not worth a guess
    whole, broken = _utf8_sequences(body)
    if UTF8 in (served, declared) and broken <= max(whole, FEW_BROKEN):
        return UTF8
    if declared and declared != UTF8:
        return declared
    if whole >= 2 * broken:
        return UTF8
    guess = cchardet.detect(body)["encoding"]
    return (encoding_of(guess) if guess else None) or DEFAULT_ENCODING


def _utf8_sequences(body: bytes) -> tuple[int, int]:
    """Characters beyond ASCII that are whole in UTF-8, and broken ones but for a last one that is cut off."""
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return len(_NOT_ASCII.findall(text)) - broken, broken - text.endswith("\ufffd")
