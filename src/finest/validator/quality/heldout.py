"""Held-out text, which every model of a measurement has to predict.

It consists of records from WARCs that no miner was given, refined as the reference is, from hosts that do not occur in
the task. The seed draws them, so they are unknown until after the commitment. Some fixed documents in the public domain
ship with the package and are added: they make measurements comparable and are a tenth of the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finest.validator.quality.sample import Duplicates, Progress, host_of, judged, windows
from finest.validator.quality.tokens import pinned

if TYPE_CHECKING:
    from finest.recipe.recipe import Recipe
    from finest.warc.source import Source

ANCHORS = Path(__file__).with_name("anchors.txt")
ANCHORS_SHA256 = "f02b6767208eba27bae85ef01c4e4ea2f8e71bfcb1a5cd918ae200725087b47c"
"""The sha256 of the file that `build_model` writes."""
HELDOUT_BYTES = 1_000_000
"""Bytes of held-out text to draw: with 0.9 MB the error over documents is 0.004 bpb."""
MAX_PAGES = 8_000
"""Pages to judge at most, about 2 CPU minutes."""
MAX_CHARS = 10_000
"""Characters of one document at most, so that no long page decides alone."""
MAX_PER_HOST = 3
"""Maximum documents of one host: pages of a site share their words, which would make the error look too small."""


def anchors() -> list[str]:
    """Return the fixed documents; raises RecipeError if the file is not the pinned one."""
    head, *documents = pinned(ANCHORS, ANCHORS_SHA256).decode("utf-8").split("\n\f\n")
    assert head.startswith("#")
    return [document for document in documents if document]


def draw_heldout(
    sources: Sequence[Source], hosts: Collection[str], recipe: Recipe, cache: Path, seed: str, *,
    wanted_bytes: int = HELDOUT_BYTES, progress: Progress = lambda _share, _words: None,
) -> list[str]:  # fmt: skip
    """Draw documents from the WARCs, skipping those of `hosts` and cutting each to MAX_CHARS; fewer if they run out.

    Raises SourceError if a source cannot be read.
    """
    found: list[str] = []
    size = pages = 0
    per_host: Counter[str] = Counter()
    duplicates = Duplicates()
    plan = windows(sources, f"held-out {seed}")
    for done, (source, window) in enumerate(plan, start=1):
        if size >= wanted_bytes or pages >= MAX_PAGES:
            break
        for record, verdict in judged(source, window, recipe, cache):
            pages += 1
            host = host_of(record.url)
            if verdict.text is None or host in hosts or per_host[host] >= MAX_PER_HOST:
                continue
            if not duplicates.has(verdict.signature):
                per_host[host] += 1
                found.append(verdict.text[:MAX_CHARS])
                size += len(found[-1].encode())
        share = max(done / len(plan), size / wanted_bytes, pages / MAX_PAGES)
        progress(min(share, 1.0), f"{pages:,} pages judged, {len(found):,} held-out documents")
    return found
