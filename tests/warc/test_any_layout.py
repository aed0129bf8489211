"""Whatever the layout, the blocks that reads bring, the connections and the slices: the same records and losses."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.warc.cutter import Cutter
from finest.warc.frames import Frames
from finest.warc.layout import Layout
from finest.warc.loss import Loss
from finest.warc.record import Record
from finest.warc.slices import SliceReader, plan_slices
from finest.warc.source import Source, _layout
from finest.warc.stream import Opened, ResumableStream, RetryPolicy
from finest.warc.tape import Tape
from tests.deep import NIGHTLY, examples
from tests.warc import layouts
from tests.warc.layouts import GZIP_LAYOUTS, LAYOUTS
from tests.warc.made_warc import http, page, record, records

AT_ONCE = RetryPolicy(first_s=0.0, cap_s=0.0, refused_floor_s=0.0)
MAX_BYTES = 1 << 20
QUOTED = http(b"\r\n\r\n" + b"".join(page(90, b"quoted")) + b"\r\n\r\nWARC/1.0")
INSIDE = [
    record("response", "https://example.com/a.warc", QUOTED, WARC_Identified_Payload_Type="text/plain"),
    record("response", "https://example.com/a.gz", http(gzip.compress(b"".join(page(91, b"inside")), mtime=0))),
]
"""Pages whose bodies look like records and members: they are one page each."""
PARTS = [
    record("warcinfo", "", b"a: b\r\n"),
    *page(0, b"zero"),
    *INSIDE,
    *page(1, b"one"),
    *page(2, bytes(range(256))),
    *page(3, b""),
]
WANTED = [f"https://example.com/{name}" for name in ("0", "a.warc", "a.gz", "1", "2", "3")]


class Memory:
    """Bytes behind connections that bring `blocks` bytes a read, in turns, and break at each of `cuts` once."""

    location, host = "memory", "memory"
    transient = (ConnectionResetError,)

    def __init__(self, data: bytes, blocks: Sequence[int] = (1 << 20,), cuts: Sequence[int] = ()) -> None:
        self.data, self.blocks, self.cuts = data, blocks, sorted(cuts)

    def open(self, position: int, etag: str | None, end: int | None = None) -> Opened:
        return Opened(_Body(self, position), None, len(self.data), len(self.data))


class _Body:
    def __init__(self, memory: Memory, position: int) -> None:
        self.memory, self.position, self.turn = memory, position, 0

    def read(self, size: int) -> bytes:
        memory = self.memory
        if memory.cuts and self.position >= memory.cuts[0]:
            memory.cuts.pop(0)
            raise ConnectionResetError("reset")
        size = min(size, memory.blocks[self.turn % len(memory.blocks)])
        self.turn += 1
        block = memory.data[self.position : self.position + size]
        self.position += len(block)
        return block

    def close(self) -> None:
        pass


@dataclass
class Found:
    """What reading a file gave: its pages, what was lost, how many records of each type."""

    pages: list[Record]
    losses: list[Loss]
    counts: dict[str, int]


def look(
    data: bytes, slice_bytes: int = 1 << 30, blocks: Sequence[int] = (1 << 20,), cuts: Sequence[int] = (),
    per_stream: int = 1,
) -> Found:  # fmt: skip
    """Read a file in slices, as a run does: those that do not chain are read again. So many share a stream."""
    opener = Memory(data, blocks, cuts)
    layout = _layout("memory", Tape(ResumableStream(opener, policy=AT_ONCE)))
    source = Source("memory", "memory", len(data), None, layout)
    found, position, before = Found([], [], {}), 0, None
    for one in plan_slices(source, 0, slice_bytes):
        keeps_open = one.index % per_stream != per_stream - 1
        handed = before.hand_on(source, one, None) if before else None
        reader = SliceReader(
            handed[0] if handed else ResumableStream(opener, position=one.start, policy=AT_ONCE), source, one,
            synced=handed is not None or one.start == 0, limit=None, max_record_bytes=MAX_BYTES,
            page_types=("response",), keeps_open=keeps_open, tape=handed[1] if handed else None,
        )  # fmt: skip
        pages = list(reader)
        if reader.first_offset != position:
            reader = SliceReader(
                ResumableStream(opener, position=position, policy=AT_ONCE), source, one, synced=True,
                limit=None, max_record_bytes=MAX_BYTES, page_types=("response",), keeps_open=keeps_open,
            )  # fmt: skip
            pages = list(reader)
        before = reader
        assert reader.first_offset == position
        position = reader.next_offset
        assert reader.sha256 == hashlib.sha256(data[reader.first_offset : position]).hexdigest()
        found.pages += pages
        found.losses += reader.losses
        for kind, count in reader.records.items():
            found.counts[kind] = found.counts.get(kind, 0) + count
    assert position == len(data)
    return found


def urls(found: Found) -> list[str]:
    return [one.url for one in found.pages]


FILES = {name: make(PARTS) for name, make in LAYOUTS.items()}
WHOLE = {name: look(data) for name, data in FILES.items()}
EXPECTED = look(layouts.gzip_each(PARTS))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_page_of_a_sound_file_is_read(name: str) -> None:
    """All layouts give the same pages, with their languages, and lose nothing."""
    found = WHOLE[name]
    assert urls(found) == WANTED
    assert [replace(one, offset=0, length=0) for one in found.pages] == [
        replace(one, offset=0, length=0) for one in EXPECTED.pages
    ]
    assert (found.losses, found.counts) == ([], EXPECTED.counts)


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_size_of_a_block_changes_what_is_read(name: str) -> None:
    """Reads that bring 1 byte, or any other number, give the same."""
    for size in (1, 700):
        assert look(FILES[name], blocks=(size,)) == WHOLE[name]


@pytest.mark.parametrize("name", GZIP_LAYOUTS)
def test_no_size_of_a_slice_changes_what_is_read(name: str) -> None:
    """However a file is cut in slices, the records, their places and counts are the same."""
    for size in (1, 13, 100, 1000):
        assert look(FILES[name], slice_bytes=size if size > 50 else len(FILES[name]) // size // 2 + 1) == WHOLE[name]


@settings(max_examples=examples(25, 400))
@given(
    name=st.sampled_from(list(LAYOUTS)), slice_bytes=st.integers(30, 9000), data=st.data(),
    blocks=st.lists(st.integers(1, 70_000), min_size=1, max_size=5), share=st.lists(st.floats(0, 1), max_size=4),
    per_stream=st.integers(1, 9),
)  # fmt: skip
def test_nothing_depends_on_how_a_file_is_read(
    name: str, slice_bytes: int, data: st.DataObject, blocks: list[int], share: list[float], per_stream: int
) -> None:
    """Blocks of any sizes, connections that break anywhere, slices of any size, streams that go on over any number of
    them give the same; damaged files too.
    """
    file = bytearray(FILES[name])
    expected = WHOLE[name]
    if data.draw(st.booleans(), label="damaged"):
        at = data.draw(st.integers(0, len(file) - 1), label="at")
        damage = data.draw(st.sampled_from([b"", b"\0" * 40, b"\0", b"\xff", b"\x1f\x8b\x08", b"\r\n"]), label="damage")
        file = file[:at] + damage + file[at + len(damage) :] if damage else file[: max(at, 700)]
        try:
            expected = look(bytes(file))
        except Exception as error:  # a file that does not begin like a WARC is refused, however it is read
            with pytest.raises(type(error)):
                look(bytes(file), slice_bytes, blocks)
            return
    cuts = [int(part * len(file)) for part in share]
    assert look(bytes(file), slice_bytes, blocks, cuts, per_stream) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_block_and_slice_sizes_up_to_the_file(name: str) -> None:
    """The same for sizes from 1 up to the whole file, with connections that break."""
    length = len(FILES[name])
    for size in range(1, length + 1, 17) if NIGHTLY else (length // 5, length):
        assert (
            look(FILES[name], slice_bytes=max(size, length // 50), blocks=(size,), cuts=(size, 3 * size)) == WHOLE[name]
        )


@pytest.mark.parametrize("size", range(1, 40, 3))
def test_records_cut_anywhere_over_members(size: int) -> None:
    """Members of any few bytes, empty ones between, hold the same records as one member does."""
    parts = [record("warcinfo", "", b""), *page(0, b"zero"), *page(1, b"one")]
    for make in (layouts.split, layouts.bgzf):
        found = look(make(parts, size))
        assert (urls(found), found.losses) == (["https://example.com/0", "https://example.com/1"], [])


@pytest.mark.parametrize("place", [-4, -3, -2, -1, 0, 1])
def test_a_member_that_begins_at_the_end_of_a_block(place: int) -> None:
    """A member whose first bytes are the last ones of a 64 KiB block is read whatever the block."""
    first = layouts.gzip_stored(record("warcinfo", "", b"x" * 64_000))
    padding = (64 << 10) + place - len(first) - len(layouts.gzip_with_options(b"", extra=b""))
    fill = layouts.gzip_with_options(b"", name=b"n" * (padding - 1))
    data = first + fill + layouts.gzip_each(page(0))
    assert data[(64 << 10) + place :].startswith(b"\x1f\x8b\x08")
    for slice_bytes in (1 << 30, 40_000, 9_000):
        found = look(data, slice_bytes, blocks=(64 << 10,))
        assert (urls(found), found.losses) == (["https://example.com/0"], [])


FRAMES = {
    "member per record": layouts.gzip_each,
    "options in headers": GZIP_LAYOUTS["every option in each header"],
    "Zstandard": layouts.zstd_each,
    "LZ4": layouts.lz4_each,
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("number", range(1, 10))
def test_one_damaged_frame_costs_one_record(name: str, number: int) -> None:
    """Where each record is a frame, a damaged one is one loss of exactly its bytes, and all others are read."""
    parts = records(4)
    frames = [FRAMES[name]([part]) for part in parts]
    middle = len(frames[number]) // 2
    frames[number] = frames[number][:middle] + b"\xff" * 8 + frames[number][middle + 8 :]
    found = look(b"".join(frames))
    (loss,) = found.losses
    assert loss.reason == ("stream_corrupt" if name in ("Zstandard", "LZ4") else "gzip_corrupt")
    assert (loss.offset, loss.length) == (len(b"".join(frames[:number])), len(frames[number]))
    assert sum(found.counts.values()) == len(parts) - 1


def test_damage_to_a_block_costs_the_records_that_reach_into_it() -> None:
    """In BGZF the records before and after a damaged block are read."""
    parts = records(12)
    starts = [sum(map(len, parts[:number])) for number in range(len(parts) + 1)]
    blocks = [layouts.bgzf([b"".join(parts)[at : at + 700]], 700, end=False) for at in range(0, starts[-1], 700)]
    for hit in range(1, len(blocks) - 1):
        block = blocks[hit]
        damaged = block[:30] + b"\xff" * 8 + block[38:]
        found = look(b"".join([*blocks[:hit], damaged, *blocks[hit + 1 :]]))
        touched = [
            number
            for number in range(len(parts))
            if starts[number] < (hit + 1) * 700 and starts[number + 1] > hit * 700
        ]
        lost = len(parts) - sum(found.counts.values())
        assert lost <= len(touched)
        assert found.losses


def test_damage_to_one_member_keeps_what_is_before_and_after() -> None:
    """A damaged member of many records costs from the damage on; the files around it are whole."""
    big = bytearray(layouts.gzip_all(records(40)[1:]))
    big[len(big) // 2 : len(big) // 2 + 8] = b"\xff" * 8
    found = look(layouts.gzip_each(records(3)) + bytes(big) + layouts.gzip_each(page(50) + page(51)))
    numbers = [int(one.url.rpartition("/")[2]) for one in found.pages]
    assert numbers[:3] == [0, 1, 2]
    assert numbers[-2:] == [50, 51]
    assert 15 <= len(numbers) - 5 <= 25
    assert "gzip_corrupt" in {loss.reason for loss in found.losses}


def test_lost_bytes_are_counted_once() -> None:
    """Damage, what it hides and what was given up add up to no more than the bytes that gave no record."""
    good, bad = layouts.gzip_each(records(2)), bytearray(layouts.gzip_all(records(40)[1:]))
    bad[len(bad) // 2 : len(bad) // 2 + 8] = b"\xff" * 8
    bomb = layouts.gzip_one(b"WARC/1.0\r\n" + bytes(30 * MAX_BYTES))
    for data, least, most in (
        (good + bytes(5000), 0, 0),
        (good + bytes(bad) + good, len(bad) // 4, len(bad) * 3 // 4),
        (bomb + good, len(bomb), len(bomb)),
        (good[:-10], 1, len(good) // 2),
        (good + b"x" * 700 + good, 700, 700),
    ):
        cutter = Cutter(Frames(Tape(BytesIO(data)), MAX_BYTES), MAX_BYTES, in_file=True)
        list(cutter.until())
        assert least <= cutter.lost_bytes <= most


@pytest.mark.parametrize("junk", [b"\0" * 5000, b"# the end\n", b"\r\n\r\n"])
def test_bytes_between_files_cost_themselves(junk: bytes) -> None:
    """Padding and other bytes that belong to nothing are one loss each, and all records are read."""
    one, two, three = layouts.gzip_each(page(0)), layouts.gzip_all(page(1)), layouts.bgzf(page(2), 200)
    found = look(one + junk + two + junk + three + junk)
    assert urls(found) == [f"https://example.com/{number}" for number in range(3)]
    assert [(loss.reason, loss.length) for loss in found.losses] == [("stream_gap", len(junk))] * 3


@pytest.mark.parametrize("padding", [b"\n", b"\xef\xbb\xbf", b" \t\r\n" + bytes(40)])
def test_padding_before_and_between_members_costs_no_record(padding: bytes) -> None:
    """Blanks, zeros and byte order marks are named where they are, but count as nothing lost."""
    data = padding.join((b"", *map(layouts.gzip_one, PARTS)))
    assert urls(look(data)) == WANTED
    cutter = Cutter(Frames(Tape(BytesIO(data)), MAX_BYTES), MAX_BYTES, in_file=True)
    losses = [found for found in cutter.until() if isinstance(found, Loss)]
    assert {(loss.reason, loss.length) for loss in losses} == {("stream_gap", len(padding))}
    assert len(losses) == len(PARTS) and cutter.lost_bytes == 0


def test_a_record_is_found_again_by_its_place() -> None:
    """The offset of any record is where a reader can begin that finds it, with the same length."""
    for name in GZIP_LAYOUTS:
        data = FILES[name]
        if _layout("memory", Tape(ResumableStream(Memory(data)))) is not Layout.MEMBERS:
            continue
        source = Source("memory", "memory", len(data), None, Layout.MEMBERS)
        for wanted in WHOLE[name].pages:
            assert wanted in list(_at(source, data, wanted.offset)), name


def _at(source: Source, data: bytes, offset: int) -> Iterator[Record]:
    slice_ = replace(plan_slices(source, 0, 1 << 30)[0], start=offset, end=offset + 1)
    stream = ResumableStream(Memory(data), position=offset)
    reader = SliceReader(
        stream, source, slice_, synced=True, limit=None, max_record_bytes=MAX_BYTES, page_types=("response",)
    )
    yield from reader
