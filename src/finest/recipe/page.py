"""A page: one HTML response record of a WARC, as the recipe sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """What a recipe may know of a page. Everything in it comes from the WARC, nothing from the run."""

    id: str
    """WARC-Record-ID as written, e.g. `<urn:uuid:...>`."""
    url: str
    """WARC-Target-URI (`uri` in WARC 0.x)."""
    date: str
    """WARC-Date, or `archive-date` in WARC 0.x."""
    block: bytes
    """The record's block as it is stored: an HTTP response with its header, or the document itself."""
    payload_type: str | None = None
    """WARC-Identified-Payload-Type; None where the record names none."""
    languages: tuple[tuple[str, float], ...] | None = None
    """Common Crawl's CLD2 record that follows the response: (code, share of text covered); None where there is none."""
    record_type: str = "response"
    """WARC-Type, in lower case: `response`, `conversion` or `resource`."""

    @property
    def is_http(self) -> bool:
        """Whether the block is an HTTP response."""
        return self.record_type == "response" and self.url.startswith(("http:", "https:"))
