"""`finest.judge` and `finest.extract`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import finest
from finest.recipe.judge import judge as judge_page
from finest.recipe.payload import read_message, read_response

PAGE = (
    "<html><body><article>" + "<p>This is one sentence of a page that has many.</p>" * 20 + "</article></body></html>"
)
MANY = (
    "<html><body>" + "<div><p>Many words stand here, <a href='/x'>and links</a>.</p></div>" * 20_000 + "</body></html>"
)
"""Its extraction takes far longer than `TINY_S` with both engines."""
TINY_S = 0.001


def seen(verdict: finest.Verdict) -> tuple[object, ...]:
    """What of a verdict can be compared."""
    signature = None if verdict.signature is None else verdict.signature.tobytes()
    return verdict.reason, verdict.text, verdict.token_count, verdict.language, verdict.value, verdict.limit, signature


def in_a_thread(call: Callable[[], object]) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def test_a_page_gets_the_verdict_that_a_run_gives_it(pages: list[finest.Page], cache: Path) -> None:
    """`judge` gives the recipe's own verdict; threads that judge at the same time get the same ones."""
    some = pages[::3]
    for recipe in ("fineweb", "finest"):
        expected = [seen(judge_page(page, finest.load_recipe(recipe), cache)) for page in some]
        assert [seen(finest.judge(page, recipe=recipe, cache=cache)) for page in some] == expected
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda page, recipe=recipe: seen(finest.judge(page, recipe=recipe, cache=cache)), some)
            assert list(found) == expected


@pytest.mark.parametrize("recipe", ["fineweb", "finest"])
def test_html_gets_the_verdict_of_its_record(pages: list[finest.Page], cache: Path, recipe: str) -> None:
    """A page's HTML and address alone give what its WARC record gives, where no language record came with it."""
    rules = finest.load_recipe(recipe).payload
    for page in [page for page in pages[::5] if page.payload_type == "text/html"]:
        alone = replace(page, languages=None)
        response = read_response(page, read_message(page, rules), rules)
        if response.charset is None and response.body:
            found = finest.judge(response.body, url=page.url, recipe=recipe, cache=cache)
            assert seen(found) == seen(finest.judge(alone, recipe=recipe, cache=cache))


def test_text_and_bytes_are_one_page(cache: Path) -> None:
    """A `str` is judged as its UTF-8 bytes are, and needs an address."""
    accented = PAGE.replace("sentence", "façade")
    verdicts = [finest.judge(html, url="https://example.org/", cache=cache) for html in (accented, accented.encode())]
    assert seen(verdicts[0]) == seen(verdicts[1])
    assert "façade" in verdicts[0].seen
    with pytest.raises(finest.UsageError, match="judge\\(html, url="):
        finest.judge(PAGE)


@pytest.mark.parametrize("run", [lambda call: call(), in_a_thread], ids=["main thread", "another thread"])
@pytest.mark.parametrize("engine", ["trafilatura", "blocks-1"])
def test_a_page_past_its_cpu_limit_is_dropped_on_every_thread(
    engine: str, run: Callable[[Callable[[], object]], object], cache: Path
) -> None:
    """The verdict is `extraction_limit` whichever thread judges, and `extract` raises PageError."""
    recipe = finest.load_recipe("finest")
    slow = recipe.extraction.model_copy(update={"engine": engine, "cpu_limit_s": TINY_S})
    limited = finest.Recipe.model_validate({**recipe.resolved(), "extraction": slow.model_dump()})
    verdict = run(lambda: finest.judge(MANY, url="https://example.org/", recipe=limited, cache=cache))
    assert isinstance(verdict, finest.Verdict)
    assert verdict.reason == "extraction_limit"
    with pytest.raises(finest.PageError, match=r"0\.001 CPU seconds"):
        run(lambda: finest.extract(MANY, engine=engine, cpu_limit_s=TINY_S))


@pytest.mark.parametrize("engine", ["trafilatura", "blocks-1", "blocks-2"])
def test_extract_gives_the_engines_text(engine: str) -> None:
    """The main text, from text or bytes; nothing from a page without any."""
    text = finest.extract(PAGE, engine=engine)  # type: ignore[arg-type]
    assert text.count("one sentence of a page") == 20
    assert finest.extract(PAGE.encode(), engine=engine) == text  # type: ignore[arg-type]
    assert finest.extract("<html></html>", engine=engine) == ""  # type: ignore[arg-type]


def test_markdown_keeps_headings_and_code() -> None:
    """Plain text has the same lines without the signs."""
    page = PAGE.replace("</body>", "<h2>Use</h2><pre>if x:\n    go()</pre></body>")
    text, marked = (finest.extract(page, engine="blocks-2", markdown=markdown) for markdown in (False, True))
    assert "if x:\n    go()" in text and "```\nif x:\n    go()\n```" in marked


def test_extract_refuses_what_would_harm_a_parser() -> None:
    """A bomb of nested elements, bytes that are no text and an unknown engine are one-line errors."""
    with pytest.raises(finest.PageError, match="payload_depth"):
        finest.extract("<div>" * 5_000)
    with pytest.raises(finest.PageError, match="no encoding"):
        finest.extract(bytes(range(256)) * 100)
    with pytest.raises(finest.UsageError, match="there are trafilatura, blocks-1, blocks-2"):
        finest.extract(PAGE, engine="readability")  # type: ignore[arg-type]
    with pytest.raises(finest.UsageError, match="writes plain text only"):
        finest.extract(PAGE, markdown=True)
