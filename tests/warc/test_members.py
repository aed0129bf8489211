"""Gzip members: found, read, and skipped over when they are damaged."""

from __future__ import annotations

import gzip
import io
import random
import zlib

import pytest

from finest.warc import members as warc_members
from finest.warc.cut import Cut
from finest.warc.cutter import Cutter
from finest.warc.frames import Frames
from finest.warc.loss import Loss
from finest.warc.members import LOOKBACK_BYTES
from finest.warc.stream import BLOCK_BYTES
from finest.warc.tape import Tape
from tests.warc.made_warc import members, record, records, stored


def read_all(data: bytes, max_bytes: int = 1 << 20) -> tuple[list[bytes], list[tuple[str, int, int]]]:
    """Every record, with the newlines that end it, and (reason, offset, length) of the losses."""
    found = list(Cutter(Frames(Tape(io.BytesIO(data)), max_bytes), max_bytes, in_file=True).until())
    good = [item.data[: item.end] + b"\r\n\r\n" for item in found if isinstance(item, Cut)]
    return good, [(item.reason, item.offset, item.length) for item in found if isinstance(item, Loss)]


def test_each_member_is_read_once() -> None:
    """Well-formed members come out whole and in order, and nothing is lost."""
    parts = records(20)
    assert read_all(members(parts)) == (parts, [])


def test_damage_costs_one_member() -> None:
    """A member whose data is damaged is one loss that covers exactly its bytes."""
    parts = records(3)
    before, damaged, after = members(parts[:4]), bytearray(members(parts[4:5])), members(parts[5:])
    damaged[len(damaged) // 2] ^= 0xFF
    good, losses = read_all(before + bytes(damaged) + after)
    assert good == parts[:4] + parts[5:]
    assert losses == [("gzip_corrupt", len(before), len(damaged))]


def test_a_wrong_checksum_is_damage() -> None:
    """A member that inflates but fails its CRC is not believed."""
    parts = records(1)
    data = bytearray(members(parts))
    data[-8] ^= 0xFF
    good, losses = read_all(bytes(data))
    assert good == parts[:-1]
    assert [reason for reason, _, _ in losses] == ["gzip_corrupt"]


def test_damage_over_several_members_is_left_at_the_next_good_one() -> None:
    """A stretch of zeros over many members is one loss up to the first member after it."""
    parts = records(10)
    data = bytearray(members(parts))
    data[1000:3000] = bytes(2000)
    good, losses = read_all(bytes(data))
    assert [part for part in parts if part in good] == good
    assert sum(length for _, _, length in losses) == len(data) - sum(len(members([part])) for part in good)


def test_a_cut_inside_a_member_is_named_truncated() -> None:
    """A file that ends inside a member loses that member alone."""
    parts = records(2)
    data = members(parts)[:-5]
    good, losses = read_all(data)
    assert good == parts[:-1]
    assert losses == [("gzip_truncated", len(members(parts[:-1])), len(data) - len(members(parts[:-1])))]


def test_padding_between_members_is_a_gap() -> None:
    """Bytes that are no gzip member are counted, before, between and after the members."""
    one, two = (members([part]) for part in records(1)[:2])
    _, losses = read_all(b"\0" * 10 + one + b"junk" + two + b"\0" * 7)
    assert losses == [
        ("stream_gap", 0, 10),
        ("stream_gap", 10 + len(one), 4),
        ("stream_gap", 14 + len(one) + len(two), 7),
    ]


def test_a_member_without_a_record_is_named() -> None:
    """A whole gzip member that holds something else is lost as such."""
    other = members([b"<html>not a record</html>"])
    good, losses = read_all(members(records(1)) + other)
    assert good == records(1)
    assert losses == [("not_warc_member", len(members(records(1))), len(other))]


def test_a_large_member_is_thrown_away_and_the_next_one_read() -> None:
    """A member beyond the limit is one loss of its exact length, whatever it decompresses to."""
    large, after = record("response", "https://example.com/large", bytes(300_000)), records(1)
    good, losses = read_all(members([large]) + members(after), max_bytes=100_000)
    assert good == after
    assert losses == [("record_too_large", 0, len(members([large])))]


def test_a_bomb_is_given_up() -> None:
    """A member that decompresses beyond 20 times the limit is not read to its end, and the next member is found."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = deflater.compress(b"WARC/1.0\r\n") + b"".join(deflater.compress(bytes(1 << 20)) for _ in range(64))
    bomb += deflater.flush()
    good, losses = read_all(bomb + members(records(1)), max_bytes=1 << 20)
    assert good == records(1)
    assert losses == [("record_too_large", 0, len(bomb))]


def test_the_magic_number_alone_is_no_member() -> None:
    """Gzip's magic number inside damage does not stop the search for a member."""
    parts = records(1)
    good, losses = read_all(b"\x1f\x8b\x08\x00 not gzip \x1f\x8b\x08" + members(parts))
    assert good == parts
    assert [(offset, length) for _, offset, length in losses] == [(0, 17)]


def test_the_window_stays_small() -> None:
    """While a long member is read, no more than the look-back is held."""
    noise = bytes(zlib.crc32(i.to_bytes(4, "big")) & 0xFF for i in range(1 << 16)) * 160
    tape = Tape(io.BytesIO(stored(record("response", "https://example.com/", noise))))
    for found in Cutter(Frames(tape, 1 << 24), 1 << 24, in_file=True).until():
        assert isinstance(found, Cut)
    assert len(tape._held) <= LOOKBACK_BYTES + BLOCK_BYTES


@pytest.mark.parametrize("seed", range(5))
def test_the_quick_way_finds_what_zlib_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a few flipped bits damage, ISA-L's way and zlib's give the same members and the same losses."""
    random_ = random.Random(seed)
    sound = members(records(6))
    damaged = []
    for _ in range(60):
        data = bytearray(sound)
        for _ in range(random_.randint(1, 3)):
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        damaged.append(bytes(data[: random_.choice((None, random_.randrange(len(data))))]))
    quick = [read_all(data) for data in damaged]
    monkeypatch.setattr(warc_members, "quickly", lambda *_: None)
    assert quick == [read_all(data) for data in damaged]


def test_a_header_with_options_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that names its file is a member, and goes to zlib; one without never does."""
    part = record("response", "http://a.example/", b"x" * 5000)
    named = io.BytesIO()
    with gzip.GzipFile("name", "wb", fileobj=named) as file:
        file.write(part)
    assert read_all(named.getvalue()) == ([part], [])
    monkeypatch.setattr(warc_members, "slowly", None)
    assert read_all(members([part])) == ([part], [])
