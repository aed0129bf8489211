"""An extractor of your own between our steps: the text of paragraphs alone, then FineWeb's filters.

    python examples/own_extractor.py crawl/ kept/

An extractor is a DataTrove `BaseExtractor`: HTML in, text out.
"""

from __future__ import annotations

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors.base import BaseExtractor
from datatrove.pipeline.writers import JsonlWriter
from lxml import html

from finest.datatrove import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    PayloadFilter,
    URLFilter,
    WarcPages,
)


class Paragraphs(BaseExtractor):
    """The paragraphs of a page, one a line."""

    name = "paragraphs"

    def __init__(self, timeout: float = 10) -> None:
        super().__init__(timeout)

    def extract(self, text: str) -> str:
        """The text of all <p> elements."""
        if not text.strip():
            return ""
        found = html.document_fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8")).iter("p")
        return "\n".join(filter(None, (" ".join(paragraph.text_content().split()) for paragraph in found)))


def main(warcs: str, out: str) -> None:
    """FineWeb's filters over texts of our own."""
    steps = [
        WarcPages(warcs),
        PayloadFilter(),
        URLFilter(),
        Paragraphs(),
        LanguageFilter(),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(),
        FineWebQualityFilter(),
        JsonlWriter(f"{out}/kept"),
    ]
    LocalPipelineExecutor(steps, tasks=1, logging_dir=f"{out}/logs").run()


if __name__ == "__main__":
    main(*sys.argv[1:])
