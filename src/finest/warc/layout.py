"""How a WARC is compressed, and so whether it can be cut in slices."""

from __future__ import annotations

from enum import Enum


class Layout(Enum):
    """How a file is compressed, and so whether it can be cut."""

    MEMBERS = "members"
    """One gzip member per record, as Common Crawl does, at least at the head: can be entered at any such member."""
    WHOLE = "whole"
    """Anything else, such as one gzip member, BGZF, no compression, Zstandard or LZ4: one slice."""
