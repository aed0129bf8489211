"""Extractors that replace a document's HTML by its main text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from datatrove.data import Document
from datatrove.pipeline.extractors.base import BaseExtractor
from datatrove.utils.typeshelper import StatHints

from finest.api.pages import extract
from finest.errors import PageError


class _Extractor(BaseExtractor):
    """Extracts in the worker process itself, with a limit on CPU time.

    DataTrove's extractors send each page to a child process and have a wall-clock timeout, so their output depends on
    the machine's load. Here it does not: the limit is `cpu_limit_s` CPU seconds, as in the recipes.
    """

    engine: ClassVar[Literal["blocks-1", "blocks-2", "trafilatura"]]

    def __init__(self, cpu_limit_s: float = 10.0) -> None:
        super().__init__(timeout=cpu_limit_s)
        self.cpu_limit_s = cpu_limit_s

    def extract(self, text: str) -> str:
        """Extract the main text of a page's HTML; raises PageError if it exceeds a limit."""
        return extract(text, engine=self.engine, cpu_limit_s=self.cpu_limit_s)

    def run(self, data: Iterator[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        """Extract the text of each document, and yield the documents that have one."""
        for document in data:
            self.stat_update(StatHints.total)
            with self.track_time():
                document.text = self._text(document.text)
            if document.text:
                self.stat_update(StatHints.forwarded)
                self.update_doc_stats(document)
                yield document
            else:
                self.stat_update(StatHints.dropped)

    def _text(self, html: str) -> str:
        try:
            text = self.extract(html)
            text.encode()  # a lone surrogate could be neither hashed nor written
        except PageError:
            self.stat_update("limit")
        except (MemoryError, OSError, ImportError):  # a problem of this machine, not of the page
            raise
        except Exception:  # noqa: BLE001 - the page's border, as in DataTrove's extractors
            self.stat_update("clean_error")
        else:
            self.stat_update("extracted")
            return text
        return ""


class Trafilatura(_Extractor):
    """Extracts exactly the text of trafilatura 1.11.0 with `favor_precision`, several times faster.

    It is equivalent to DataTrove's `Trafilatura(favour_precision=True, deduplicate=False)` without a timeout.
    """

    name = "⛏ Finest trafilatura"
    engine = "trafilatura"


class Blocks(_Extractor):
    """Extracts text with `blocks-1`: faster than trafilatura, and with less boilerplate."""

    name = "⛏ Finest blocks-1"
    engine = "blocks-1"


class StructuredBlocks(_Extractor):
    """Extracts text with `blocks-2`, as recipe `finest` does: code, tables, lists and formulas keep their structure.

    `markdown` makes it Markdown instead of plain text. A limit on steps replaces `cpu_limit_s`.
    """

    name = "⛏ Finest blocks-2"
    engine = "blocks-2"

    def __init__(self, markdown: bool = False) -> None:
        super().__init__()
        self.markdown = markdown

    def extract(self, text: str) -> str:
        """Extract the main text of a page's HTML; raises PageError if it exceeds a limit."""
        return extract(text, engine=self.engine, markdown=self.markdown)
