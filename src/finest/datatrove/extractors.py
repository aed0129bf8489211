"""Extractors: from the HTML that a document holds to its main text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from datatrove.data import Document
from datatrove.pipeline.extractors.base import BaseExtractor
from datatrove.utils.typeshelper import StatHints

from finest.api.pages import extract
from finest.errors import PageError


class _Extractor(BaseExtractor):
    """Extracts in the worker itself, within a bound of CPU time.

    DataTrove's extractors send each page to a child process and stop by the clock on the wall, so that their output
    depends on the machine's load. These do not. The bound is `cpu_limit_s` CPU seconds, as the recipes have it.
    """

    engine: ClassVar[Literal["blocks-1", "trafilatura"]]

    def __init__(self, cpu_limit_s: float = 10.0) -> None:
        super().__init__(timeout=cpu_limit_s)
        self.cpu_limit_s = cpu_limit_s

    def extract(self, text: str) -> str:
        """The main text of a page's HTML; PageError where it passes a limit."""
        return extract(text, engine=self.engine, cpu_limit_s=self.cpu_limit_s)

    def run(self, data: Iterator[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        """Yield the documents that have a text."""
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
        except (MemoryError, OSError, ImportError):  # says something about this machine, not about the page
            raise
        except Exception:  # noqa: BLE001 - the page's border, as in DataTrove's extractors
            self.stat_update("clean_error")
        else:
            self.stat_update("extracted")
            return text
        return ""


class Trafilatura(_Extractor):
    """The text that trafilatura 1.11.0 extracts with `favor_precision`, equal in every character, several times faster.

    Equal to DataTrove's `Trafilatura(favour_precision=True, deduplicate=False)` without a time limit.
    """

    name = "⛏ Finest trafilatura"
    engine = "trafilatura"


class Blocks(_Extractor):
    """The text of `blocks-1`, the extractor of recipe `finest`: faster than trafilatura, and with less boilerplate."""

    name = "⛏ Finest blocks-1"
    engine = "blocks-1"
