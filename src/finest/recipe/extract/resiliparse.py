"""The text of a page by resiliparse: about twenty times faster than trafilatura, other text."""

from __future__ import annotations

from resiliparse.extract.html2text import extract_plain_text


def extract_resiliparse(html: str) -> str | None:
    """resiliparse's main content without alternative texts, comments, links and form fields; None where it is empty."""
    text: str = extract_plain_text(
        html, main_content=True, alt_texts=False, comments=False, links=False, form_fields=False
    )
    return text or None
