"""Read a file frame by frame: gzip members, Zstandard and LZ4 frames, and stretches without compression.

Tools and `cat` mix the formats freely, so the reader identifies each frame by its own first bytes. The contents of all
frames in order are the decompressed stream, which `Frames` returns piece by piece. A damaged frame costs only itself:
the reader finds the next plausible frame by its magic number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from finest.warc import members, others
from finest.warc.cut import PADDING
from finest.warc.loss import Damage
from finest.warc.members import LOOKBACK_BYTES, PROBE_BYTES
from finest.warc.stream import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.warc.tape import Tape

_MAGIC = re.compile(
    rb"\x1f\x8b\x08|" + re.escape(others.ZSTD_MAGIC) + rb"|[\x50-\x5f]\x2a\x4d\x18|" + re.escape(others.LZ4_MAGIC)
)
_PLACE = re.compile(_MAGIC.pattern + rb"|\n(?:WARC|warc)/\d")
_PLACE_BYTES = 7
_IN_EVERY_PLACE = (
    members.MAGIC, others.ZSTD_MAGIC[1:], others.LZ4_MAGIC[1:], b"\x2a\x4d\x18", b"\nWARC/", b"\nwarc/",
)  # fmt: skip
"""Every match of `_PLACE` contains one of these. Where there is no match, testing for them first takes a twentieth of
the time."""
_HEAD_BYTES = 512
"""Bytes read to recognize a frame; an uncompressed record may have padding before it within them."""


class Piece(NamedTuple):
    """A piece of the decompressed stream, and the bytes of the file that it comes from."""

    data: bytes
    frame: int
    """File offset at which its frame begins; for an uncompressed piece, at which the piece begins."""
    since: int
    """File offset from which bytes were read for it."""
    upto: int
    """File offset up to which bytes were read for it."""
    opens: bool = False
    """Whether it is the first content of its frame."""
    ends: bool = False
    """Whether it ends its frame and the frame is whole."""
    plain: bool = False
    """Whether it is stored without compression."""


class Frames:
    """The content of a file from the tape's offset on."""

    def __init__(self, tape: Tape, max_bytes: int) -> None:
        self.tape = tape
        self._max_bytes = max_bytes
        self._words = others.Dictionary()
        self._unusual = -1
        """Offset at which `whole_member` last returned None."""
        self.passed_padding = True
        """Whether the last `recover` skipped only padding, which does not count as lost content."""
        self.reset()

    def reset(self) -> None:
        """Start at the tape's offset, where a frame begins or the file ends."""
        self._pieces: Iterator[tuple[bytes, bool]] | None = None
        self._plain = self._begun = False
        self._frame = self.tape.offset

    @property
    def at_start(self) -> bool:
        """Whether the next piece belongs to a new frame, which begins at the tape's offset."""
        return self._pieces is None

    def whole_member(self) -> bytes | None:
        """Return the content of the gzip member that begins here; None unless a sound one of ordinary size does."""
        if self._unusual == self.tape.offset:
            return None
        data = members.quickly(self.tape, self._max_bytes)
        if data is None:
            self._unusual = self.tape.offset
        return data

    def piece_of(self, data: bytes, frame: int) -> Piece:
        """Return `data`, which `whole_member` returned for the member at `frame`, as a piece."""
        self._frame = frame
        return Piece(data, frame, frame, self.tape.offset, opens=bool(data), ends=True)

    @staticmethod
    def is_compressed(head: bytes | bytearray) -> bool:
        """Whether these bytes begin a compressed or a skippable frame."""
        return _MAGIC.match(head) is not None

    def next(self, *, at_record: bool) -> Piece | Damage | None:
        """Return the next piece (possibly empty), the damage that prevents reading it, or None at the end of the file.

        After Damage, call `recover` to continue. `at_record` says whether a record may begin here; only then does the
        reader accept an uncompressed record.
        """
        since = self.tape.offset
        try:
            if self._pieces is None:
                self._frame, self._begun, self._plain = since, False, False
                if not self.tape.ahead(1):
                    return None
                self._pieces = self._open(at_record=at_record)
            data, ends = next(self._pieces)
        except Damage as damage:
            damage.frame, damage.begun = self._frame, self._begun
            damage.since = since if self._begun else self._frame
            damage.plain = damage.reason == "stream_gap"
            self._pieces = None
            return damage
        if ends:
            self._pieces = None
        if self._plain:
            return Piece(data, since, since, self.tape.offset, ends=ends, plain=True)
        was_begun, self._begun = self._begun, self._begun or bool(data)
        opens = self._begun and not was_begun
        return Piece(data, self._frame, since if was_begun else self._frame, self.tape.offset, opens, ends)

    def _open(self, *, at_record: bool) -> Iterator[tuple[bytes, bool]]:
        """Return the pieces of the frame that begins here; raise Damage if no frame begins here."""
        head = self.tape.ahead(_HEAD_BYTES)
        if head.startswith(members.MAGIC):
            return self._gzip()
        if head.startswith(others.ZSTD_MAGIC):
            return others.zstd(self.tape, self._words)
        if head.startswith(others.LZ4_MAGIC):
            return others.lz4(self.tape)
        if _MAGIC.match(head):
            return others.skippable(self.tape, self._words)
        if members.is_record(head):
            if not at_record:
                raise Damage("", "a record without compression begins here")
            self._plain = True
            return _plain(self.tape)
        raise Damage("stream_gap", "neither a record nor compressed data begins here")

    def _gzip(self) -> Iterator[tuple[bytes, bool]]:
        data = self.whole_member()
        return iter([(data, True)]) if data is not None else members.slowly(self.tape)

    def held_for_search(self) -> int:
        """Return the offset from which the tape must keep the file, so that `recover` can search for the next frame."""
        if self._pieces is None or self._plain:
            return self.tape.offset
        return max(self._frame, self.tape.offset - LOOKBACK_BYTES)

    def abandon(self, detail: str) -> Damage:
        """Stop reading the current frame and return the damage that stands for the rest of it."""
        damage = Damage("record_too_large", detail)
        damage.frame = damage.since = self.tape.offset - 1 if self._pieces is None else self._frame
        damage.begun = True
        self._pieces = None
        return damage

    def back_to(self, offset: int) -> None:
        """Leave the uncompressed stretch and go back to `offset`, whose byte has been returned already."""
        self.tape.rewind(offset)
        self.reset()

    def recover(self, damage: Damage) -> None:
        """Move to the next plausible frame, which may begin inside the damaged one, or to the end of the file."""
        tape = self.tape
        if damage.reason:
            start = max(damage.frame + 1, tape.offset - LOOKBACK_BYTES)
            tape.rewind(min(start - 1, tape.offset))
            self.passed_padding = True
            self._pass(tape.ahead(1))
            self._search(plain=damage.plain)
        self.reset()

    def seek_member(self, limit: int) -> bool:
        """Move to the next gzip member that begins a record; if no such member begins before `limit`, move close to
        `limit` and return False.
        """
        tape = self.tape
        while tape.offset < limit and self._find(members_only=True):
            if tape.offset < limit and members.begins_record(tape.ahead(PROBE_BYTES)):
                self.reset()
                return True
            tape.advance(1)
        self.reset()
        return False

    def _search(self, *, plain: bool) -> None:
        tape = self.tape
        while self._find():
            if tape.ahead(1) == b"\n":
                self._pass(b"\n")
                if plain:
                    return
            elif self._believes(plain=plain):
                return
            else:
                self._pass(tape.ahead(1))

    def _find(self, *, members_only: bool = False) -> bool:
        """Move to the next magic number, or newline before a record; return False at the end of the file."""
        tape = self.tape
        while True:
            window = tape.ahead(BLOCK_BYTES)
            if members_only:
                at = window.find(members.MAGIC)
            else:
                found = _PLACE.search(window) if any(part in window for part in _IN_EVERY_PLACE) else None
                at = found.start() if found else -1
            is_last = len(window) < BLOCK_BYTES
            self._pass(window[: at if at >= 0 else len(window) if is_last else -_PLACE_BYTES])
            tape.release()
            if at >= 0 or is_last:
                return at >= 0

    def _pass(self, data: bytes) -> None:
        self.tape.advance(len(data))
        self.passed_padding = self.passed_padding and not data.strip(PADDING)

    def _believes(self, *, plain: bool) -> bool:
        """Whether a real frame begins here, not bytes that only look like one.

        Among uncompressed records, compressed data is mostly part of a record: there the reader accepts only a gzip
        member that begins a record.
        """
        head = self.tape.ahead(PROBE_BYTES)
        if head.startswith(members.MAGIC):
            return members.begins_record(head) or (not plain and members.is_sound(self.tape))
        return others.begins_frame(self.tape, self._words)


def _plain(tape: Tape) -> Iterator[tuple[bytes, bool]]:
    while block := tape.ahead():
        tape.advance(len(block))
        yield block, False
    yield b"", True
