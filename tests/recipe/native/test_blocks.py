"""Engine `blocks-1` in the compiled core and in Python: hidden elements, errors, limits and references are the same."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from finest.recipe.extract import ExtractionLimit, bounded
from finest.recipe.extract.blocks import MOST_OPEN
from finest.recipe.extract.main_text import extract_blocks, extract_in_python
from tests.recipe.extract_pages import LONG
from tests.recipe.native.test_engines import assert_equal

pytestmark = pytest.mark.usefixtures("core")


@pytest.mark.parametrize(
    "hidden", ["<ul><li hidden>{0}<li{1}>{0}</ul>", "<table><tr><td hidden>{0}<td{1}>{0}</table>",
               "<dl><dt hidden>{0}<dd{1}>{0}</dl>"]
)  # fmt: skip
@pytest.mark.parametrize("attribute", ["", " hidden", " class=comment", ' style="display:none"'])
def test_what_ends_a_hidden_element_has_attributes_of_its_own(hidden: str, attribute: str) -> None:
    """A list item that ends a hidden one may be hidden, and has its names."""
    assert_equal("blocks-1", hidden.format(LONG, attribute))


def test_a_page_that_raises() -> None:
    """Both paths let the same exception escape, and the next page is read as ever."""
    for extract in (extract_blocks, extract_in_python):
        with pytest.raises(UnicodeEncodeError):
            extract(f"<p>{LONG}</p>\ud800")
        assert extract(f"<p>{LONG}</p>") == LONG.strip()


@pytest.mark.parametrize("body", ["<li>", "x</ul>"])
def test_the_limit_holds_inside_the_core(body: str) -> None:
    """The core looks at the clock as often as it reads some thousand tags, even where no text has references."""
    html = "<div>" * MOST_OPEN + body * 1_000_000

    def cost_s(limit_s: float) -> float:
        begun_s = time.process_time()
        with suppress(ExtractionLimit):
            bounded(extract_blocks, html, limit_s)
        return time.process_time() - begun_s

    extract_blocks(html)
    assert cost_s(0.002) < cost_s(100) / 3


@pytest.mark.nightly
def test_more_references_than_are_kept() -> None:
    """Thousands of different ones: each stands for what it stands for."""
    assert_equal("blocks-1", "".join(f"<p>&#{number}; &#{number}x &amp{number};" for number in range(160, 9_000)))
