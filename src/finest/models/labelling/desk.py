"""The state of labelling by hand: which page is next, what has been done, and how to take it back."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from finest.formatting import showable
from finest.models.labelling.journal import Journal
from finest.models.labelling.pages import Page
from finest.models.labelling.scale import Scale

MAX_SHOWN_CHARS = 100_000
"""Characters of a text that the browser gets."""
_LONGEST_PAUSE_S = 300.0
"""A longer time between two labels is a break, and does not count for the time left."""


class Desk:
    """Serves pages one by one to one person; safe for several threads and open tabs."""

    def __init__(self, pages: Sequence[Page], journal: Journal, scale: Scale, by: str) -> None:
        self._pages, self._journal, self._scale, self._by = pages, journal, scale, by
        self._number = {page.sha256: number for number, page in enumerate(pages)}
        self._lock = threading.Lock()
        self._next = 0
        self._worked_s, self._labelled, self._last_at = 0.0, 0, time.monotonic()
        self.finished = threading.Event()
        """Set when the person is done."""

    def state(self) -> dict[str, Any]:
        """Return all that the page in the browser shows."""
        with self._lock:
            return self._state()

    def label(self, page: object, label: object) -> dict[str, Any]:
        """Record a label; raises ValueError for a page or a label that there is not."""
        with self._lock:
            if isinstance(label, bool) or label not in self._scale.labels:
                raise ValueError("no such label")
            self._record(page, "label", label=label)
            return self._state()

    def skip(self, page: object) -> dict[str, Any]:
        """Record that a page gets no label; raises ValueError for a page that there is not."""
        with self._lock:
            self._record(page, "skip")
            return self._state()

    def undo(self) -> dict[str, Any]:
        """Take back the newest label or skip; its page is shown again."""
        with self._lock:
            newest = self._journal.newest()
            if newest is not None:
                self._journal.add(newest.page, "undo", by=self._by)
                self._next = self._number.get(newest.page, self._next)
            return self._state()

    def finish(self) -> dict[str, Any]:
        """Return the last state; the server sets `finished` once the browser has it."""
        return {**self.state(), "finished": True}

    def _record(self, page: object, what: Any, **more: Any) -> None:
        if not isinstance(page, str) or page not in self._number:
            raise ValueError("no such page")
        self._journal.add(page, what, by=self._by, **more)
        now = time.monotonic()
        if now - self._last_at < _LONGEST_PAUSE_S:
            self._worked_s += now - self._last_at
            self._labelled += 1
        self._last_at = now

    def _state(self) -> dict[str, Any]:
        page = self._current()
        outcomes = Counter(entry.what if (entry := self._journal.of(one.sha256)) else None for one in self._pages)
        left = outcomes[None]
        seconds = self._worked_s / self._labelled * left if self._labelled else None
        return {
            "page": page and _shown(page), "of": len(self._pages), "done": len(self._pages) - left, "left_s": seconds,
            "labelled": outcomes["label"], "skipped": outcomes["skip"],
            "undo": self._journal.newest() is not None, "finished": False,
            "labels": [{"key": key, "label": label} for key, label in self._scale.keys.items()],
        }  # fmt: skip

    def _current(self) -> Page | None:
        """Return the first page without an outcome, from where the last one was taken."""
        for _ in range(2):
            while self._next < len(self._pages):
                page = self._pages[self._next]
                if self._journal.of(page.sha256) is None:
                    return page
                self._next += 1
            self._next = 0
        return None


def _shown(page: Page) -> dict[str, Any]:
    return {
        "sha256": page.sha256, "text": showable(page.text, MAX_SHOWN_CHARS), "chars": len(page.text),
        "url": showable(page.url, 300), "source": showable(page.source, 200), "row": page.row,
    }  # fmt: skip
