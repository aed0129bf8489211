"""Set a validator's weights for a mechanism, with the pallet's own checks, their order and their error names.

The same rules hold for weights in the open and for hidden ones that are revealed. Hidden ones were limited in their
rate, and dated, when they were committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finest.devnet.chain.fixed_point import U16_MAX
from finest.devnet.chain.mechanisms import storage_index
from finest.devnet.chain.storage import PALLET

if TYPE_CHECKING:
    from finest.devnet.chain.state import State


class DispatchError(Exception):
    """Raised when a call fails: the block contains the transaction but not its changes. The node always catches it."""

    def __init__(self, pallet: str, name: str) -> None:
        super().__init__(f"{pallet}.{name}")
        self.pallet = pallet
        self.name = name


def require(fine: object, name: str, pallet: str = PALLET) -> None:
    """Raise the pallet's error `name` unless `fine` is true."""
    if not fine:
        raise DispatchError(pallet, name)


def validator_uid(state: State, who: str, mechanism: int) -> int:
    """Return the hotkey's uid; raise DispatchError if it, or the mechanism, does not exist."""
    require(mechanism < state.mechanisms, "MechanismDoesNotExist")
    uid = state.uid(who)
    if uid is None:
        raise DispatchError(PALLET, "HotKeyNotRegisteredInSubNet")
    return uid


def is_rested(state: State, uid: int, mechanism: int) -> bool:
    """Whether the neuron's last weights for the mechanism are old enough for the rate limit."""
    last = state.last_updates(mechanism)[uid]
    return last == 0 or state.block - last >= state.get("WeightsSetRateLimit", state.netuid)


def set_weights(
    state: State, who: str, mechanism: int, uids: Sequence[int], weights: Sequence[int], version_key: int
) -> tuple[int, int]:
    """Set the weights and return their storage index and the validator's uid; raise DispatchError if they are wrong."""
    netuid = state.netuid
    hidden = state.get("CommitRevealWeightsEnabled", netuid)
    require(len(uids) == len(weights), "WeightVecNotEqualSize")
    uid = validator_uid(state, who, mechanism)
    require(state.get("TotalHotkeyAlpha", who, netuid) >= state.get("StakeThreshold"), "NotEnoughStakeToSetWeights")
    require(version_key >= state.get("WeightsVersionKey", netuid), "IncorrectWeightVersionKey")
    require(hidden or is_rested(state, uid, mechanism), "SettingWeightsTooFast")
    only_self = list(uids) == [uid]
    require(only_self or state.get("ValidatorPermit", netuid)[uid], "NeuronNoValidatorPermit")
    _check_row(state, uids, weights, only_self=only_self)
    top, index = max(weights, default=0), storage_index(netuid, mechanism)
    scaled = [(other, weight * U16_MAX // top if top else 0) for other, weight in zip(uids, weights, strict=True)]
    state.put("Weights", index, uid, value=scaled)
    if not hidden:
        state.set_last_update(uid, mechanism)
    return index, uid


def _check_row(state: State, uids: Sequence[int], weights: Sequence[int], *, only_self: bool) -> None:
    count = state.get("SubnetworkN", state.netuid)
    require(len(uids) <= count, "UidsLengthExceedUidsInSubNet")
    require(len(set(uids)) == len(uids), "DuplicateUids")
    require(all(other < count for other in uids), "UidVecContainInvalidOne")
    require(only_self or len(uids) >= state.get("MinAllowedWeights", state.netuid), "WeightVecLengthIsLow")
    top, limit = max(weights, default=0), state.get("MaxWeightsLimit", state.netuid)
    require(only_self or top * U16_MAX <= limit * sum(weights), "MaxWeightExceeded")
