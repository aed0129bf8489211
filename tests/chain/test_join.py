"""Records of strangers, joined with the seats of the subnet."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("bittensor")

from finest.chain.commitments import ChainCommitment, join
from finest.chain.payload import Commitment, encode
from finest.chain.view import Neuron, SubnetView
from tests.deep import examples

REVISION, ROOT = "a" * 40, "b" * 64
LINE = encode("a/b", REVISION, ROOT)


def view(*hotkeys: str, registered_at: int = 0) -> SubnetView:
    neurons = tuple(Neuron(uid, hotkey, "cold", 0.0, False, registered_at, 0) for uid, hotkey in enumerate(hotkeys))
    return SubnetView(63, 100, 360, "owner", 12.0, neurons, 0.0, {neuron.hotkey: neuron for neuron in neurons})


def record(*fields: Any, block: Any = 50) -> dict[str, Any]:
    return {"deposit": 0, "block": block, "info": {"fields": list(fields)}}


def raw(data: bytes) -> dict[str, str]:
    return {f"Raw{len(data)}": f"0x{data.hex()}"}


def test_lines_are_joined_by_hotkey() -> None:
    """Whatever order the chain has them in; by uid here."""
    found = join(view("x", "y"), [("y", record(raw(LINE.encode()))), ("x", record(raw(LINE.encode()), block=51))])
    said = Commitment("a/b", REVISION, ROOT)
    assert list(found) == [ChainCommitment("x", 0, 51, said), ChainCommitment("y", 1, 50, said)]
    assert (len(found), found.block, found.skipped) == (2, 100, {})


HOSTILE = {
    "before_registration": [record(raw(LINE.encode()), block=9)],
    "malformed": [
        None, "text", 7, {}, {"block": 50}, {"block": 50, "info": None}, {"block": 50, "info": {"fields": None}},
        {"block": "50", "info": {"fields": []}}, record({"Raw2": "0xzz"}), record(raw(LINE.encode()), block=None),
    ],
    "not_one_field": [record(), record(raw(LINE.encode()), raw(b"more"))],
    "not_plain": [
        record("None"), record("ResetBondsFlag"), record({"BigRaw": LINE}), record({"Sha256": "0x" + "0" * 64}),
        record({"TimelockEncrypted": {"encrypted": "0x" + "00" * 1024, "reveal_round": 1}}), record({"Raw5": None}),
        record({"Raw128": "0x" + "00" * 1_000_000}), record({}), record({"Raw1": "0x61", "Raw2": "0x6161"}),
        record(None), record({5: "0x61"}),
    ],
    "not_text": [record(raw(b"\xff\xfe\x00")), record(raw(LINE.encode()[:-1] + b"\xc3"))],
    "foreign": [record(raw(b"")), record(raw(b"hello")), record(raw(b"\x00" * 128)), record(raw(LINE.encode() + b" "))],
}  # fmt: skip


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_records_are_counted_and_passed_over(reason: str) -> None:
    """Each under its reason, and the honest line beside them is read."""
    records = HOSTILE[reason]
    hotkeys = [f"h{number}" for number in range(len(records))]
    rows = [*zip(hotkeys, records, strict=True), ("honest", record(raw(LINE.encode())))]
    found = join(view(*hotkeys, "honest", registered_at=10), rows)
    assert [line.hotkey for line in found] == ["honest"]
    assert found.skipped == {reason: len(records)}


def test_what_a_deregistered_hotkey_left_is_passed_over() -> None:
    """A record outlives its seat."""
    found = join(view("x"), [("gone", record(raw(LINE.encode()))), (None, None), (("x",), record())])
    assert (len(found), found.skipped) == (0, {"unregistered": 3})


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner)),
    max_leaves=8,
)


@settings(max_examples=examples(12, 1_000))
@given(anything, st.lists(anything))
def test_nothing_on_the_chain_can_break_the_read(whole: object, fields: list[object]) -> None:
    """Any value in any place: counted, never raised."""
    found = join(view("x"), [("x", whole), ("x", record(*fields)), ("x", {"block": 50, "info": whole})])
    assert len(found) == 0
    assert sum(found.skipped.values()) == 3
