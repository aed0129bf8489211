"""What leaves the process holds no secret and nothing that commands a terminal."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

from finest.chain.options import ChainOptions
from finest.cli.shared import json_of
from finest.errors import SourceError, UsageError
from finest.masking import holds_secrets, mask_logs, masked, masked_error, one_line, public_address, told_apart
from finest.terminal import plain_console


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host/a.warc.gz: no", "http://***@host/a.warc.gz: no"),
        ("ws://user:p@ss@host:9944 is away", "ws://***@host:9944 is away"),
        ("socks5h://u:p@127.0.0.1:1080", "socks5h://***@127.0.0.1:1080"),
        ("postgresql+psycopg://u:p/w@ss@db/finest", "postgresql+psycopg://***@db/finest"),
        ("postgresql://db/finest?password=pw&sslmode=on", "postgresql://db/finest?password=***&sslmode=on"),
        ("url: /a?X-Amz-Signature=abc&file=a (Caused by", "url: /a?X-Amz-Signature=***&file=a (Caused by"),
        ("https://h/b?sv=1&sig=ab%3D&id=7", "https://h/b?sv=***&sig=***&id=7"),
        ("the token hf_abcdefghijkl is old", "the token *** is old"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: ***"),
        ("https://example.org/@user?page=2", "https://example.org/@user?page=2"),
        ("alice/web@4c1f0c2f", "alice/web@4c1f0c2f"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    """User information and credentials go, whatever the scheme; what else an address says stays."""
    assert masked(text) == shown


def test_a_librarys_words_lose_the_whole_query() -> None:
    """Libraries name the address that they asked for: no parameter of it is known to be harmless."""
    assert masked_error(OSError("url: /a?odd=secret (Caused by X)")) == "OSError: url: /a?*** (Caused by X)"


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("https://u:p@h:8/a/b@c.warc.gz?x=1#y", "https://h:8/a/b@c.warc.gz"),
        ("https://h/a?next=http://u@x/", "https://h/a"),
        ("https://h?x=u@y/z", "https://h"),
        ("s3://bucket/a?b#c", "s3://bucket/a%3Fb%23c"),
        ("/data/a?b.warc.gz", "/data/a?b.warc.gz"),
    ],
)
def test_public_addresses(location: str, address: str) -> None:
    """Host and path are public, and nothing else; a local name is no address."""
    assert public_address(location) == address
    assert not holds_secrets(address)
    assert holds_secrets(location) == (location != address)


def test_addresses_that_differ_in_their_query_are_told_apart() -> None:
    """By what differs and is no right: a new signature changes no suffix, nor does another order."""
    one, two = "https://h/get?file=a&Signature=1&v=3", "https://h/get?file=b&Signature=2&v=3"
    first, second = told_apart([one, two])
    assert first != second and first.startswith("~") and len(first) == 17
    assert told_apart([two.replace("=2", "=9"), one.replace("=1", "=8")]) == [second, first]
    assert told_apart([one, one.replace("Signature=1", "Signature=2")]) == ["", ""]


def test_errors_and_logs_are_masked(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error's text, a log line of any library and its traceback hold neither secrets nor escape sequences."""
    assert str(SourceError("http://u:pw@h/a\x1b[31m")) == "http://***@h/a\ufffd[31m"
    before = logging.getLogRecordFactory()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    try:
        mask_logs()
        try:
            raise ValueError("http://u:pw@h/")
        except ValueError:
            logging.getLogger("elsewhere").exception("at %s\x1b]0;x\x07", "wss://u:pw@h")
    finally:
        logging.setLogRecordFactory(before)
    assert caplog.records[-1].getMessage() == "at wss://***@h\ufffd]0;x\ufffd"
    assert "pw@" not in caplog.text and "http://***@h/" in caplog.text


def test_a_traceback_that_ends_the_process_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last resort: what nobody caught is printed without its secrets."""
    before, stream = logging.getLogRecordFactory(), io.StringIO()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        mask_logs()
        error = OSError("http://u:pw@h/a?odd=secret is away")
        sys.excepthook(OSError, error, None)
    finally:
        logging.setLogRecordFactory(before)
    assert stream.getvalue() == "OSError: http://***@h/a?*** is away\n"


HOSTILE = "a\x1b[2J\x1b]0;owned\x07b\x9b31mc\u202ed\re"


def test_foreign_text_does_not_command_a_terminal() -> None:
    """Whatever is printed, and however it is wrapped, only the console's own sequences come out."""
    stream = io.StringIO()
    plain_console(file=stream, force_terminal=True, color_system=None, soft_wrap=True).print(HOSTILE, markup=False)
    shown = stream.getvalue()
    assert not [char for char in "\x1b\x07\x9b\u202e\r" if char in shown] and shown.startswith("a\ufffd[2J")
    loose = io.StringIO()
    Console(file=loose, force_terminal=True, color_system=None).print(HOSTILE, markup=False)
    assert "\x1b[2J" in loose.getvalue()  # what the hook is there for


def test_a_live_display_is_no_way_round() -> None:
    """What is drawn again and again is cleaned like what is printed once."""
    stream = io.StringIO()
    console = plain_console(file=stream, force_terminal=True, color_system=None)
    with Live(Text(HOSTILE), console=console, auto_refresh=False):
        pass
    assert "owned" in stream.getvalue()
    assert "\x1b]" not in stream.getvalue() and "\u202e" not in stream.getvalue()


def test_a_chain_address_is_masked() -> None:
    """An endpoint may hold a user and password."""
    with pytest.raises(UsageError, match=r"'http://\*\*\*@node:9944' does not begin with ws://"):
        ChainOptions(endpoint="http://u:pa55@node:9944")


def test_one_line_stays_one() -> None:
    """A line break in foreign text begins no line of its own."""
    assert one_line("no \nverified:\tall\n good") == "no verified: all good"
    assert "\n" not in one_line(HOSTILE + "\nverified")


def test_json_for_programs_is_plain() -> None:
    """Control characters are escaped, and a program reads them back as they were."""
    import json

    text = json_of({"url": HOSTILE, "word": "käse"})
    assert not [char for char in "\x1b\x07\x9b\u202e" if char in text] and "käse" in text
    assert json.loads(text)["url"] == HOSTILE
