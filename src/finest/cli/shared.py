"""Code shared by several commands: output, settings and common options."""

from __future__ import annotations

import gc
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from finest.errors import UsageError
from finest.masking import UNSHOWABLE, masked, printable
from finest.recipe import SHIPPED
from finest.terminal import plain_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from finest.recipe.recipe import Recipe
    from finest.settings import Settings
    from finest.tasks.store import Store
    from finest.warc.source import CommonCrawl, Shard

Command = TypeVar("Command", bound="Callable[..., object]")

work_option = click.option(
    "--work", type=click.Path(path_type=Path), default=Path("finest-work"), show_default=True,
    help="Folder of tasks, ledgers and journals. Each miner needs its own.",
)  # fmt: skip


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_PREFIXES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "t": 1_000_000_000_000}


def size_bytes(text: str) -> int:
    """Parse a size such as 50GB, 800MB or 1.5 TB into bytes, with decimal units (powers of 1000)."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise click.BadParameter(f"{text!r} is not a size; write 50GB or 800MB")
    return int(float(found[1]) * _PREFIXES[found[2].lower()])


def number_or_share(text: str) -> float:
    """Parse a number of sources such as 3, or a share of them such as 0.5%, which is below 1."""
    try:
        value = float(text.rstrip("%")) / 100 if text.endswith("%") else int(text)
    except ValueError:
        value = -1
    if value < 0 or (text.endswith("%") and value >= 1):
        raise click.BadParameter(f"{text!r} is neither a number of sources nor a share of them; write 3 or 0.5%")
    return value


def _shard(_: click.Context, parameter: click.Parameter, value: str | None) -> Shard | None:
    from finest.warc.source import Shard

    try:
        return None if value is None else Shard.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


shard_option = click.option(
    "--shard", metavar="K/N", callback=_shard,
    help="Only part K of N of the sources: the files K, K+N, K+2N and so on, an even sample of a crawl. All N parts "
    "together are every file once.",
)  # fmt: skip


dedup_memory_option = click.option(
    "--dedup-memory",
    metavar="SIZE",
    default="1GB",
    show_default=True,
    type=size_bytes,
    help="Memory of each process of the deduplication. 200 million rows need 1GB, larger runs 5 bytes a row; more "
    "memory saves passes over the signatures.",
)  # fmt: skip


_RECIPE = click.option(
    "--recipe", "recipe_name", metavar="NAME|FILE.toml",
    help=f"Recipe file, or one that comes with finest: {', '.join(SHIPPED)}.  [default: fineweb; with "
    "--language, fineweb-2 if its language model was fetched, otherwise fineweb-2-lid176]",
)  # fmt: skip
_LANGUAGE = click.option(
    "--language", metavar="CODE[,CODE...]|all",
    help="Languages to keep, each with the rules of FineWeb-2: de, deu or deu_Latn, or a file of finest languages add. "
    "Each becomes a configuration of the dataset.",
)  # fmt: skip


def recipe_options(command: Command) -> Command:
    """Give a command the options `--recipe` and `--language`, which `recipe_of` reads."""
    return _RECIPE(_LANGUAGE(command))


def recipe_of(name: str | None, language: str | None, cache: Path) -> Recipe:
    """Return the recipe that the options name."""
    from finest.pipeline.languages import recipe_in_languages
    from finest.recipe.recipe import load_recipe

    if language is not None:
        return recipe_in_languages(language, name, cache, say)
    return load_recipe(name or "fineweb")


def common_crawl(settings: Settings) -> CommonCrawl:
    """Return the location of Common Crawl's files from the settings."""
    from finest.warc.source import CommonCrawl

    return CommonCrawl.of(settings)


def console() -> Console:
    """Return a console on standard output, for the result that the user asked for."""
    return plain_console(soft_wrap=True)


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import packages of an extra inside this block; a missing one raises UsageError with the command to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise UsageError(f"{package} is not installed; pip install 'finest-data[{extra}]'") from error


@contextmanager
def task_store(settings: Settings) -> Iterator[Store]:
    """Open the task server's database until the block ends; raises UsageError if its packages are missing."""
    with needs("server"):
        from finest.tasks.store import Store
    store = Store.open(settings.database_url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import a command's heavy packages inside this block, at the lowest cost in CPU time.

    NumPy's OpenBLAS starts no threads: each would spin for about 0.1 s of CPU before it sleeps, and finest multiplies
    no matrices. Arrow uses the C library's allocator: its own one uses huge pages, which the kernel must clear
    completely. The garbage collector ignores the imported objects from now on: they live until the process ends.
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
    """Return JSON with control characters escaped, so that it is harmless on a terminal."""
    return UNSHOWABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, indent=1, ensure_ascii=False))


def say(line: str) -> None:
    """Print one line of progress on standard error, without secrets and control characters."""
    click.echo(printable(masked(line)), err=True)
