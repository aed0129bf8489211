"""Single pages from Python: `finest.judge` and `finest.extract`."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from finest.errors import PageError, UsageError
from finest.recipe.bounds import check_markup
from finest.recipe.decode import decode
from finest.recipe.extract import ExtractionLimit, bounded
from finest.recipe.judge import ENGINES
from finest.recipe.judge import judge as judge_page
from finest.recipe.page import Page
from finest.recipe.payload import Response
from finest.recipe.recipe import SHIPPED, DecodeRules, LimitRules, Recipe, load_recipe
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.recipe.judge import Verdict

_UNNAMED = "<urn:uuid:00000000-0000-0000-0000-000000000000>"
"""WARC-Record-ID of a page that comes from no WARC."""
_UNDATED = "1970-01-01T00:00:00Z"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html%s\r\n\r\n"

_one_page = threading.RLock()
"""The tools that judge pages (tokenizers and their memos) belong to one thread at a time."""


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
    up in block lists. HTML as `bytes` is decoded as the recipe says; a `str` is taken as it is. `recipe` is the name
    of a shipped recipe (`fineweb`, `finest`), the path of a TOML file, or a `Recipe`. `cache` is the folder for lists
    that are built once per machine (7 s); by default the one that the command line uses.

    HTML gets the verdict of its WARC record, with one exception: Common Crawl's own language record, if there is one,
    is part of a `Page` but not of HTML, and a recipe with a gate looks at it first.

    Threads may call it. Calls wait for one another, so threads make nothing faster: use processes for that. The verdict
    of a page does not depend on the thread. A page whose extraction takes more than the recipe's `cpu_limit_s` of CPU
    time gets the verdict `extraction_limit`; code that cannot be interrupted (one call into compiled code) runs to its
    end before that is said.

    Raises UsageError for HTML without an address, RecipeError for a recipe that cannot be loaded.
    """
    chosen = recipe_of(recipe)
    whole = page if isinstance(page, Page) else page_of_html(page, url)
    with _one_page:
        return judge_page(whole, chosen, Path(cache) if cache else default_cache())


def extract(
    html: str | bytes, *, engine: Literal["blocks-1", "trafilatura"] = "blocks-1", cpu_limit_s: float = 10.0
) -> str:
    """The main text of a page's HTML, without navigation and boilerplate; "" where the page has none.

    `engine` is `blocks-1`, ours, or `trafilatura`, whose text is that of trafilatura 1.11.0 with `favor_precision`.
    `bytes` are decoded by the encoding that the page declares. Threads may call it; calls wait for one another.

    Raises PageError where the markup passes the limits that keep a parser safe (`LimitRules`), where the extraction
    takes more than `cpu_limit_s` CPU seconds of the calling thread, and where the bytes have no known encoding.
    """
    if engine not in ENGINES:
        raise UsageError(f"no extraction engine called {engine!r}; there are {', '.join(ENGINES)}")
    text = html if isinstance(html, str) else _decoded(html)
    failed = next((check for check in check_markup(text, LimitRules()) if check.failed), None)
    if failed:
        raise PageError(f"the page passes a limit: {failed.reason}, {failed.value:,.0f} of at most {failed.limit:,.0f}")
    with _one_page:
        try:
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
    """A page as a crawler would have recorded it; raises UsageError without an address."""
    if url is None or not url.startswith(("http:", "https:")):
        raise UsageError("say where the page lies: judge(html, url='https://...')")
    if isinstance(html, str):
        block = _HEAD % b"; charset=utf-8" + html.encode("utf-8", "replace")
    else:
        block = _HEAD % b"" + html
    return Page(id=_UNNAMED, url=url, date=_UNDATED, block=block, payload_type="text/html")


def recipe_of(recipe: str | Recipe) -> Recipe:
    """The recipe that is meant by a name, a path or itself."""
    if isinstance(recipe, Recipe):
        return recipe
    return _shipped(recipe) if recipe in SHIPPED else load_recipe(recipe)


_shipped = functools.cache(load_recipe)


@functools.cache
def default_cache() -> Path:
    """The folder that the command line uses; the environment is read once."""
    return load_settings().cache
