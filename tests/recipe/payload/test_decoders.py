"""Labels, decoders and the prescan, held against the WHATWG Encoding Standard and the HTML Standard."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.recipe.payload.decoders import MAX_BROKEN, decode_as
from finest.recipe.payload.labels import _LABELS, encoding_of
from finest.recipe.payload.prescan import PRESCAN_BYTES, declared_encoding

ENCODINGS = sorted(_LABELS)


def test_the_labels_are_the_standards() -> None:
    """228 labels of 40 encodings: the digest is that of `encodings.json`, written as `label name` in order."""
    listed = sorted(f"{label} {name}" for name, labels in _LABELS.items() for label in labels.split())
    assert len(listed) == 228
    assert hashlib.sha256("\n".join(listed).encode()).hexdigest() == (
        "77517792e740bb08c606daf483136cf31d07f09fc1206af69eaf8bd192acd2ab"
    )
    some = (" Latin1\n", "ISO-8859-1", "utf8", "x-sjis", "hz-gb-2312", "utf-7", "")
    assert [encoding_of(label) for label in some] == [
        "windows-1252", "windows-1252", "UTF-8", "Shift_JIS", "replacement", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "data", "text"),
    [("windows-1252", b"a\x81\x80\xff", "a\x81€ÿ"), ("windows-1253", b"\x81\xaa\xd2", "\x81\ufffd\ufffd"),
     ("windows-1255", b"\xca\xd9", "\u05ba\ufffd"), ("windows-874", b"\x81\xa1\xdb", "\x81ก\ufffd"),
     ("KOI8-U", b"\xae\xbe", "ўЎ"), ("ISO-8859-8-I", b"\xe0", "א"), ("macintosh", b"\x80", "Ä"),
     ("x-mac-cyrillic", b"\x80", "А"), ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
     ("GBK", b"\x80\xa3\xa0", "€\u3000"), ("gb18030", b"\xa8\xbc\x81\x30\x81\x30", "\u1e3f\x80"),
     ("GBK", b"\x81<p>", "\ufffd<p>"), ("GBK", b"\xff\xb0\xa1", "\ufffd啊"), ("EUC-KR", b"\x81A\xc7\xd1", "갂한"),
     ("Big5", b"\x88\x62\xa4\xa4", "\u00ca\u0304中"), ("Shift_JIS", b"\x87\x40\xa0\xfd\x80", "①\ufffd\ufffd\x80"),
     ("EUC-JP", b"\xad\xa1\xa1\xc1\x8e\xb1\x8f\xb0\xa1", "①～ｱ丂"), ("EUC-JP", b"\xa4\x3c", "\ufffd<"),
     ("ISO-2022-JP", b'a\x1b$B$"-!\x1b(I1\x1b(J\\~\x1b(Bz', "aあ①ｱ¥‾z"), ("ISO-2022-JP", b"\x1b$B$", "\ufffd"),
     ("UTF-8", b"\xe4\xbd<\xf0\x9f\x98", "\ufffd<\ufffd"), ("UTF-16LE", b"a\0\0\xd8b\0", "a\ufffdb"),
     ("UTF-16BE", b"\0a\0", "a\ufffd")],
)  # fmt: skip
def test_decoders_are_the_standards(encoding: str, data: bytes, text: str) -> None:
    """Where Python's codecs are not, and in how errors are answered."""
    assert decode_as(data, encoding) == text


def test_the_replacement_encoding_is_no_text() -> None:
    """Encodings in which an attack could hide are not read at all."""
    assert decode_as(b"hello", "replacement") is None


@given(data=st.binary(max_size=64), encoding=st.sampled_from([name for name in ENCODINGS if name != "replacement"]))
def test_no_bytes_are_an_error(data: bytes, encoding: str) -> None:
    """And ASCII markup comes through in every encoding that has it."""
    text = decode_as(data + b"\n<p>" * 3, encoding)
    assert text is not None
    assert "<p>" in text or encoding.startswith("UTF-16") or (encoding == "ISO-2022-JP" and b"\x1b" in data)


@pytest.mark.parametrize("encoding", ["GBK", "EUC-JP", "Shift_JIS", "ISO-2022-JP"])
def test_a_megabyte_of_broken_pairs_is_answered_at_once(encoding: str) -> None:
    """Past MAX_BROKEN no pair is looked at by itself."""
    data = b"\x1b$B" + os.urandom(64) + b"\xff\x20" * (MAX_BROKEN + 10)
    text = decode_as(data, encoding)
    assert text is not None
    assert text.count("\ufffd") >= MAX_BROKEN


@pytest.mark.parametrize(
    ("head", "wanted"),
    [("<meta charset=koi8-r>", "KOI8-R"), ("<META CharSet = 'SJIS' >", "Shift_JIS"), ("<meta/charset=gbk/>", None),
     ("<meta content='text/html; charset=big5' http-equiv=Content-Type>", "Big5"),
     ("<meta content='text/html; charset=big5'>", None), ("<meta name=a content='charset=big5'>", None),
     ("<meta charset=nonsense><meta charset=euc-kr>", "EUC-KR"),
     ("<!-- <meta charset=big5> --><meta charset=gbk>", "GBK"),
     ("<!--><meta charset=big5>", "Big5"), ("<a title='<meta charset=big5>'>", None), ("<metal charset=big5>", None),
     ("<!-- <meta charset=big5>", None), ("<meta charset=utf-16>", "UTF-8"),
     ("<meta charset=x-user-defined>", "windows-1252"),
     ("<meta charset=big5 charset=gbk>", "Big5"), ("<meta charset=big5", None),
     ("<p><meta charset=latin1>", "windows-1252"),
     ("<?xml version='1.0' encoding='euc-jp'?><html>", "EUC-JP"), ("</meta charset=big5>", None), ("", None),
     ("<script>a('<meta charset=gbk>')</script>", "GBK"), ("x" * 2000 + "<meta charset=gbk>", "GBK"),
     ("x" * PRESCAN_BYTES + "<meta charset=gbk>", None)],
)  # fmt: skip
def test_the_prescan_is_the_html_standards(head: str, wanted: str | None) -> None:
    """Which declaration of a page counts, and what only looks like one."""
    assert declared_encoding(head.encode()) == wanted
