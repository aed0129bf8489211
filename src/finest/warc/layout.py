"""How a WARC is compressed, which decides whether it can be cut into slices."""

from __future__ import annotations

from enum import Enum


class Layout(Enum):
    """How a file is compressed, which decides whether it can be cut into slices."""

    MEMBERS = "members"
    """One gzip member per record, as in Common Crawl's files, at least at the head: reading can start at any member."""
    WHOLE = "whole"
    """Any other file, such as one gzip member, BGZF, no compression, Zstandard or LZ4: read as one slice."""
