"""Responses of every kind, made with their verdict: status, codings, type and encoding are drawn, and what is drawn
says what a recipe that reads by the standards must make of the page.

`cases()` is a Hypothesis strategy; `Case.record(number)` gives the WARC record, `Case.reason` the verdict's reason, and
`Case.html` the text that a page must be read as.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import brotli
import zstandard
from hypothesis import strategies as st

from tests.warc.made_warc import record

Coder = Callable[[bytes], bytes]


def raw_deflate(body: bytes) -> bytes:
    """A deflate stream without zlib's header, as some servers send it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def two_members(body: bytes) -> bytes:
    """Two gzip members, one after the other."""
    half = len(body) // 2
    return gzip.compress(body[:half], mtime=0) + gzip.compress(body[half:], mtime=0)


def chunked(body: bytes, size: int = 300, line: bytes = b"%x\r\n%s\r\n", end: bytes = b"0\r\n\r\n") -> bytes:
    """The body in chunks, each written as `line` says."""
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(line % (len(part), part) for part in parts) + end


def same(body: bytes) -> bytes:
    return body


CONTENT_CODINGS: list[tuple[tuple[str, ...], Coder]] = [
    ((), same),
    (("Content-Encoding: identity",), same),
    (("Content-Encoding: gzip",), gzip.compress),
    (("content-encoding:GZIP",), gzip.compress),
    (("Content-Encoding : X-Gzip",), gzip.compress),
    (("Content-Encoding:\r\n\tgzip",), two_members),
    (("Content-Encoding: identity", "Content-Encoding: gzip"), gzip.compress),
    (("Content-Encoding: gzip, identity",), gzip.compress),
    (("Content-Encoding: gzip",), same),
    (("Content-Encoding: deflate",), zlib.compress),
    (("Content-Encoding: Deflate",), raw_deflate),
    (("Content-Encoding: br",), brotli.compress),
    (("Content-Encoding: br",), same),
    (("Content-Encoding: zstd",), zstandard.ZstdCompressor().compress),
    (("Content-Encoding: gzip, br",), lambda body: brotli.compress(gzip.compress(body))),
    (("Content-Encoding: gzip", "Content-Encoding: zstd"), lambda body: zstandard.compress(gzip.compress(body))),
    (("X-Crawl-Content-Encoding: gzip",), same),
    (("Content-Encoding: UTF-8",), same),
]
"""Header lines, and what was done to the body. `same` under a coding's name: the archive stored the body decoded."""

TRANSFER_CODINGS: list[tuple[tuple[str, ...], Coder]] = [
    ((), same),
    (("Transfer-Encoding: chunked",), chunked),
    (("transfer-encoding: Chunked",), lambda body: chunked(body, 41)),
    (("Transfer-Encoding:\r\n chunked",), lambda body: chunked(body, end=b"00000\r\nX-Sum: 1\r\n\r\n")),
    (("Transfer-Encoding: chunked",), lambda body: chunked(body, line=b"%04X \r\n%s\r\n")),
    (("Transfer-Encoding: chunked",), lambda body: chunked(body, line=b"%x\n%s\n", end=b"0\n\n")),
    (("Transfer-Encoding: chunked",), lambda body: chunked(body, line=b'%x;a="' + b"q" * 90 + b'"\r\n%s\r\n')),
    (("Transfer-Encoding: chunked",), lambda body: chunked(body, end=b"")),
    (("Transfer-Encoding: identity", "Transfer-Encoding: chunked"), chunked),
    (("Transfer-Encoding: chunked, chunked",), chunked),
    (("Transfer-Encoding: gzip, chunked",), lambda body: chunked(gzip.compress(body))),
    (("Transfer-Encoding: chunked",), same),
]  # fmt: skip

UNKNOWN_CODINGS = ("compress", "aes128gcm", "dcb")

STATUSES = {
    "HTTP/1.1 200 OK": True, "HTTP/1.0 200": True, "http/1.1 203 Fine": True, "HTTP/2 206": True,
    "ICY 200 OK": True, "HTTP/1.1  200  OK": True, "HTTP/1.1 0 OK": True, "HTTP/1.1": True, "": True,
    "HTTP/1.1 404 Not Found": False, "HTTP/1.1 301 Moved": False, "HTTP/2 503": False, "HTTP/1.1 999 No": False,
    "HTTP/1.1 404 Art\u00edculo no encontrado": False, "HTTP/1.1 100 Continue": False,
}  # fmt: skip
"""Status line -> whether the response is a page; an empty one is left out."""

TYPES: dict[tuple[str | None, str | None], bool] = {
    ("text/html", None): True,
    ("Text/HTML;charset=x", "image/png"): True,
    (" TEXT/HTML ; a=b", None): True,
    ("application/xhtml+xml; q", "text/plain"): True,
    (None, "text/html"): True,
    (None, "text/html, text/html"): True,
    (None, "*/*"): True,
    ("", "TEXT/html;"): True,
    ("unk", "text/html"): True,
    ("unk", None): True,
    (None, None): True,
    ('"text/html"', None): True,
    ("text/plain", "text/html"): False,
    ("application/pdf", "text/html"): False,
    (None, "image/png"): False,
    (None, "text/plain"): False,
    (None, "application/octet-stream"): False,
}
"""(WARC-Identified-Payload-Type, Content-Type) -> whether an HTML body is a page."""

TEXTS = {
    "utf-8": ("utf-8", "Ünïcode — “quoted” 漢字 кириллица"),
    "UTF8": ("utf-8", "naïve café"),
    "iso-8859-1": ("cp1252", "naïve café “quoted” – 5 €"),
    "Latin1": ("cp1252", "L’été à Orléans"),
    "us-ascii": ("cp1252", "déjà vu"),
    "windows-1251": ("cp1251", "Съешь ещё этих мягких булок"),
    "koi8-r": ("koi8_r", "Съешь ещё этих мягких булок"),
    "iso-8859-9": ("cp1254", "Şişli'de güneşli bir gün"),
    "shift_jis": ("cp932", "素早い茶色の狐①"),
    "x-sjis": ("cp932", "犬を飛び越える"),
    "euc-jp": ("euc_jp", "素早い茶色の狐"),
    "iso-2022-jp": ("iso2022_jp", "素早い茶色の狐"),
    "gb2312": ("gb18030", "敏捷的棕色狐狸"),
    "big5": ("big5hkscs", "敏捷的棕色狐狸"),
    "ks_c_5601-1987": ("cp949", "빠른 갈색 여우 똠"),
    "tis-620": ("cp874", "สุนัขจิ้งจอก"),
}  # fmt: skip
"""Label -> Python's codec of the same encoding, and words in it."""

WHERE = ("http", "meta", "pragma", "http over meta", "bom")


@dataclass(frozen=True)
class Case:
    """A response, and what becomes of it."""

    status: str
    headers: tuple[str, ...]
    body: bytes
    identified: str | None
    reason: str
    """Of the verdict by a recipe that drops nothing after reading."""
    html: str

    def record(self, number: int) -> bytes:
        """The WARC record of the response."""
        lines = [line for line in (self.status, *self.headers) if line]
        block = "\r\n".join([*lines, "Server: made"]).encode("latin-1") + b"\r\n\r\n" + self.body
        stated = {} if self.identified is None else {"WARC_Identified_Payload_Type": self.identified}
        return record("response", f"https://example.com/{number}", block, **stated)


def page(words: str, head: str = "") -> str:
    """A page that holds the words many times over."""
    body = "".join(f"<p>{words} number {number} of the day.</p>\n" for number in range(12))
    return f"<!DOCTYPE html>\n<html><head>{head}<title>Words</title></head>\n<body>{body}</body></html>\n"


def encoded(label: str, where: str) -> tuple[str, bytes, str]:
    """The charset parameter of Content-Type, the bytes of a page, and the page."""
    codec, words = TEXTS[label]
    if where == "bom":
        html = page(words)
        return "; charset=koi8-r", codecs.BOM_UTF8 + html.encode(), html
    head = {
        "http": "",
        "meta": f'<meta name=a><META CharSet = "{label}">',
        "pragma": f"<meta content='text/html; charset={label}' http-equiv=Content-Type>",
        "http over meta": "<meta charset=macintosh>",
    }[where]
    html = page(words, head)
    return f'; charset="{label}"' if where.startswith("http") else "", html.encode(codec), html


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any response of those above."""
    label, where = draw(st.sampled_from(sorted(TEXTS))), draw(st.sampled_from(WHERE))
    pages = [line for line, is_page in STATUSES.items() if is_page]
    status = draw(st.sampled_from(pages * 2 + [line for line in STATUSES if line not in pages]))
    is_page = STATUSES[status]
    (identified, content_type), is_html = draw(st.sampled_from(sorted(TYPES.items(), key=str)))
    transfer_lines, to_wire = draw(st.sampled_from(TRANSFER_CODINGS))
    content_lines, pack = draw(st.sampled_from(CONTENT_CODINGS))
    unknown = draw(st.sampled_from([None] * 12 + list(UNKNOWN_CODINGS)))
    if content_type is None and where.startswith("http"):
        where = "meta"
    charset, body, html = encoded(label, where)
    if content_type is not None and "," not in content_type and "*" not in content_type:
        content_type = content_type.rstrip(";") + charset
    elif where.startswith("http"):
        _, body, html = encoded(label, "meta")
    body = to_wire(pack(body))
    if unknown:
        content_lines, body = (f"Content-Encoding: {unknown}",), b"\x1f\x9d\x90" + gzip.compress(body)[10:]
        transfer_lines = ()
    types = () if content_type is None else (f"Content-Type: {content_type}",)
    reason = (
        "http_status" if not is_page else "payload_coding" if unknown else "payload_type" if not is_html else "kept"
    )
    return Case(status, (*types, *content_lines, *transfer_lines), body, identified, reason, html)
