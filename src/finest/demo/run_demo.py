"""`finest demo` without the devnet: refine, verify and report the sample WARC that ships with the package."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
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

VERIFIED_PAGES = 40
REPORT = "report.html"


def run_demo(out: Path, crawl: str | None, limit: int, settings: Settings, common_crawl: CommonCrawl) -> Verification:
    """Refine, verify and report into `out`; return the verification, which contains the dataset's manifest.

    Raises the errors of these steps.
    """
    with resources.as_file(resources.files("finest.sample").joinpath("sample.warc.gz")) as sample:
        spec = common_crawl.files_of(crawl)[0] if crawl else str(sample)
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
