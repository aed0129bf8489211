"""Decode payload bytes to HTML text, by the standards or as DataTrove does.

`standard`: the encoding is taken from the first of these: a byte order mark, the HTTP header, the page's `<meta>` or
XML declaration, and a guess from the bytes. Labels and decoding follow the WHATWG Encoding Standard: an invalid byte
becomes U+FFFD, and decoding continues.

The bytes overrule a declaration in three cases, in which browsers would show garbled text:

- Valid UTF-8 with non-ASCII characters is decoded as UTF-8, whatever encoding is declared. Text in another encoding is
  never valid UTF-8 by chance, except for a few characters in a Chinese, Japanese or Korean encoding.
- Markup in UTF-16 without a byte order mark is decoded as such.
- A declaration of UTF-8 is ignored if there are more broken sequences than whole ones, and more than FEW_BROKEN.

If more than one character in twenty is U+FFFD or a control character, the page counts as binary and has no text.

`datatrove`: UTF-8, otherwise cchardet's guess; there is no text if a single byte is invalid.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import cchardet

from finest.recipe.payload import PayloadTooLarge, Undecodable, read_message, read_response
from finest.recipe.payload.as_datatrove import decode_by_guess
from finest.recipe.payload.decoders import decode_as
from finest.recipe.payload.labels import encoding_of
from finest.recipe.payload.prescan import declared_encoding, unmarked_utf16

if TYPE_CHECKING:
    from finest.recipe.page import Page
    from finest.recipe.payload import Response
    from finest.recipe.recipe import DecodeRules, PayloadRules

UTF8 = "UTF-8"
DEFAULT_ENCODING = "windows-1252"
"""The HTML Standard's default for English pages without a declaration (13.2.3.2)."""
FEW_BYTES = 8
"""Non-ASCII bytes up to which text in a double-byte encoding may be valid UTF-8 by chance: one pair in eight is."""
FEW_BROKEN = 16
"""Broken sequences up to which a declaration of UTF-8 is accepted, however few whole ones there are."""
MAX_BROKEN_SHARE = 0.05
"""Largest share of a text's characters that may be broken. Real text has none; random bytes have a tenth or more."""

_BOMS = ((b"\xef\xbb\xbf", UTF8), (b"\xfe\xff", "UTF-16BE"), (b"\xff\xfe", "UTF-16LE"))
_GUESSES = {"UHC": "EUC-KR", "MACCYRILLIC": "x-mac-cyrillic"}
"""The Standard's names of encodings that cchardet names otherwise."""
_JIS_ESCAPES = (b"\x1b$B", b"\x1b$@")
"""What precedes Japanese characters in ISO-2022-JP."""
_DOUBLE_BYTE = frozenset({"Big5", "EUC-JP", "EUC-KR", "GBK", "gb18030", "Shift_JIS"})
_CONTROLS = bytes([*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
"""Binary data bytes (MIME Sniffing Standard, section 3), which never occur in text."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Decoded(NamedTuple):
    """The text of a page, and the encoding in which it was decoded."""

    text: str | None
    """The text; None if the bytes are not text."""
    encoding: str = ""
    """The Encoding Standard's name of the encoding; empty for `datatrove`, which does not report it."""


def decode(response: Response, rules: DecodeRules) -> Decoded:
    """Decode the response's body."""
    if rules.encoding == "datatrove":
        return Decoded(decode_by_guess(response.body))
    body = response.body
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], encoding)
    unmarked = unmarked_utf16(body)
    if unmarked:
        return _decoded(body, unmarked)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _decoded(body, _encoding(body, response.charset))
    if _may_be_other(body, text):
        declared = _declared(body, response.charset)
        if declared is None and any(escape in body for escape in _JIS_ESCAPES):
            declared = "ISO-2022-JP"
        if declared in _DOUBLE_BYTE or declared in ("ISO-2022-JP", "replacement", "UTF-16LE", "UTF-16BE"):
            return _decoded(body, declared)
    return Decoded(text, UTF8)


def html_of(page: Page, payload: PayloadRules, decoding: DecodeRules) -> str | None:
    """Read and decode the page's HTML by these rules; return None if that fails."""
    try:
        response = read_response(page, read_message(page, payload), payload)
    except (Undecodable, PayloadTooLarge):
        return None
    return decode(response, decoding).text


def _may_be_other(body: bytes, text: str) -> bool:
    """Return whether valid UTF-8 may be in a similar encoding: it has few double bytes, or escape or NUL bytes."""
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
    """Choose the encoding of bytes that are not valid UTF-8."""
    served = encoding_of(charset) if charset else None
    if served and served != UTF8:
        return served
    declared = declared_encoding(body)
    if not served and declared and declared != UTF8:
        return declared
    if UTF8 in (served, declared) and _controls(body) > len(body) * MAX_BROKEN_SHARE:
        return UTF8  # not text in any encoding, so a guess is pointless
    whole, broken = _utf8_sequences(body)
    if UTF8 in (served, declared) and broken <= max(whole, FEW_BROKEN):
        return UTF8
    if declared and declared != UTF8:
        return declared
    if whole >= 2 * broken:
        return UTF8
    guess = cchardet.detect(body)["encoding"]
    return (encoding_of(_GUESSES.get(guess.upper(), guess)) if guess else None) or DEFAULT_ENCODING


def _utf8_sequences(body: bytes) -> tuple[int, int]:
    """Count the whole and the broken UTF-8 sequences of non-ASCII characters, without a truncated last one."""
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return len(_NOT_ASCII.findall(text)) - broken, broken - text.endswith("\ufffd")
