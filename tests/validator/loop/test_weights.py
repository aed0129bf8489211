"""From verdicts to weights: what may never happen, whatever miners and validators do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finest.validator.loop.weights import (
    CLAIMED,
    PAID_BLOCKS,
    PAY_DAYS,
    PROBATION_BLOCKS,
    SETTLING_BLOCKS,
    VESTED_SHARE,
    VESTING_DAYS,
    HotkeyScore,
    Past,
    common_block,
    hotkey_scores,
    of_current_registrations,
    weights,
)

from .lines import ALICE, BOB, CAROL

NOW = 100_000
SEATS = {ALICE: 1, BOB: 1, CAROL: 1}


def past(hotkey: str = ALICE, block: int = NOW - 10, **changes: object) -> Past:
    """A pass with 1.0 of a task of four WARCs with a million tokens each."""
    values = {
        "registered_block": 1, "judged_block": block + 5, "verdict": "pass", "total": 1.0, "forged": False, "warcs": 4,
        "tokens": 4e6,
    }  # fmt: skip
    return Past(hotkey=hotkey, block=block, **values | changes)  # type: ignore[arg-type]


@st.composite
def pasts(draw: st.DrawFn, hotkeys: tuple[str, ...] = (ALICE, BOB, CAROL)) -> list[Past]:
    """Verdicts in the order of their commitments, over some days, as the queue gives them."""
    blocks = sorted(draw(st.lists(st.integers(NOW - 30_000, NOW), max_size=25)))
    return [draw(_pasts(block, hotkeys)) for block in blocks]


@st.composite
def _pasts(draw: st.DrawFn, block: int, hotkeys: tuple[str, ...]) -> Past:
    verdict = draw(st.sampled_from(["pass", "pass", "pass", "fail", "no_evidence"]))
    passed, warcs = verdict == "pass", draw(st.integers(0, 64))
    return Past(
        hotkey=draw(st.sampled_from(hotkeys)), registered_block=draw(st.sampled_from([1, 1, 1, 50_000])), block=block,
        judged_block=draw(st.integers(block, NOW)), verdict=verdict,  # type: ignore[arg-type]
        total=draw(st.floats(0, 1)) if passed else 0.0, forged=verdict == "fail" and draw(st.booleans()),
        warcs=warcs, tokens=draw(st.floats(0, 1e6)) * warcs if passed else 0.0, share=draw(st.floats(0.05, 1)),
    )  # fmt: skip


@given(pasts(), st.dictionaries(st.sampled_from([ALICE, BOB, CAROL]), st.sampled_from([1, 50_000])))
def test_weights_are_above_zero_and_of_this_subnet(found: list[Past], registrations: dict[str, int]) -> None:
    """Finite, for hotkeys with a seat alone; those of zero are left out."""
    given_ = weights(found, NOW, registrations)
    assert all(math.isfinite(weight) and weight > 0 for weight in given_.values())
    assert given_.keys() <= registrations.keys()


@given(pasts(), st.integers(0, 25), st.sampled_from([ALICE, BOB]), st.integers(0, 64))
def test_no_evidence_changes_nothing(found: list[Past], place: int, hotkey: str, warcs: int) -> None:
    """Wherever it stands among the verdicts: a checker's failure is nobody's fault."""
    block = found[place].block if place < len(found) else NOW
    nothing = replace(past(hotkey, block), verdict="no_evidence", total=0.0, warcs=warcs)
    assert weights([*found[:place], nothing, *found[place:]], NOW, SEATS) == weights(found, NOW, SEATS)


@given(pasts((ALICE,)), st.integers(0, PROBATION_BLOCKS - 1))
def test_a_forger_has_nothing(found: list[Past], ago: int) -> None:
    """Found out at most a day ago, whatever it did before and has done since."""
    run_verdict = NOW - ago
    early = [one for one in found if one.block < run_verdict]
    late = [replace(one, judged_block=NOW) for one in found if run_verdict <= one.block]
    forged = past(block=run_verdict - 1, judged_block=run_verdict, verdict="fail", total=0.0, forged=True)
    assert weights([*early, forged, *late], NOW, {ALICE: 1}) == {}


def test_a_forger_begins_again_after_a_day() -> None:
    """With the work of the lie against it; what was committed before the day is over stays worth nothing."""
    forged = past(block=1000, judged_block=1200, verdict="fail", total=0.0, forged=True)
    end = 1200 + PROBATION_BLOCKS
    before = [past(block=500), forged, past(block=1100), past(block=end - 1)]
    assert hotkey_scores(before, end)[ALICE] == HotkeyScore(judged_work=4, failed=1, until_block=end)
    after = hotkey_scores([*before, past(block=end)], end + 1)[ALICE]
    assert (after.reliability, after.pay * PAY_DAYS) == pytest.approx((0.5, 4e6))


def test_an_honest_fail_costs_a_part() -> None:
    """Not the day's work: a small task that failed among large ones costs little."""
    fail = past(block=NOW - 2, verdict="fail", total=0.0, tokens=0.0, warcs=1)
    one = hotkey_scores([past(block=NOW - 3, warcs=64, tokens=64e6), fail], NOW)[ALICE]
    assert (one.reliability, one.pay * PAY_DAYS) == pytest.approx((64 / 65, 64e6))
    assert (one.passed, one.failed) == (1, 1)


@given(pasts())
def test_a_seat_that_changed_hands_inherits_nothing(found: list[Past]) -> None:
    """The weight of a seat follows from verdicts on its own holder alone."""
    registrations = {ALICE: 50_000, BOB: 1}
    own = [one for one in found if registrations.get(one.hotkey) == one.registered_block]
    assert weights(found, NOW, registrations) == weights(own, NOW, registrations)
    strangers = [one for one in found if one not in own]
    assert weights(strangers, NOW, registrations) == {}


@given(pasts(), st.integers(0, 24), st.integers(1, 64))
def test_more_verified_tokens_never_lower_the_weight(found: list[Past], place: int, more: int) -> None:
    """The same verdicts, one of them on a task with more."""
    if place >= len(found):
        return
    larger = [*found[:place], replace(found[place], tokens=found[place].tokens + more), *found[place + 1 :]]
    hotkey = found[place].hotkey
    assert weights(larger, NOW, SEATS).get(hotkey, 0.0) >= weights(found, NOW, SEATS).get(hotkey, 0.0)


@given(pasts((ALICE,)), st.floats(0, 1))
def test_a_better_score_never_lowers_the_weight(found: list[Past], total: float) -> None:
    """Of the last passed task, all else equal."""
    worse = [*found, past(block=NOW, total=total / 2)]
    better = [*found, past(block=NOW, total=total)]
    assert weights(better, NOW, SEATS).get(ALICE, 0.0) >= weights(worse, NOW, SEATS).get(ALICE, 0.0)


@given(pasts(), st.randoms(use_true_random=False))
def test_the_order_of_other_hotkeys_does_not_matter(found: list[Past], random: object) -> None:
    """Each hotkey's verdicts in their order, however those of others lie between them."""
    queues = {hotkey: [one for one in found if one.hotkey == hotkey] for hotkey in (ALICE, BOB, CAROL)}
    mixed = []
    while left := [one for one in queues.values() if one]:
        mixed.append(random.choice(left).pop(0))  # type: ignore[attr-defined]
    settled = NOW + SETTLING_BLOCKS
    assert weights(mixed, settled, SEATS) == weights(found, settled, SEATS)
    for hotkey in queues:
        alone = [one for one in found if one.hotkey == hotkey]
        assert weights(alone, settled, SEATS).get(hotkey) == weights(found, settled, SEATS).get(hotkey)


@pytest.mark.parametrize(
    "found",
    [
        [],
        [past(verdict="fail", total=0.0)],
        [past(verdict="no_evidence", total=0.0)],
        [past(total=0.0)],
        [past(tokens=0.0)],
        [past(block=NOW - VESTING_DAYS * PAID_BLOCKS)],
        [past(registered_block=7)],
        [past("5" + "Z" * 47)],
    ],
    ids=["nothing", "failed", "no-evidence", "worthless", "empty", "long ago", "another seat", "nobody"],
)
def test_where_nobody_has_a_score_nothing_is_set(found: list[Past]) -> None:
    """The validator abstains: weights of zero would be weights."""
    assert weights(found, NOW, SEATS) == {}


def test_pay_is_for_the_work_of_three_days_and_for_its_staying() -> None:
    """Twice the tokens twice the weight; after the last block of the days only the part that vests is left."""
    work = [past(ALICE), replace(past(BOB), tokens=8e6), past(CAROL, NOW - PAY_DAYS * PAID_BLOCKS + 1)]
    found = weights(work, NOW + SETTLING_BLOCKS, SEATS)
    assert found[BOB] == pytest.approx(2 * found[ALICE])
    assert found[CAROL] == pytest.approx(found[ALICE])
    vested = VESTED_SHARE / VESTING_DAYS
    left = vested / ((1 - VESTED_SHARE) / PAY_DAYS + vested)
    assert weights(work, NOW + SETTLING_BLOCKS + 1, SEATS)[CAROL] == pytest.approx(found[CAROL] * left)


def test_who_judged_first_does_not_matter() -> None:
    """The chain pays by a median over the validators, so a task is paid when all of them have its verdict."""
    settled, fresh = past(ALICE, NOW - SETTLING_BLOCKS), past(BOB, NOW - SETTLING_BLOCKS + 1)
    assert weights([settled, fresh], NOW, SEATS).keys() == {ALICE}
    assert weights([settled, fresh], NOW + 1, SEATS)[BOB] > 0
    assert weights([fresh], NOW, SEATS).keys() == {BOB}


def test_validators_of_a_tempo_compute_weights_at_the_same_block() -> None:
    """Whenever in the tempo they set them, and also before its first block."""
    assert {common_block(block, 360) for block in range(7200, 7560)} == {7200}
    assert weights([past(block=30)], common_block(50, 360), SEATS).keys() == {ALICE}


def test_paid_then_gone_is_forfeit() -> None:
    """A repository deleted after its verdict kept its weight; now it is a fail, and what still vests is forfeit."""
    kept, gone = past(block=NOW - 3 * PAID_BLOCKS), past(block=NOW - 2 * PAID_BLOCKS)
    before = weights([kept, gone], NOW, SEATS)[ALICE]
    after = weights([kept, replace(gone, verdict="fail", total=0.0, tokens=0.0)], NOW, SEATS)[ALICE]
    assert 0 < after < before / 2


def test_what_was_drawn_is_paid_for_what_was_not() -> None:
    """Its value divided by the probability; a task that was judged for certain stands for itself alone."""
    left_out = replace(past(), verdict=CLAIMED, total=0.0, tokens=0.0, share=0.25)
    drawn, certain = replace(past(), share=0.25), past(warcs=64, tokens=0.0, verdict="fail", total=0.0)
    one = hotkey_scores([drawn, left_out, left_out, left_out, certain], NOW)[ALICE]
    assert (one.pay, one.vesting) == pytest.approx((16e6 / PAY_DAYS, 16e6 / VESTING_DAYS))
    assert one.reliability == pytest.approx(16 / (16 + 64))
    assert weights([left_out] * 9, NOW, SEATS) == {}


def test_tasks_without_evidence_are_not_paid_by_honest_ones() -> None:
    """Where a part is judged, tasks made to exceed a validator's budget: what is drawn of them is worth nothing."""
    left_out = replace(past(), verdict=CLAIMED, total=0.0, tokens=0.0, share=0.25)
    drawn, nothing = (
        replace(past(), share=0.25),
        replace(past(), verdict="no_evidence", total=0.0, tokens=0.0, share=0.25),
    )
    honest = hotkey_scores([drawn, drawn, *[left_out] * 6], NOW)[ALICE]
    half = hotkey_scores([drawn, nothing, *[left_out] * 6], NOW)[ALICE]
    assert half.pay == pytest.approx(honest.pay / 2)
    assert half.reliability == 1


def test_where_the_chain_is_not_asked_the_newest_seat_counts() -> None:
    """`finest score` shows no average of two miners."""
    old, new = past(registered_block=1), past(registered_block=50_000, total=0.5)
    assert of_current_registrations([old, new, past(BOB)]) == [new, past(BOB)]
