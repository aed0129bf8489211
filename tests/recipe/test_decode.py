"""From bytes to text: what a page declares is followed, and no stray byte costs more than itself."""

from __future__ import annotations

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.recipe.decode import Decoded, decode
from finest.recipe.payload import Response
from finest.recipe.payload.sniff import HTML, XHTML, sniff
from finest.recipe.recipe import DecodeRules

ENGLISH = "The café’s owner wrote “naïve” – twice. " + "Nothing else of this page is beyond ASCII. " * 9
FRENCH = "Été à Orléans : l’élève a été reçu très tôt, où qu’il fût né. " * 9


def read(body: bytes, charset: str | None = None) -> Decoded:
    return decode(Response(body, "text/html", charset), DecodeRules())


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1252", "latin1", "ascii"])
def test_what_http_declares_is_followed(declared: str) -> None:
    """A few bytes beyond ASCII are not guessed at, and Latin-1 is windows-1252."""
    assert read(ENGLISH.encode("cp1252"), declared) == Decoded(ENGLISH, "windows-1252")


def test_the_order_of_declarations() -> None:
    """Byte order mark, HTTP, the page itself; a label that is none is passed over."""
    meta = b"<meta charset=koi8-r>"
    russian = "Съешь ещё этих мягких булок. "
    assert read(b"\xef\xbb\xbf" + russian.encode(), "koi8-r") == Decoded(russian, "UTF-8")
    assert read(b"\xff\xfe" + russian.encode("utf-16-le"), "koi8-r") == Decoded(russian, "UTF-16LE")
    assert read(meta + russian.encode("cp1251"), "windows-1251").encoding == "windows-1251"
    assert read(meta + russian.encode("koi8-r"), "nonsense").encoding == "KOI8-R"


@pytest.mark.parametrize("charset", [None, "utf-8"])
@given(stray=st.binary(min_size=1, max_size=1), at=st.integers(0, 150))
def test_one_stray_byte_costs_itself(charset: str | None, stray: bytes, at: int) -> None:
    """The rest of a page in UTF-8 is read as before."""
    body = FRENCH.encode()
    text = read(body[:at] + stray + body[at:], charset).text
    assert text is not None
    assert abs(len(text) - len(FRENCH)) <= 3
    assert text.count("Ã") == 0 or stray in b"\xc3\x83"  # the two bytes of that character
    assert text[-400:] == FRENCH[-400:]


@pytest.mark.parametrize("charset", [None, "utf-8"])
@given(end=st.integers(1, 60))
def test_a_page_that_is_cut_in_a_character_is_kept(charset: str | None, end: int) -> None:
    """What is there of it."""
    text = read(FRENCH.encode()[: 500 + end], charset).text
    assert text is not None
    assert FRENCH.startswith(text.rstrip("\ufffd"))


def test_bytes_that_are_utf8_are_utf8() -> None:
    """Servers name Latin-1 for whatever they send; text in it is never UTF-8 by chance."""
    assert read(FRENCH.encode(), "iso-8859-1") == Decoded(FRENCH, "UTF-8")
    assert read(b"<meta charset=windows-1251>" + "Привет".encode()).encoding == "UTF-8"


def test_few_double_bytes_that_look_like_utf8_are_what_is_declared() -> None:
    """A page with two Chinese characters may be UTF-8 by chance."""
    body = b"<p>" + "拢拢".encode("gbk")
    assert body.decode("utf-8")
    assert read(body, "gbk") == Decoded("<p>拢拢", "GBK")


def test_ascii_may_be_an_encoding_of_escapes() -> None:
    """ISO-2022-JP and UTF-16 are valid UTF-8 too."""
    japanese = "素早い茶色の狐"
    assert read(japanese.encode("iso2022_jp"), "iso-2022-jp") == Decoded(japanese, "ISO-2022-JP")
    assert read("plain".encode("utf-16-le"), "utf-16") == Decoded("plain", "UTF-16LE")


def test_a_declaration_of_utf8_that_is_plainly_wrong_is_passed_over() -> None:
    """Where the page itself knows better, and where nobody does; a few broken bytes do not count."""
    assert read(b"<meta charset=windows-1252>" + FRENCH.encode("cp1252"), "utf-8").text == (
        "<meta charset=windows-1252>" + FRENCH
    )
    assert read(FRENCH.encode("cp1252"), "utf-8").text == FRENCH
    assert read(b"It\x92s here, and nothing else is.", "utf-8") == Decoded(
        "It\ufffds here, and nothing else is.", "UTF-8"
    )


@pytest.mark.parametrize("charset", [None, "utf-8", "windows-1252", "big5"])
def test_bytes_that_are_no_text_are_none(charset: str | None) -> None:
    """Random and packed bytes, under whatever name."""
    noise = b"".join(gzip.compress(bytes([number]) * 50) for number in range(200))
    assert read(noise, charset).text is None
    assert read(b"\0\xff" * 999, charset).text is None


def test_encodings_that_attacks_hide_in_are_no_text() -> None:
    """What the Standard calls `replacement`."""
    assert read(b"\x1b$)Chello", "iso-2022-kr") == Decoded(None, "replacement")


def test_nothing_declared_is_guessed() -> None:
    """By the bytes; windows-1252 where they say too little."""
    russian = "Съешь ещё этих мягких французских булок, да выпей чаю. " * 9
    assert read(russian.encode("cp1251")).text == russian
    assert (
        read("Käse und Brot, mehr steht hier nicht.".encode("cp1252")).text == "Käse und Brot, mehr steht hier nicht."
    )
    assert read(os.urandom(0)) == Decoded("", "UTF-8")


@pytest.mark.parametrize("charset", [None, "cp949", "utf-8"])
def test_korean_is_guessed_by_whatever_name(charset: str | None) -> None:
    """cchardet says UHC, which is no label; windows-1252 of it would be no language."""
    korean = "늙은 방앗간 주인은 소녀가 더 큰 사과를 따고 있었기 때문에 다리를 건넜다. " * 5
    assert read(korean.encode("cp949"), charset) == Decoded(korean, "EUC-KR")
    russian = "Старый мельник перешёл через мост, потому что девочка собирала яблоки. " * 5
    assert read(russian.encode("mac_cyrillic")) == Decoded(russian, "x-mac-cyrillic")


def test_escapes_tell_japanese() -> None:
    """Mail archives declare nothing."""
    japanese = "古い水車小屋の主人は橋を渡った。"
    assert read(japanese.encode("iso2022_jp")) == Decoded(japanese, "ISO-2022-JP")
    assert read(b"a \x1b[1mbold\x1b[0m word") == Decoded("a \x1b[1mbold\x1b[0m word", "UTF-8")


def test_datatroves_way_is_another() -> None:
    """It guesses what is declared, and drops what has one stray byte."""
    rules = DecodeRules(encoding="datatrove")
    assert decode(Response(FRENCH.encode() + b"\xff", "", "utf-8"), rules).text not in (None, FRENCH + "\ufffd")


@pytest.mark.parametrize("kind", ["LE", "BE"])
@pytest.mark.parametrize("declared", [None, "utf-8", "utf-16", "iso-8859-1"])
def test_utf_16_without_a_mark_is_recognised(kind: str, declared: str | None) -> None:
    """Whatever HTTP declares: a page that begins with zeros around `<` is in no other encoding."""
    for text in ("\r\n<!DOCTYPE html><p>naïve “café”", "<html>", "<?xml version='1.0'?><html>"):
        body = text.encode(f"utf-16-{kind}")
        assert read(body, declared) == Decoded(text, f"UTF-16{kind}")
        assert sniff(body) in (HTML, XHTML)
