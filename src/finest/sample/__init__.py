"""The sample crawls that ship with the package, and the code that builds them.

Their pages are prose written for them and noise of every kind, in the layout of Common Crawl's WARC files. The demo
refines the English sample, the devnet serves crawls made from it, and tests read it.
"""

from __future__ import annotations

from pathlib import Path

SAMPLES = {"sample:english": "sample.warc.gz", "sample:languages": "languages.warc.gz"}
"""The files by the names that stand for them on the command line. The second has pages in ten languages."""


def sample_path(name: str) -> Path:
    """Return the file that `name` stands for; raise KeyError if there is none."""
    return Path(__file__).with_name(SAMPLES[name])
