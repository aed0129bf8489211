"""Single pages from Python: `finest.judge` and `finest.extract`."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from finest.errors import PageError, RecipeError, UsageError
from finest.recipe.bounds import check_markup
from finest.recipe.decode import decode
from finest.recipe.engines import STRUCTURED
from finest.recipe.extract import ExtractionLimit, bounded, extract_structure
from finest.recipe.judge import ENGINES
from finest.recipe.judge import judge as judge_page
from finest.recipe.page import Page
from finest.recipe.payload import Response
from finest.recipe.recipe import SHIPPED, DecodeRules, LimitRules, Recipe, load_recipe
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.recipe.judge import Verdict

_UNNAMED = "<urn:uuid:00000000-0000-0000-0000-000000000000>"
"""WARC-Record-ID of a page that does not come from a WARC."""
_UNDATED = "1970-01-01T00:00:00Z"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html%s\r\n\r\n"

_one_page = threading.RLock()
"""Lets one thread at a time use the tools that judge pages (tokenizers and their caches)."""


def _forget_the_parents_lock() -> None:
    global _one_page  # noqa: PLW0603
    _one_page = threading.RLock()


os.register_at_fork(after_in_child=_forget_the_parents_lock)


def judge(
    page: str | bytes | Page,
    *,
    url: str | None = None,
    recipe: str | Recipe = "fineweb",
    cache: str | Path | None = None,
) -> Verdict:
    """Judge one page: the verdict says whether the recipe keeps it, with its text, or drops it, with the reason.

    `page` is the page's HTML, or a `Page` from a WARC record. HTML needs its address in `url`, which the recipe looks
    up in block lists. The recipe's rules decode HTML given as `bytes`; a `str` is used as it is. `recipe` is the name
    of a shipped recipe (`fineweb`, `finest`), the path of a TOML file, or a `Recipe`. `cache` is the folder for lists
    that are built once per machine (in 7 s); by default it is the command line's.

    HTML gets the same verdict as its WARC record, with one exception: Common Crawl's own language record, if there is
    one, is part of a `Page` but not of HTML, and a recipe with a gate checks it first.

    The function is thread-safe, but calls wait for one another: use processes to judge pages in parallel. A page whose
    extraction takes more than the recipe's `cpu_limit_s` of CPU time gets the verdict `extraction_limit`. A single call
    into compiled code cannot be interrupted, so it first runs to its end.

    Raises UsageError for HTML without an address, RecipeError for a recipe that cannot be loaded.
    """
    chosen = recipe_of(recipe)
    whole = page if isinstance(page, Page) else page_of_html(page, url)
    with _one_page:
        return judge_page(whole, chosen, Path(cache) if cache else default_cache())


def extract(
    html: str | bytes,
    *,
    engine: Literal["blocks-1", "blocks-2", "trafilatura"] = "blocks-1",
    markdown: bool = False,
    cpu_limit_s: float = 10.0,
) -> str:
    """Extract the main text of a page's HTML, without navigation and boilerplate; "" if there is none.

    `engine` is `blocks-1`, finest's own, `blocks-2`, which keeps code, tables, lists and formulas and writes Markdown
    with `markdown`, or `trafilatura`, which gives the text of trafilatura 1.11.0 with `favor_precision`. `bytes` are
    decoded with the encoding that the page declares. The function is thread-safe, but calls wait for one another.

    Raises PageError if the markup exceeds the limits that protect the parser (`LimitRules`), if the extraction takes
    more than `cpu_limit_s` CPU seconds of the calling thread (`blocks-2`: more than a fixed number of steps), or if the
    encoding of the bytes is unknown; UsageError for an unknown engine, or for Markdown from another than `blocks-2`.
    """
    if engine not in ENGINES:
        raise UsageError(f"no extraction engine called {engine!r}; there are {', '.join(ENGINES)}")
    if markdown and engine != STRUCTURED:
        raise UsageError(
            f"engine {engine!r} writes plain text only: extract(html, engine={STRUCTURED!r}, markdown=True)"
        )
    text = html if isinstance(html, str) else _decoded(html)
    failed = next((check for check in check_markup(text, LimitRules()) if check.failed), None)
    if failed:
        raise PageError(f"the page passes a limit: {failed.reason}, {failed.value:,.0f} of at most {failed.limit:,.0f}")
    with _one_page:
        try:
            if engine == STRUCTURED:
                return extract_structure(text, markdown=markdown) or ""
            return bounded(ENGINES[engine], text, cpu_limit_s) or ""
        except ExtractionLimit as error:
            raise PageError(str(error)) from error
        except UnicodeEncodeError as error:
            raise PageError("the page holds half a surrogate pair, which is no text") from error


def _decoded(html: bytes) -> str:
    text, _ = decode(Response(html, "text/html"), DecodeRules())
    if text is None:
        raise PageError("the bytes of the page are in no encoding that is known")
    return text


def page_of_html(html: str | bytes, url: str | None) -> Page:
    """Build the page that a crawler would have recorded; raises UsageError without an address."""
    if url is None or not url.startswith(("http:", "https:")):
        raise UsageError("name the page's address: judge(html, url='https://...')")
    if isinstance(html, str):
        block = _HEAD % b"; charset=utf-8" + html.encode("utf-8", "replace")
    else:
        block = _HEAD % b"" + html
    return Page(id=_UNNAMED, url=url, date=_UNDATED, block=block, payload_type="text/html")


def recipe_of(recipe: str | Recipe) -> Recipe:
    """Return the recipe for a name, a path or a Recipe."""
    if isinstance(recipe, Recipe):
        return recipe
    loaded = _shipped(recipe) if recipe in SHIPPED else load_recipe(recipe)
    if loaded.language.table and not loaded.language.languages:
        raise RecipeError(f"recipe {loaded.name} needs languages: name them in a recipe file, [language] languages")
    return loaded


_shipped = functools.cache(load_recipe)


@functools.cache
def default_cache() -> Path:
    """Return the command line's cache folder; reads the environment only once."""
    return load_settings().cache
