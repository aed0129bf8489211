"""Every way in which tools, and `cat`, lay a WARC's records out in a file: the same records, other bytes.

`LAYOUTS` maps a layout's name to a function that takes the uncompressed records (`made_warc.record`, `page` or
`records`) and gives the file. Each of these files is sound: a reader finds every record in it. The parts that they are
made of (`gzip_each`, `gzip_all`, `bgzf`, `split`, `zstd_each`, `lz4_each`, ...) can be joined with `+` to other ones.

    data = LAYOUTS["BGZF"](records(3))
    path.write_bytes(gzip_each(records(2)) + bgzf(page(7)))
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Sequence

import lz4.frame
import zstandard

Parts = Sequence[bytes]
Layout = Callable[[Parts], bytes]

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty member that ends a BGZF file (SAM specification, 4.1.2)."""

SKIPPABLE = b"\x50\x2a\x4d\x18"
"""First of the 16 magic numbers of a skippable frame, of Zstandard and LZ4 alike (RFC 8878, 3.1.2)."""
DICTIONARY = b"\x5d\x2a\x4d\x18"
"""The skippable frame that holds the dictionary of a .warc.zst (iipc.github.io/warc-specifications, warc-zstd)."""


# -- gzip


def gzip_one(data: bytes, level: int = 6) -> bytes:
    """One gzip member with a plain header."""
    return gzip.compress(data, level, mtime=0)


def gzip_stored(data: bytes) -> bytes:
    """One gzip member that is not compressed, so that what is inside shows in the file."""
    return gzip_one(data, 0)


def gzip_with_options(
    data: bytes, *, extra: bytes = b"", name: bytes = b"", comment: bytes = b"", header_crc: bool = False
) -> bytes:
    """One gzip member with optional fields in its header: FEXTRA, FNAME, FCOMMENT, FHCRC (RFC 1952, 2.3.1)."""
    flags = 2 * header_crc | 4 * bool(extra) | 8 * bool(name) | 16 * bool(comment)
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(4) + b"\0\xff"
    head += struct.pack("<H", len(extra)) + extra if extra else b""
    head += b"".join(text + b"\0" for text in (name, comment) if text)
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF) if header_crc else b""
    return head + gzip_one(data)[10:]


def gzip_each(parts: Parts) -> bytes:
    """A gzip member for each record, as Common Crawl writes them."""
    return b"".join(map(gzip_one, parts))


def gzip_all(parts: Parts) -> bytes:
    """All records in one gzip member, as `gzip FILE` makes it."""
    return gzip_one(b"".join(parts))


def gzip_groups(parts: Parts, size: int = 2) -> bytes:
    """Gzip members of `size` records each."""
    return b"".join(gzip_all(parts[start : start + size]) for start in range(0, len(parts), size))


def split(parts: Parts, size: int) -> bytes:
    """Gzip members of `size` decompressed bytes each, wherever records begin (as mgzip and pigz-like tools cut)."""
    data = b"".join(parts)
    return b"".join(gzip_one(data[start : start + size]) for start in range(0, len(data), size))


def bgzf(parts: Parts, size: int = 0xFF00, *, end: bool = True) -> bytes:
    """Blocked gzip as `bgzip` makes it: members of `size` bytes with their length in an extra field, an empty last."""
    data = b"".join(parts)
    return b"".join(_bgzf_block(data[start : start + size]) for start in range(0, len(data), size)) + BGZF_END * end


def _bgzf_block(data: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    raw = deflater.compress(data) + deflater.flush()
    head = b"\x1f\x8b\x08\x04" + bytes(4) + b"\0\xff\6\0BC\2\0" + struct.pack("<H", len(raw) + 25)
    return head + raw + struct.pack("<II", zlib.crc32(data), len(data))


def header_apart(parts: Parts) -> bytes:
    """The WARC header of each record in one gzip member, its block in the next."""
    cut = [part.index(b"\r\n\r\n") + 4 for part in parts]
    return b"".join(gzip_one(part[:at]) + gzip_one(part[at:]) for part, at in zip(parts, cut, strict=True))


def between(parts: Parts, filling: bytes) -> bytes:
    """A gzip member for each record, with `filling` after each."""
    return b"".join(gzip_one(part) + filling for part in parts)


# -- Zstandard


def zstd_one(data: bytes, level: int = 3, words: zstandard.ZstdCompressionDict | None = None) -> bytes:
    """One Zstandard frame that states its size."""
    return zstandard.ZstdCompressor(level=level, dict_data=words, write_checksum=True).compress(data)


def zstd_stream(data: bytes, window_log: int = 0) -> bytes:
    """One Zstandard frame that states no size, as a pipe makes it; `zstd --long=31` has a `window_log` of 31."""
    window = {"window_log": window_log, "enable_ldm": True} if window_log else {}
    rules = zstandard.ZstdCompressionParameters.from_level(3, write_content_size=False, write_checksum=True, **window)
    deflater = zstandard.ZstdCompressor(compression_params=rules).compressobj()
    return deflater.compress(data) + deflater.flush()


def zstd_each(parts: Parts) -> bytes:
    """A Zstandard frame for each record."""
    return b"".join(map(zstd_one, parts))


def zstd_split(parts: Parts, size: int) -> bytes:
    """Zstandard frames of `size` decompressed bytes each, wherever records begin (as pzstd cuts)."""
    data = b"".join(parts)
    return b"".join(zstd_one(data[start : start + size]) for start in range(0, len(data), size))


def skippable(data: bytes, magic: bytes = SKIPPABLE) -> bytes:
    """A skippable frame."""
    return magic + struct.pack("<I", len(data)) + data


def zstd_with_dictionary(parts: Parts, seed: bytes, *, packed: bool = False) -> bytes:
    """A frame for each record with a dictionary, which comes first in a skippable frame, `packed` by Zstandard or not.

    `seed` is what the dictionary is made of: other bytes, another dictionary.
    """
    words = zstandard.ZstdCompressionDict(seed, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    head = skippable(zstd_one(words.as_bytes()) if packed else words.as_bytes(), DICTIONARY)
    return head + b"".join(zstd_one(part, words=words) for part in parts)


# -- LZ4


def lz4_one(data: bytes, *, checksum: bool = True) -> bytes:
    """One LZ4 frame."""
    packed: bytes = lz4.frame.compress(data, content_checksum=checksum, block_checksum=checksum)
    return packed


def lz4_each(parts: Parts) -> bytes:
    """An LZ4 frame for each record."""
    return b"".join(map(lz4_one, parts))


def plain(parts: Parts) -> bytes:
    """No compression."""
    return b"".join(parts)


def halves(first: Layout, second: Layout) -> Layout:
    """Two files joined by `cat`: the first half of the records laid out one way, the second another."""
    return lambda parts: first(parts[: len(parts) // 2]) + second(parts[len(parts) // 2 :])


GZIP_LAYOUTS: dict[str, Layout] = {
    "member per record": gzip_each,
    "one member": gzip_all,
    "two records a member": gzip_groups,
    "first record alone, rest in one member": lambda parts: gzip_one(parts[0]) + gzip_all(parts[1:]),
    "BGZF": bgzf,
    "BGZF of small blocks": lambda parts: bgzf(parts, 700),
    "first record alone, rest BGZF": lambda parts: gzip_one(parts[0]) + bgzf(parts[1:], 700),
    "members of 600 bytes": lambda parts: split(parts, 600),
    "header and block apart": header_apart,
    "empty member first": lambda parts: gzip_one(b"") + gzip_each(parts),
    "empty members between": lambda parts: between(parts, gzip_one(b"")),
    "newline members between": lambda parts: between(parts, gzip_one(b"\r\n\r\n")),
    "newlines first": lambda parts: gzip_one(b"\r\n\r\n" + parts[0]) + gzip_each(parts[1:]),
    "padding in each member": lambda parts: b"".join(gzip_one(b" \0\n" + one + b"\t\n") for one in parts),
    "lower case": lambda parts: gzip_each([one.replace(b"WARC", b"warc", 1) for one in parts]),
    "name in each header": lambda parts: b"".join(gzip_with_options(one, name=b"a.warc") for one in parts),
    "every option in each header": lambda parts: b"".join(
        gzip_with_options(one, extra=b"XY\4\0\x1f\x8b\x08\0", name=b"n" * 40, comment=b"c", header_crc=True)
        for one in parts
    ),
    "header of 3 kB in each": lambda parts: b"".join(gzip_with_options(one, name=b"n" * 3000) for one in parts),
    "not compressed members": lambda parts: b"".join(map(gzip_stored, parts)),
    "member per record, then one member": halves(gzip_each, gzip_all),
    "one member, then member per record": halves(gzip_all, gzip_each),
    "member per record, then BGZF": halves(gzip_each, lambda parts: bgzf(parts, 700)),
    "BGZF, then member per record": halves(lambda parts: bgzf(parts, 700), gzip_each),
    "one member, twice": halves(gzip_all, gzip_all),
    "member per record, then plain": halves(gzip_each, plain),
    "member per record, then Zstandard": halves(gzip_each, zstd_each),
}
"""Files that begin like gzip."""

OTHER_LAYOUTS: dict[str, Layout] = {
    "plain": plain,
    "plain, padding between": lambda parts: b"\xef\xbb\xbf\n \0".join((b"", *parts, b"")),
    "plain, lower case between": lambda parts: plain(
        [one.replace(b"WARC", b"warc", number % 2) for number, one in enumerate(parts, 1)]
    ),
    "plain, then member per record": halves(plain, gzip_each),
    "plain, then BGZF": halves(plain, bgzf),
    "Zstandard, frame per record": zstd_each,
    "Zstandard, one frame": lambda parts: zstd_one(b"".join(parts)),
    "Zstandard, one frame of unknown size": lambda parts: zstd_stream(b"".join(parts)),
    "Zstandard, frames of 600 bytes": lambda parts: zstd_split(parts, 600),
    "Zstandard, skippable frame first": lambda parts: skippable(b"hello") + zstd_each(parts),
    "Zstandard, skippable frames between": lambda parts: b"".join(zstd_one(one) + skippable(b"x" * 9) for one in parts),
    "Zstandard, window of 2 GiB": lambda parts: zstd_stream(b"".join(parts), 31),
    "Zstandard, dictionary": lambda parts: zstd_with_dictionary(parts, b"".join(parts)[:3000]),
    "Zstandard, packed dictionary": lambda parts: zstd_with_dictionary(parts, b"".join(parts)[:3000], packed=True),
    "Zstandard, two dictionaries": halves(
        lambda parts: zstd_with_dictionary(parts, b"".join(parts)[:3000]),
        lambda parts: zstd_with_dictionary(parts, b"".join(parts)[-3000:]),
    ),
    "Zstandard, then member per record": halves(zstd_each, gzip_each),
    "LZ4, frame per record": lz4_each,
    "LZ4, one frame": lambda parts: lz4_one(b"".join(parts)),
    "LZ4, skippable frame first": lambda parts: skippable(b"hello") + lz4_each(parts),
    "LZ4, without checksums": lambda parts: b"".join(lz4_one(one, checksum=False) for one in parts),
    "LZ4, then member per record": halves(lz4_each, gzip_each),
}
"""Files that do not begin like gzip: they are read from their head, in one slice."""

LAYOUTS: dict[str, Layout] = GZIP_LAYOUTS | OTHER_LAYOUTS
"""All of them."""
