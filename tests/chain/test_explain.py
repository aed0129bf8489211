"""The chain's no, in our words."""

from __future__ import annotations

import pytest

pytest.importorskip("bittensor")

from bittensor.result import ChainError as SdkChainError

from finest.chain.connection import Lost
from finest.chain.errors import BudgetExceeded, ChainError, NoPermit, NotRegistered, RateLimited
from finest.chain.options import ChainOptions
from finest.chain.submission import ExtrinsicRejected, _classify, explain


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("AccountNotAllowedCommit", NotRegistered),
        ("HotKeyNotRegisteredInSubNet", NotRegistered),
        ("SpaceLimitExceeded", BudgetExceeded),
        ("SettingWeightsTooFast", RateLimited),
        ("CommittingWeightsTooFast", RateLimited),
        ("RateLimitExceeded", RateLimited),
        ("NeuronNoValidatorPermit", NoPermit),
        ("NotEnoughStakeToSetWeights", NoPermit),
        ("IncorrectWeightVersionKey", ChainError),
        ("MaxWeightExceeded", ChainError),
    ],
)
def test_every_no_has_its_kind(name: str, kind: type[ChainError]) -> None:
    """By the name of the pallet's error, with when to come back where time mends it."""
    rejected = _classify(SdkChainError("docs", name))
    assert isinstance(rejected, ExtrinsicRejected)
    error = explain(rejected, "weights", "5abc", ChainOptions(), 7)
    assert type(error) is kind
    if isinstance(error, RateLimited):
        assert error.retry_after_blocks == 7
        assert "7 blocks" in str(error)


@pytest.mark.parametrize("name", ["Stale", "PriorityTooLow", "AlreadyImported", "Usurped", "Dropped", "Future", None])
def test_what_may_have_landed_is_not_a_no(name: str | None) -> None:
    """Such a write's fate is looked up on the chain."""
    assert isinstance(_classify(SdkChainError("Connection dropped while in flight", name)), Lost)
