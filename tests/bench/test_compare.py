"""The bench must not be able to call two different runs equal."""

from __future__ import annotations

from bench.compare import agreement, equality, overlap
from bench.outcome import Outcome

KEYS = [("w", f"<{n}>", 0) for n in range(4)]


def outcomes(*pairs: tuple[str, str | None]) -> dict[tuple[str, str, int], Outcome]:
    return {key: Outcome(f"https://example.org/{key[1]}", *pair) for key, pair in zip(KEYS, pairs, strict=False)}


REFERENCE = outcomes(("kept", "a"), ("language", None), ("kept", "b"), ("c4_curly_bracket", None))


def test_equal_runs_are_equal() -> None:
    """The same reasons and texts, page by page."""
    assert equality(REFERENCE, outcomes(*((o.reason, o.text) for o in REFERENCE.values()))).equal


def test_each_kind_of_difference_is_one() -> None:
    """Another text, another reason, a page lost, a page more, a page missing."""
    for changed in (
        (("kept", "A"), ("language", None), ("kept", "b"), ("c4_curly_bracket", None)),
        (("kept", "a"), ("quality_short_doc", None), ("kept", "b"), ("c4_curly_bracket", None)),
        (("kept", "a"), ("language", None), ("language", None), ("c4_curly_bracket", None)),
        (("kept", "a"), ("language", None), ("kept", "b"), ("kept", "c")),
        (("kept", "a"), ("language", None), ("kept", "b")),
    ):
        assert not equality(REFERENCE, outcomes(*changed)).equal


def test_a_gate_may_only_drop_what_the_reference_drops() -> None:
    """An earlier drop counts as equal; a kept page that the gate drops is a loss."""
    early = equality(REFERENCE, outcomes(("kept", "a"), ("gate_cld2", None), ("kept", "b"), ("c4_curly_bracket", None)))
    assert early.equal
    assert early.earlier == 1
    lost = equality(REFERENCE, outcomes(("gate_lid", None), ("language", None), ("kept", "b"), ("gate_cld2", None)))
    assert not lost.equal
    assert lost.lost_to_gate == 1


def test_overlap_counts_words_as_often_as_they_stand() -> None:
    """Half of the words found, all of those found true."""
    found = overlap([("one two two three", "two two")])
    assert (found.precision, found.recall) == (1.0, 0.5)


def test_agreement_scores_both_against_the_marked_text() -> None:
    """Where only one recipe keeps a page, the other is not scored on it."""
    table = agreement(REFERENCE, outcomes(("kept", "a x"), ("language", None), ("language", None)), {("w", "<0>"): "a"})
    assert table["kept_both"] == 1
    assert table["gold_common"]["fineweb"].precision == 1.0
    assert table["gold_common"]["finest"].precision == 0.5
