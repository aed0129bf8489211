"""What the doctor says of a validator's rights, by what the chain holds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bittensor")

from finest.chain.options import ChainOptions
from finest.chain.view import Neuron, SubnetView
from finest.doctor import chain
from finest.doctor.subject import Subject
from finest.findings import Finding, State, ok
from finest.settings import Settings

ME = Neuron(
    uid=3, hotkey="5Me", coldkey="5Cold", stake_alpha=2_000.0, validator_permit=True, registration_block=10,
    last_update_block=0,
)  # fmt: skip
OTHER = replace(ME, uid=4, hotkey="5Other", stake_alpha=9_000.0)


@dataclass
class Storage:
    """A chain's numbers, where `finest.chain.subnet.Chain` has its connection."""

    items: dict[str, int] = field(default_factory=lambda: {"StakeThreshold": 1000 * 10**9, "WeightsSetRateLimit": 100})
    hotkey: Neuron = ME

    @property
    def _connection(self) -> Storage:
        return self

    def call(self, work: Any, _: float) -> Any:
        return work(self)

    def query(self, item: tuple[str, str], _: list[int]) -> int | None:
        return self.items.get(item[1])


@dataclass
class Key:
    address: str = ME.hotkey


def look(check: Any, me: Neuron = ME, *, block: int = 5_000, owner: str = "5Owner") -> Finding:
    """What a check finds where `me` and one other validator hold seats."""
    neurons = (me, OTHER)
    view = SubnetView(63, block, 360, owner, 12.0, neurons, time.monotonic(), {one.hotkey: one for one in neurons})
    subject = Subject(Settings(cache=Path("/nowhere")), ChainOptions(), role="validator")
    storage: Any = Storage()
    storage.hotkey = Key()
    subject.chain.value, subject.view.value = storage, view
    found: Finding = check(subject)
    return found


def test_permit_and_stake() -> None:
    """Where it stands among those that may set weights."""
    assert look(chain.permit) == ok("validator permit, stake 2,000 alpha, number 2 of 2")


def test_no_permit() -> None:
    """What the others stake, and the command that stakes more."""
    found = look(chain.permit, replace(ME, validator_permit=False))
    assert (found.state, found.line) == (
        State.FAILURE,
        "no validator permit; stake 2,000 alpha; 1 permit, from 9,000 up; permits are assigned once per epoch",
    )  # fmt: skip
    assert found.mend == "btcli stake add --netuid 63 --network finney --hotkey 5Me"


def test_a_permit_without_enough_stake() -> None:
    """The chain takes no weights from below its threshold, permit or not."""
    found = look(chain.permit, replace(ME, stake_alpha=999.0))
    assert (found.state, found.line) == (State.FAILURE, "stake 999 alpha; the subnet accepts weights from 1,000 up")
    assert (found.mend or "").startswith("btcli stake add ")


def test_the_owner_needs_no_permit() -> None:
    """Of the subnet."""
    assert look(chain.permit, replace(ME, validator_permit=False), owner=ME.hotkey).state is State.OK


@pytest.mark.parametrize(
    ("last", "said"),
    [(0, "none set yet"), (4_990, "set 10 blocks ago, taken in 90"),
     (4_900, "set 100 blocks ago, taken now"), (5_001, "set 0 blocks ago, taken in 100"),
     (10, "none set since registration, taken now")],
)  # fmt: skip
def test_when_weights_are_taken(last: int, said: str) -> None:
    """The subnet's limit counts from the last ones; a wait is no failure."""
    rule = "the subnet accepts them every 100 blocks, and applies them every 360"
    assert look(chain.weights, replace(ME, last_update_block=last)) == ok(f"{said}; {rule}")
