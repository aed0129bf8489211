"""`finest demo` without the devnet: refine, verify and report the sample WARC that ships with the package."""

from __future__ import annotations

import gzip
from importlib import resources
from typing import TYPE_CHECKING

import requests

from finest.atomic_files import write_whole
from finest.errors import SourceError
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.report.read import report_of
from finest.pipeline.report.render import render_report
from finest.pipeline.run import default_workers, refine
from finest.pipeline.verify import verify
from finest.recipe.recipe import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from finest.pipeline.verify import Verification
    from finest.settings import Settings
    from finest.warc.source import CommonCrawl

TIMEOUT_S = 60.0
VERIFIED_PAGES = 40
REPORT = "report.html"


def run_demo(out: Path, crawl: str | None, limit: int, settings: Settings, common_crawl: CommonCrawl) -> Verification:
    """Refine, verify and report into `out`; return the verification, which contains the dataset's manifest.

    Raises the errors of these steps.
    """
    with resources.as_file(resources.files("finest.sample").joinpath("sample.warc.gz")) as sample:
        spec = first_warc(crawl, settings.cc_https) if crawl else str(sample)
        options = RunOptions(
            specs=(spec,), out=out, recipe=load_recipe("fineweb"), cache=settings.cache, common_crawl=common_crawl,
            workers=default_workers(), limit=limit if crawl else None,
        )  # fmt: skip
        progress = Progress()
        try:
            refine(options, progress)
        finally:
            progress.close()
        found = verify(out, settings.cache, common_crawl, sample=VERIFIED_PAGES, say=progress.say)
    write_whole(out / REPORT, render_report(report_of(out)).encode())
    return found


def first_warc(crawl: str, https_base: str) -> str:
    """Return the path of a crawl's first WARC; raise SourceError if the crawl or the network is missing."""
    url = f"{https_base}/crawl-data/{crawl}/warc.paths.gz"
    try:
        answer = requests.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return gzip.decompress(answer.content).decode().split("\n", 1)[0].strip()
    except (requests.RequestException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{url} cannot be read: {error}; check the crawl's name and the network") from error
