"""The closed list of reasons."""

from __future__ import annotations

import pytest

from finest.recipe.reasons import FAILURES, REASONS, STAGES, reason, stage_of


def test_every_reason_belongs_to_a_stage() -> None:
    """Each reason has a stage of the list, stages in order, and one line of explanation."""
    order = list(STAGES)
    places = [order.index(found.stage) for found in REASONS.values()]

    assert places == sorted(places)
    assert set(order) == {found.stage for found in REASONS.values()}
    assert all(name == found.name for name, found in REASONS.items())
    assert all(found.explanation.endswith(".") and "\n" not in found.explanation for found in REASONS.values())


def test_names_begin_with_their_stage() -> None:
    """A reason's prefix is its stage; duplicate, not_selected, contaminated and kept stand alone."""
    alone = {"duplicate", "not_selected", "contaminated"}
    assert all(f"{name}_".startswith(f"{stage_of(name)}_") for name in REASONS if name not in alone)
    assert (stage_of("duplicate"), stage_of("kept"), stage_of("language")) == ("dedup", "kept", "language")


def test_other_n_grams_are_known() -> None:
    """Recipes may use n-gram sizes that no shipped recipe has."""
    assert stage_of("repetition_top_7_gram") == "repetition"
    assert reason("repetition_duplicated_12_n_grams").explanation == (
        "Repeated 12-word phrases make up too much of the text."
    )


@pytest.mark.parametrize("name", ["", "boredom", "repetition_top_x_gram", "repetition_top_2_gram_", "Kept", "url_"])
def test_unknown_reasons_are_refused(name: str) -> None:
    """The list is closed."""
    with pytest.raises(ValueError, match="no reason is called"):
        stage_of(name)


def test_failures_are_of_extraction() -> None:
    """Extraction can fail on a page, or the judging of it as a whole."""
    assert {stage_of(name) for name in FAILURES} == {"extraction", "judge"}
    assert "extraction_empty" not in FAILURES
