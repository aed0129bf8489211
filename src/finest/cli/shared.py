"""What commands share: where they speak, and what the settings mean to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from finest.settings import Settings
    from finest.warc.source import CommonCrawl


def common_crawl(settings: Settings) -> CommonCrawl:
    """Where Common Crawl's files are read."""
    from finest.warc.source import CommonCrawl

    return CommonCrawl(https_base=settings.cc_https, bucket=settings.cc_bucket)


def console() -> Console:
    """Standard output, for what a person asked to see."""
    return Console(highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """One line on standard error, for what happens meanwhile."""
    click.echo(line, err=True)
