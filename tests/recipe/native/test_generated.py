"""The header of constants that the compiled core shares with the Python modules is up to date."""

from __future__ import annotations

import pytest

from finest.recipe.build_core_header import HEADER, filtered_words, header


def test_the_header_is_fresh() -> None:
    """After a change of a shared constant, run `python -m finest.recipe.build_core_header`."""
    assert HEADER.read_text(encoding="utf-8") == header()


def test_a_filter_of_another_form_is_refused() -> None:
    """A release of trafilatura whose filter has a new form cannot pass unseen."""
    assert filtered_words(r"\W*(E-?Mail|Xing|More on this.{,8}$)$") == ["email", "e-mail", "xing"]
    with pytest.raises(ValueError, match="unknown form"):
        filtered_words(r"\W*(Mail|X.*g|More on this.{,8}$)$")
