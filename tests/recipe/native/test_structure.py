"""Engine `blocks-2` in the compiled core and in Python: broken pages, characters, steps and errors are the same."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from finest.recipe.extract import ExtractionLimit, extract_structure
from finest.recipe.extract.blocks import MOST_OPEN
from finest.recipe.extract.structure_text import MOST_STEPS
from finest.recipe.extract.structured_text import formats_in_python
from tests.deep import examples
from tests.recipe.extract_pages import LONG
from tests.recipe.native.test_engines import MORE_PIECES, assert_equal

pytestmark = pytest.mark.usefixtures("core")


def mutated(html: str, chance: random.Random) -> str:
    """A part of a page with some of it repeated, cut out, or replaced by pieces."""
    at = chance.randrange(max(1, len(html) - 100))
    html = html[at : at + chance.choice((300, 1500, 5000))]
    for _ in range(chance.randrange(12)):
        at, other = sorted(chance.randrange(len(html) + 1) for _ in range(2))
        cut = html[other : other + 40] if chance.random() < 0.3 else "".join(chance.choices(MORE_PIECES, k=2))
        html = html[:at] + cut + html[at + chance.randrange(40) * (chance.random() < 0.3) :]
    return html


@pytest.mark.corpus
def test_mutated_pages(corpus: Path) -> None:
    """Real pages with their markup broken give one text on both paths."""
    paths = sorted((corpus / "structure").glob("*.html.gz"))
    pages = [gzip.decompress(path.read_bytes()).decode("utf-8", "replace") for path in paths]
    chance = random.Random(7)
    for _ in range(examples(60, 10_000)):
        assert_equal("blocks-2", mutated(chance.choice(pages), chance))


def test_both_paths_count_the_same_steps() -> None:
    """A page at the limit has a text, and with one more end tag it has none; so it is on the Python path."""
    html = "<div>" * MOST_OPEN + f"<p>{LONG}" + "</li>" * (MOST_STEPS // MOST_OPEN - 1)
    assert extract_structure(html)
    for extract in (extract_structure, lambda html: formats_in_python(html, (False,))):
        with pytest.raises(ExtractionLimit, match=f"{MOST_STEPS} steps"):
            extract(html + "</li>")


@pytest.mark.parametrize("char", ["", "\xe9", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff"])
def test_characters_of_every_width(char: str) -> None:
    """The core reads a page in UTF-8, whatever the width of its characters and wherever they stand."""
    for before in range(20):
        assert_equal("blocks-2", f"<p>{'a' * before}{char}{'b' * (19 - before)}{char * 3} {LONG}")


def test_half_a_surrogate_pair_is_an_error_on_both_paths() -> None:
    """The next page is read as ever."""
    for extract in (extract_structure, lambda html: formats_in_python(html, (False,))[0]):
        with pytest.raises(UnicodeEncodeError):
            extract(f"<p>{LONG}</p>\ud800")
        assert extract(f"<p>{LONG}</p>") == LONG.strip()
