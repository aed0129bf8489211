"""Codings of a body: undone from the end, bounded, and dropped by name where they cannot be undone."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from functools import partial
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from finest.recipe.payload import PayloadTooLarge, Undecodable, codings
from finest.recipe.payload.codings import MAX_CODINGS, undo, undo_unnamed
from tests.recipe.payload.wanted import chunked

MAX_BYTES = 1 << 20
HTML = "".join(f"<p>Paragraph {number} of {number * 7919 % 1000} says something else.</p>" for number in range(400))
BODY = HTML.encode()
PACK: dict[str, Any] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", PACK)
def test_a_body_that_ends_early_gives_what_is_there(coding: str) -> None:
    """Nearly all of it: of brotli and Zstandard whole blocks."""
    packed = PACK[coding](BODY)
    got = undo(packed[: len(packed) * 3 // 4], [coding], MAX_BYTES)
    assert BODY.startswith(got)
    assert coding == "zstd" or len(got) > len(BODY) // 3


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_damage_gives_what_comes_before_it(coding: str) -> None:
    """To the byte, wherever in a block it is."""
    packed = bytearray(PACK[coding](BODY))
    at = len(packed) // 2
    packed[at : at + 8] = b"\xff" * 8
    got = undo(bytes(packed), [coding], MAX_BYTES)
    assert len(got) > len(BODY) // 4
    assert BODY.startswith(got[: len(BODY) // 4])


def test_a_wrong_checksum_costs_nothing() -> None:
    """The text is all there."""
    assert undo(gzip.compress(BODY)[:-8] + bytes(8), ["gzip"], MAX_BYTES) == BODY


def deflated(body: bytes, wbits: int) -> bytes:
    """A deflate stream with zlib's header, or without one if `wbits` is negative."""
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(body) + packer.flush()


CUT_OFF: dict[str, tuple[str, Any]] = {
    **{coding: (coding, pack) for coding, pack in PACK.items()},
    **{f"deflate, {wbits}": ("deflate", partial(deflated, wbits=wbits)) for wbits in (-15, 9, 12)},
}


@pytest.mark.parametrize("kind", CUT_OFF)
def test_a_body_that_is_cut_off_anywhere_never_passes_for_text(kind: str) -> None:
    """Also where the bytes that are left contain no binary one: they give a part of the page, or nothing."""
    coding, pack = CUT_OFF[kind]
    for number in range(20):
        page = f"<!DOCTYPE html>\n<p>素早い number {number}</p>\n".encode() + b"".join(
            b"<p>%d</p>" % n for n in range(50)
        )
        packed = pack(page)
        for end in range(1, len(packed)):
            with contextlib.suppress(Undecodable):
                assert page.startswith(undo(packed[:end], [coding], MAX_BYTES))


@pytest.mark.parametrize("body", [b"<p>", b"\xef\xbb\xbf\n<p>\xe4", BODY])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
def test_a_plain_body_under_a_codings_name_is_text(body: bytes, coding: str) -> None:
    """However short it is, if it begins with a tag."""
    assert undo(body, [coding], MAX_BYTES) == body


@pytest.mark.parametrize("coding", ["compress", "aes128gcm", "dcb", "nonsense"])
def test_an_unknown_coding_is_dropped_by_name(coding: str) -> None:
    """Packed bytes never pass for a text; a body that is plain does."""
    with pytest.raises(Undecodable, match=coding):
        undo(b"\x1f\x9d\x90" + gzip.compress(BODY), [coding], MAX_BYTES)
    assert undo(BODY, [coding], MAX_BYTES) == BODY


@pytest.mark.parametrize("coding", PACK)
def test_binary_bytes_under_a_codings_name_are_dropped(coding: str) -> None:
    """What is neither packed that way nor plain."""
    with pytest.raises(Undecodable):
        undo(b"\x00\x01\x02\x03" * 99, [coding], MAX_BYTES)


@pytest.mark.parametrize("coding", PACK)
def test_a_bomb_is_bounded(coding: str) -> None:
    """A body that decodes beyond the limit is given up, in one step or in two."""
    bomb = PACK[coding](bytes(MAX_BYTES + 1))
    with pytest.raises(PayloadTooLarge):
        undo(bomb, [coding], MAX_BYTES)
    with pytest.raises(PayloadTooLarge):
        undo(gzip.compress(bomb), [coding, "gzip"], MAX_BYTES)


def test_endless_codings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As are endless chunks: both only cost time."""
    monkeypatch.setattr(codings, "MAX_CHUNKS", 100)
    with pytest.raises(Undecodable):
        undo(BODY, ["gzip"] * (MAX_CODINGS + 1), MAX_BYTES)
    with pytest.raises(Undecodable):
        undo(b"1\r\na\r\n" * 101, ["chunked"], MAX_BYTES)


def test_endless_members_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty gzip members cost time and give nothing."""
    monkeypatch.setattr(codings, "MAX_MEMBERS", 100)
    many = gzip.compress(b"a") + gzip.compress(b"") * 100 + gzip.compress(b"b")
    assert undo(many, ["gzip"], MAX_BYTES) == b"a"
    assert undo(gzip.compress(b"a") * 99, ["gzip"], MAX_BYTES) == b"a" * 99


def test_a_first_line_that_only_looks_like_a_size_is_text() -> None:
    """A body that was stored without its chunks may begin with `Dad`."""
    assert undo(b"5\nand more than five bytes", ["chunked"], MAX_BYTES) == b"5\nand more than five bytes"


def test_a_broken_chunk_ends_the_body() -> None:
    """What follows a size that is wrong is no text."""
    assert undo(b"3\r\nabc\r\nzz\r\ndef\r\n0\r\n\r\n", ["chunked"], MAX_BYTES) == b"abc"
    assert undo(b"3\r\nabc\r\n4\r\nde", ["chunked"], MAX_BYTES) == b"abcde"


@pytest.mark.parametrize("cut", [b"c2", b"c2\r", b"1F ;name=value", b"\r\nc2"])
def test_a_body_that_ends_in_its_first_chunk_size_is_empty(cut: bytes) -> None:
    """A chunk's size is never taken for text of the page."""
    assert undo(cut, ["chunked"], MAX_BYTES) == b""


@pytest.mark.parametrize("cut", [b"3\r\nabc", b"3\r\nabc\r", b"3\r\nab", b"3\r\nabc \r"])
def test_a_body_that_ends_at_its_first_chunk_is_what_is_there(cut: bytes) -> None:
    """Wherever the end of the chunk is cut, its size is not taken for text."""
    assert undo(cut, ["chunked"], MAX_BYTES) == cut.partition(b"\n")[2].rstrip()


@given(body=st.binary(max_size=300), coding=st.sampled_from([*PACK, "chunked", "compress"]))
def test_no_body_is_an_error(body: bytes, coding: str) -> None:
    """Whatever the bytes, the answer is a body or a named reason."""
    with contextlib.suppress(Undecodable):
        assert isinstance(undo(body, [coding], MAX_BYTES), bytes)


@given(body=st.binary(max_size=2000), listed=st.lists(st.sampled_from(list(PACK)), max_size=4))
def test_codings_are_undone_from_the_end(body: bytes, listed: list[str]) -> None:
    """Any list of codings that were applied in its order."""
    packed = body
    for coding in listed:
        packed = PACK[coding](packed)
    assert undo(packed, listed, MAX_BYTES) == body


@pytest.mark.parametrize("named", [*PACK, "x-gzip", "utf-8", "none", "zlib"])
@pytest.mark.parametrize("real", PACK)
def test_the_bytes_overrule_a_wrong_name(named: str, real: str) -> None:
    assert undo(PACK[real](BODY), [named], MAX_BYTES) == BODY


@pytest.mark.parametrize("real", PACK)
def test_what_no_field_names_is_undone(real: str) -> None:
    """A tool dropped the fields of the header, or a server packed twice."""
    packed = PACK[real](BODY)
    assert undo_unnamed(packed, MAX_BYTES) == undo_unnamed(gzip.compress(packed), MAX_BYTES) == BODY
    assert undo_unnamed(chunked(packed), MAX_BYTES) == undo(chunked(packed), [real], MAX_BYTES) == BODY
    assert undo_unnamed(chunked(BODY)[:-100], MAX_BYTES) == BODY[: -100 + len("\r\n0\r\n\r\n")]


@pytest.mark.parametrize("real", ["gzip", "zstd", "deflate"])
def test_a_bomb_that_no_field_names_is_bounded(real: str) -> None:
    """Brotli, which only decoding shows, counts as binary data then."""
    with pytest.raises(PayloadTooLarge):
        undo_unnamed(PACK[real](bytes(MAX_BYTES + 1)), MAX_BYTES)
    bomb = brotli.compress(bytes(MAX_BYTES + 1))
    assert undo_unnamed(bomb, MAX_BYTES) == bomb


@pytest.mark.parametrize("text", [b"", b"5\r\nis a number", b"Dad\r\n<p>", b"0\r\n\r\n", b"x^2 + y", BODY])
def test_text_shows_no_coding(text: bytes) -> None:
    assert undo_unnamed(text, MAX_BYTES) == text


@given(body=st.binary(max_size=300))
def test_no_unnamed_body_is_an_error(body: bytes) -> None:
    for head in (b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"x\x9c\0", b"1\r\na\r\n"):
        with contextlib.suppress(Undecodable):
            assert isinstance(undo_unnamed(head + body, MAX_BYTES), bytes)
