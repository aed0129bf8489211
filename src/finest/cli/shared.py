"""What commands share: where they speak, what the settings mean to them, options that several have."""

from __future__ import annotations

import gc
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from finest.errors import UsageError
from finest.masking import UNSHOWABLE, masked, printable
from finest.terminal import plain_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.settings import Settings
    from finest.warc.source import CommonCrawl

work_option = click.option(
    "--work", type=click.Path(path_type=Path), default=Path("finest-work"), show_default=True,
    help="Folder of tasks, ledgers and journals; one miner a folder.",
)  # fmt: skip


def alike(flag: str) -> str:
    """--hf-repo is --hf_repo, --wallet_name is --wallet.name: guides and fingers spell them in every way."""
    return flag.replace("-", "_").replace(".", "_")


def common_crawl(settings: Settings) -> CommonCrawl:
    """Where Common Crawl's files are read."""
    from finest.warc.source import CommonCrawl

    return CommonCrawl(https_base=settings.cc_https, bucket=settings.cc_bucket)


def console() -> Console:
    """Standard output, for what a person asked to see."""
    return plain_console(soft_wrap=True)


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Imports of packages that only an extra brings; raises UsageError that says how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed; pip install 'finest-data[{extra}]'") from error


@contextmanager
def lean_imports() -> Iterator[None]:
    """Imports of a command that counts its CPU seconds: all that it needs to work, before any of it is loaded.

    NumPy's OpenBLAS starts no threads, each of which would spin for about 0.1 s of CPU before it sleeps: nothing here
    multiplies matrices. Arrow takes its memory from the C library: its own allocator's is in huge pages, which the
    kernel clears whole. The garbage collector looks through none of what is imported, now or later: it stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def json_of(value: Any) -> str:
    """JSON for programs that does not harm the terminal of a person: control characters are escaped."""
    return UNSHOWABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, indent=1, ensure_ascii=False))


def say(line: str) -> None:
    """One line on standard error, for what happens meanwhile; without secrets and control characters."""
    click.echo(printable(masked(line)), err=True)
