"""Decode bytes to text as the WHATWG Encoding Standard does: an error becomes U+FFFD, and decoding continues.

Python's codecs differ from the Standard only in the points corrected here; all single bytes and all pairs of bytes were
compared with the Standard's indexes (commit a985b62):

- Bytes that a Windows encoding leaves undefined are control characters (windows-125x, windows-874), and one letter of
  windows-1255 and two of KOI8-U differ.
- GBK is decoded as gb18030, in which twenty characters of the 2022 edition are not private use; 0x80 is the euro sign.
- EUC-JP and ISO-2022-JP include the rows of NEC and IBM, as Shift_JIS (Python's cp932) does.
- A broken pair consumes its second byte unless that is ASCII, so that a `<` is never lost.

Big5 is Python's big5hkscs; 203 characters of HKSCS-2008 (0x877A to 0x8AFE) become U+FFFD.
"""

from __future__ import annotations

import codecs
import itertools
import re
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_REPLACEMENT = "\ufffd"
MAX_BROKEN = 100_000
"""Broken byte pairs of one text up to which errors are handled as the Standard specifies. A body with more is not text
in that encoding, so Python's faster error handling is good enough."""
_SINGLE = {
    "IBM866": "cp866", "ISO-8859-8-I": "iso8859-8", "macintosh": "mac-roman", "windows-874": "cp874",
    "x-mac-cyrillic": "mac-cyrillic", **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259)},
}  # fmt: skip
"""Python's names of single-byte encodings, where they differ from the Standard's."""
_MULTI = {
    "gb18030": "gb18030", "GBK": "gb18030", "Big5": "big5hkscs", "EUC-KR": "cp949", "Shift_JIS": "cp932",
    "EUC-JP": "euc-jp",
}  # fmt: skip
_X_USER_DEFINED = "".join(map(chr, range(128))) + "".join(chr(0xF780 + byte) for byte in range(128))
_MENDED = {
    "KOI8-U": {0x255D: 0x45E, 0x256C: 0x40E},
    "Shift_JIS": {0xF8F0: 0xFFFD, 0xF8F1: 0xFFFD, 0xF8F2: 0xFFFD, 0xF8F3: 0xFFFD},
    "EUC-JP": {0x301C: 0xFF5E, 0x2016: 0x2225, 0x2212: 0xFF0D, 0xA2: 0xFFE0, 0xA3: 0xFFE1, 0xAC: 0xFFE2},
    "gb18030": {
        0xE5E5: 0x3000, 0xE78D: 0xFE10, 0xE78E: 0xFE12, 0xE78F: 0xFE11, 0xE790: 0xFE13, 0xE791: 0xFE14, 0xE792: 0xFE15,
        0xE793: 0xFE16, 0xE794: 0xFE17, 0xE795: 0xFE18, 0xE796: 0xFE19, 0xE7C7: 0x1E3F, 0xE81E: 0x9FB4, 0xE826: 0x9FB5,
        0xE82B: 0x9FB6, 0xE82C: 0x9FB7, 0xE832: 0x9FB8, 0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE864: 0x9FBB,
    },
}  # fmt: skip
"""Corrections by encoding: the code point of Python's codec, and the one of the Standard's index."""
_MENDED["GBK"] = _MENDED["gb18030"]


def decode_as(body: bytes, encoding: str) -> str | None:
    """Decode `body` in the encoding of that name (the Standard's); return None for the encoding `replacement`.

    Invalid bytes become U+FFFD; the function never raises.
    """
    if encoding == "replacement":
        return None
    if encoding in ("UTF-8", "UTF-16LE", "UTF-16BE"):
        return body.decode(encoding, "replace")
    if encoding == "ISO-2022-JP":
        return _iso_2022_jp(body)
    if encoding in _MULTI:
        return _multi(body, encoding)
    return codecs.charmap_decode(body, "strict", _table(encoding))[0]


def _multi(body: bytes, encoding: str) -> str:
    codec = _MULTI[encoding]
    _broken.left = MAX_BROKEN
    try:
        text = body.decode(codec, f"finest-{codec}")
    except _TooManyError:
        text = body.decode(codec, "replace")
    return text.translate(_MENDED[encoding]) if encoding in _MENDED else text


class _TooManyError(Exception):
    """Raised when a text has more than MAX_BROKEN broken byte pairs."""


class _Broken(threading.local):
    """How many more broken byte pairs of the current text are handled as the Standard specifies."""

    left = 0


_broken = _Broken()


@cache
def _table(encoding: str) -> str:
    """Return the characters of the 256 bytes of a single-byte encoding."""
    if encoding == "x-user-defined":
        return _X_USER_DEFINED
    codec, mended = _SINGLE.get(encoding, encoding), _MENDED.get(encoding, {})
    table = "".join(bytes((byte,)).decode(codec, "finest-c1") for byte in range(256)).translate(mended)
    return table[:0xCA] + "\u05ba" + table[0xCB:] if encoding == "windows-1255" else table


def _control(error: UnicodeError) -> tuple[str, int]:
    """Replace an undefined byte of a single-byte encoding by its control character (below 0xA0) or U+FFFD."""
    assert isinstance(error, UnicodeDecodeError)
    byte = error.object[error.start]
    return chr(byte) if byte < 0xA0 else _REPLACEMENT, error.start + 1


def _count() -> None:
    _broken.left -= 1
    if _broken.left < 0:
        raise _TooManyError


def _pair(leads: frozenset[int]) -> Callable[[UnicodeError], tuple[str, int]]:
    """Return an error handler that replaces a broken pair by U+FFFD, but keeps its second byte if that is ASCII."""

    def answer(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        _count()
        data, at = error.object, error.start
        has_trail = data[at] in leads and at + 1 < len(data) and data[at + 1] >= 0x80
        return _REPLACEMENT, at + 1 + has_trail

    return answer


def _gb18030(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    _count()
    return ("€", error.start + 1) if error.object[error.start] == 0x80 else _GB(error)


def _euc_jp(error: UnicodeError) -> tuple[str, int]:
    """Decode a pair that Python's codec lacks, from the rows of NEC and IBM, by means of Shift_JIS."""
    assert isinstance(error, UnicodeDecodeError)
    _count()
    first, *rest = error.object[error.start : error.start + 3]
    if first == 0x8F and len(rest) == 2 and _in_rows(rest[0]) and _in_rows(rest[1]):
        return _REPLACEMENT, error.start + 3
    if rest and _in_rows(first) and _in_rows(rest[0]):
        return _by_shift_jis(first - 0xA0, rest[0] - 0xA0), error.start + 2
    return _EUC(error)


def _in_rows(byte: int) -> bool:
    return 0xA1 <= byte <= 0xFE


def _by_shift_jis(row: int, cell: int) -> str:
    """Return the character in that row and cell (from 1 on) of JIS X 0208 with the rows of NEC and IBM."""
    lead = (row - 1) // 2 + (0x81 if row < 63 else 0xC1)
    trail = cell + 0x9E if row % 2 == 0 else cell + (0x3F if cell < 64 else 0x40)
    try:
        return bytes((lead, trail)).decode("cp932")
    except (UnicodeDecodeError, ValueError):
        return _REPLACEMENT


_RUN = re.compile(rb"(?s)(?P<pairs>(?:[\x21-\x7e]{2})+)|(?P<lines>[\r\n]+)|[^\x21-\x7e\r\n]+|.")
_EIGHTH_BIT = bytes(byte | 0x80 for byte in range(256))
_ESCAPE = re.compile(rb"\x1b(\(B|\(J|\(I|\$@|\$B)")


def _iso_2022_jp(body: bytes) -> str:
    """Decode ISO-2022-JP: pieces of ASCII, JIS X 0201 and JIS X 0208, each selected by a preceding escape sequence."""
    first, *rest = _ESCAPE.split(body, MAX_BROKEN)
    named = zip(rest[::2], rest[1::2], strict=True)
    return _ascii(first) + "".join(_iso_2022_piece(kind, piece) for kind, piece in named)


def _iso_2022_piece(kind: bytes, piece: bytes) -> str:
    if kind in (b"$@", b"$B"):
        return _jis_pairs(piece)
    if kind == b"(I":
        return "".join(chr(0xFF40 + byte) if 0x21 <= byte <= 0x5F else _REPLACEMENT for byte in piece)
    text = _ascii(piece)
    return text.replace("\\", "¥").replace("~", "‾") if kind == b"(J" else text


def _ascii(piece: bytes) -> str:
    return piece.decode("ascii", "replace").translate({0x0E: 0xFFFD, 0x0F: 0xFFFD, 0x1B: 0xFFFD})


def _jis_pairs(piece: bytes) -> str:
    """Decode JIS X 0208 as EUC-JP with the eighth bit set; line ends are kept, since some writers omit the escape.

    Bytes after the first MAX_BROKEN runs are dropped.
    """
    text = []
    for run in itertools.islice(_RUN.finditer(piece), MAX_BROKEN):
        if run.lastgroup == "pairs":
            text.append(_multi(run[0].translate(_EIGHTH_BIT), "EUC-JP"))
        else:
            text.append(run[0].decode() if run.lastgroup == "lines" else _REPLACEMENT * len(run[0]))
    return "".join(text)


_GB = _pair(frozenset(range(0x81, 0xFF)))
_EUC = _pair(frozenset((0x8E, 0x8F, *range(0xA1, 0xFF))))
codecs.register_error("finest-c1", _control)
codecs.register_error("finest-gb18030", _gb18030)
codecs.register_error("finest-euc-jp", _euc_jp)
codecs.register_error("finest-cp949", _GB)
codecs.register_error("finest-big5hkscs", _GB)
codecs.register_error("finest-cp932", _pair(frozenset((*range(0x81, 0xA0), *range(0xE0, 0xFD)))))
