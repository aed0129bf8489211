"""Held-out text: what every model of a measurement has to predict.

Records of WARCs that nobody was given, refined as the reference is, from hosts that the task does not have; drawn by
the seed, so after the commitment. Beside them some fixed documents of the public domain that ship with the package:
they tie measurements together, and are a tenth of the text.
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
"""Of the file that `build_model` writes."""
HELDOUT_BYTES = 1_000_000
"""Held-out text that is drawn: with 0.9 MB the error over documents is 0.004 bpb."""
MAX_PAGES = 8_000
"""Pages judged at the most, some 2 CPU minutes."""
MAX_CHARS = 10_000
"""Of one document, so that no long page decides alone."""
MAX_PER_HOST = 3
"""Documents of one host: pages of a site share their words, and would pretend to a smaller error."""


def anchors() -> list[str]:
    """The fixed documents; RecipeError where the file is not the pinned one."""
    head, *documents = pinned(ANCHORS, ANCHORS_SHA256).decode("utf-8").split("\n\f\n")
    assert head.startswith("#")
    return [document for document in documents if document]


def draw_heldout(
    sources: Sequence[Source], hosts: Collection[str], recipe: Recipe, cache: Path, seed: str, *,
    wanted_bytes: int = HELDOUT_BYTES, progress: Progress = lambda _share, _words: None,
) -> list[str]:  # fmt: skip
    """Documents of those WARCs, none of a host in `hosts`, each cut to MAX_CHARS; fewer where there are no more.

    Raises SourceError where a source cannot be read.
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
