"""The page type: one WARC record, as a recipe judges it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """The data of a page on which a verdict may depend; all of it comes from the WARC, none from the run."""

    id: str
    """WARC-Record-ID as the record has it, e.g. `<urn:uuid:...>`."""
    url: str
    """WARC-Target-URI (`uri` in WARC 0.x)."""
    date: str
    """WARC-Date, or `archive-date` in WARC 0.x."""
    block: bytes
    """The record's block as stored: an HTTP response with its header, or the document itself."""
    payload_type: str | None = None
    """WARC-Identified-Payload-Type; None if the record has no such field."""
    languages: tuple[tuple[str, float], ...] | None = None
    """Pairs (code, share of text) of the CLD2 record that Common Crawl stores after the response; None without one."""
    record_type: str = "response"
    """WARC-Type, in lower case: `response`, `conversion` or `resource`."""

    @property
    def is_http(self) -> bool:
        """Whether the block is an HTTP response with a header."""
        return self.record_type == "response" and self.url.startswith(("http:", "https:"))
