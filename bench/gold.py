"""Pages whose main text people marked, and which half of them recipe `finest` was fitted to."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

_COPIED_STYLES = "visible !important"
"""Of a style sheet that one source of marked pages has taken for text: nobody marked those pages."""


def read_gold(path: Path) -> dict[tuple[str, str], str]:
    """Main texts by (WARC, record id) from a `pages.jsonl.gz`; empty where the file is missing.

    Those that the weights of engine `blocks-1` were fitted to are left out, so that both recipes meet them anew.
    """
    return {key: row["gold_text"] for key, row in read_marked(path).items() if not is_fitted(row["url"])}


def read_marked(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The lines of all pages that were marked, by (WARC, record id)."""
    if not path.exists():
        return {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    marked = (row for row in rows if row.get("gold_text") and _COPIED_STYLES not in row["gold_text"])
    return {(row["warc"], row["id"]): row for row in marked}


def is_fitted(url: str) -> bool:
    """Whether the page belongs to the half that is fitted to: whole sites do, pages of unknown sites one by one."""
    host = urlsplit(url).netloc
    return crc32((url if host.endswith(".invalid") else host).encode()) % 2 == 0
