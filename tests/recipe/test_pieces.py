"""The pieces of a page's text: what the extractor took, and what later stages left."""

from __future__ import annotations

from finest.recipe.extract import extract_structure, extract_trafilatura
from finest.recipe.extract.pieces import pieces_of
from finest.recipe.recipe import load_recipe

PAGE = (
    "<ul><li><a href=/a>Home</a></li><li><a href=/b>Contact</a></li></ul><article><h1>Tides</h1>"
    "<p>The Moon pulls on the whole Earth, and not only on the water, so the sea rises twice a day.</p>"
    "<p>Read more articles like this one in our archive, where all of them have been kept since 1998.</p></article>"
)
FINEST = load_recipe("finest")


def test_a_block_is_cut_removed_later_or_kept() -> None:
    """With the score of each block."""
    found = extract_structure(PAGE) or ""
    left = "\n".join(line for line in found.split("\n") if "archive" not in line)
    pieces = pieces_of(PAGE, found, left, FINEST)
    assert [piece.text for piece in pieces if not piece.extracted][:2] == ["Home", "Contact"]
    assert [(piece.extracted, piece.kept) for piece in pieces[-2:]] == [(True, True), (True, False)]
    assert all(piece.score is not None and (piece.score > 0) == piece.extracted for piece in pieces)
    assert "".join(piece.text for piece in pieces if piece.extracted) == found.replace("\n", "")
    in_code = PAGE.replace("the water", "<code>water</code>")
    marked = extract_structure(in_code, markdown=True) or ""
    assert "`water`" in marked and all(
        piece.kept == piece.extracted for piece in pieces_of(in_code, marked, marked, FINEST)
    )


def test_an_engine_without_scores_is_compared_by_words() -> None:
    """A block that trafilatura took is found in its text, whatever the white space."""
    found = extract_trafilatura(PAGE) or ""
    pieces = pieces_of(PAGE.replace(" the whole", "\n the \t whole"), found, found, load_recipe("fineweb"))
    assert {piece.score for piece in pieces} == {None}
    assert [piece.text.split()[0] for piece in pieces if piece.kept][-2:] == ["The", "Read"]
    assert not pieces[0].extracted
