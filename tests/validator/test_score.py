"""What the score promises, whatever is measured."""

from __future__ import annotations

from dataclasses import replace
from math import comb, inf, nan

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finest.validator.score import POLICY, Measured, chance_of, is_forged, score

REFERENCE_BPB = st.floats(0.8, 2.5)
COUNTS = st.integers(1, 300)
HONEST = Measured(
    admissible=True, rows_checked=128, rows_bad=0, pages_checked=200, pages_missed=0, unique_tokens=10**7,
    reference_tokens=10**7, bpb=2.0, bpb_reference=2.0, bpb_raw=2.1, error_bpb=0.0, blocks_used=0, blocks_allowed=100,
)  # fmt: skip


@st.composite
def measured(draw: st.DrawFn) -> Measured:
    rows, pages, reference = draw(COUNTS), draw(COUNTS), draw(REFERENCE_BPB)
    return Measured(
        admissible=True, rows_checked=rows, rows_bad=draw(st.integers(0, rows)), pages_checked=pages,
        pages_missed=draw(st.integers(0, pages)), unique_tokens=draw(st.integers(0, 10**8)),
        reference_tokens=draw(st.integers(1, 10**8)), bpb=draw(st.floats(0.5, 6)), bpb_reference=reference,
        bpb_raw=reference + draw(st.floats(-0.05, 0.6)), error_bpb=draw(st.floats(0, 0.2)),
        blocks_used=draw(st.integers(0, 10**4)), blocks_allowed=draw(st.integers(1, 10**4)),
    )  # fmt: skip


def total(found: Measured) -> float:
    return score(found).total


@given(measured())
def test_it_is_from_nought_to_one(found: Measured) -> None:
    """No evidence gives less than 0 or more than 1."""
    assert 0 <= total(found) <= 1


@given(measured())
def test_what_is_not_admissible_is_worth_nothing(found: Measured) -> None:
    """Neither quality nor volume buys admission."""
    assert total(replace(found, admissible=False)) == 0


@given(measured(), st.floats(0, 1))
def test_worse_text_never_pays(found: Measured, worse: float) -> None:
    """More bits per byte never raise the score."""
    assert total(replace(found, bpb=found.bpb + worse)) <= total(found)


@given(measured(), st.floats(0, 1))
def test_doubt_never_pays(found: Measured, more: float) -> None:
    """A larger standard error never raises the score."""
    assert total(replace(found, error_bpb=found.error_bpb + more)) <= total(found)


@given(measured(), st.integers(0, 10**7))
def test_more_unique_text_never_hurts(found: Measured, more: int) -> None:
    """More unique tokens never lower the score."""
    assert total(replace(found, unique_tokens=found.unique_tokens + more)) >= total(found)


@given(measured())
def test_a_bad_row_never_pays(found: Measured) -> None:
    """One more row that is not what its record gives never raises the score."""
    assume(found.rows_bad < found.rows_checked)
    assert total(replace(found, rows_bad=found.rows_bad + 1)) <= total(found)


@given(measured())
def test_a_missing_row_never_pays(found: Measured) -> None:
    """One more page left out never raises the score."""
    assume(found.pages_missed < found.pages_checked)
    assert total(replace(found, pages_missed=found.pages_missed + 1)) <= total(found)


@given(measured(), st.floats(0.01, 1))
def test_a_part_pays_at_most_its_share(found: Measured, share: float) -> None:
    """A share of the reference's text is worth at most that share, however good it is."""
    part = replace(found, unique_tokens=int(share * found.reference_tokens))
    assert total(part) <= share * (1 + 1e-9)


@given(measured(), st.integers(0, 10**4))
def test_speed_moves_at_most_a_tenth(found: Measured, blocks: int) -> None:
    """Between the fastest and the slowest there is a tenth."""
    one, other = total(found), total(replace(found, blocks_used=blocks))
    assert min(one, other) >= (1 - POLICY.promptness) * max(one, other) - 1e-12


@given(measured())
def test_speed_alone_pays_nothing(found: Measured) -> None:
    """Text no better than raw is worth nothing, however soon it comes."""
    told_apart = found.bpb_raw - found.bpb_reference >= POLICY.min_gap_bpb
    assert total(replace(found, bpb=found.bpb_raw + 1e-9 if told_apart else 9.0, blocks_used=0)) == 0


@given(measured(), st.floats(0.5, 2), st.floats(0, 1))
def test_the_unit_of_quality_does_not_matter(found: Measured, scale: float, shift: float) -> None:
    """Bits per byte, scaled and shifted alike for all three texts, give the same score."""
    assume(found.bpb_raw - found.bpb_reference > 0.03)
    other = replace(
        found, bpb=scale * found.bpb + shift, bpb_reference=scale * found.bpb_reference + shift,
        bpb_raw=scale * found.bpb_raw + shift, error_bpb=scale * found.error_bpb,
    )  # fmt: skip
    assume(other.bpb_raw - other.bpb_reference > POLICY.min_gap_bpb)
    assert abs(total(other) - total(found)) < 1e-6


@given(measured(), st.floats(-1e-4, 1e-4))
def test_validators_with_other_samples_agree(found: Measured, off: float) -> None:
    """A small difference in bits per byte is a small difference in score."""
    assume(found.bpb_raw - found.bpb_reference > 0.02)
    assert abs(total(replace(found, bpb=found.bpb + off)) - total(found)) <= abs(off) / (0.02 * POLICY.ceiling) + 1e-12


@given(st.integers(32, 300))
def test_an_honest_miner_is_hardly_ever_found_forged(checked: int) -> None:
    """At the tolerated share of bad rows one audit in ten thousand errs, and a fifth of bad rows is mostly found."""
    limit = next(bad for bad in range(checked + 1) if is_forged(bad, checked))
    assert chance_of(limit, checked, POLICY.tolerance) < POLICY.alpha
    assert chance_of(limit, checked, 0.2) > 0.5


@given(st.integers(16, 300), st.floats(0.02, 1), st.floats(0, 1))
@settings(max_examples=40)
def test_forging_is_worth_less_than_honesty(checked: int, share: float, gain: float) -> None:
    """A forger of 2 % or more expects less than an honest miner, though forged rows lift quality up to the ceiling."""
    lifted = HONEST.bpb - 0.01 * min(1, gain) * min(1, share / 0.1)
    forger = replace(HONEST, rows_checked=checked, bpb=lifted)
    expected = sum(
        comb(checked, bad) * share**bad * (1 - share) ** (checked - bad) * total(replace(forger, rows_bad=bad))
        for bad in range(checked + 1)
    )
    assert expected <= total(HONEST) + 1e-9


def test_the_honest_miner_gets_the_reference_s_worth() -> None:
    """All there, all true, as good as the reference, at once: 1 / ceiling."""
    assert abs(total(HONEST) - 1 / POLICY.ceiling) < 1e-12


def test_what_cannot_be_measured_is_worth_nothing() -> None:
    """A text on which the model fails has no quality; a dataset without rows is not admissible."""
    assert total(replace(HONEST, bpb=inf)) == total(replace(HONEST, bpb=nan)) == 0
    assert total(replace(HONEST, rows_checked=0)) == 0
