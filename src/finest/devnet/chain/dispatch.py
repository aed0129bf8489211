"""Execute the calls that the devnet's chain supports, with the pallets' own checks, check order and error names.

The rules follow pallet_subtensor (weights, registration), pallet_commitments and pallet_balances of the runtime version
of the metadata. Any other call fails with `System.CallFiltered`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bittensor_core

from finest.devnet.chain.blocks import blake2
from finest.devnet.chain.commitment import INFO_AT, MAX_FIELDS, measure
from finest.devnet.chain.fixed_point import U16_MAX
from finest.devnet.chain.mechanisms import storage_index
from finest.devnet.chain.metadata import compact, read_compact
from finest.devnet.chain.state import PALLET

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.extrinsics import Call
    from finest.devnet.chain.state import State

MAX_UNREVEALED_COMMITS = 10
COMMIT_REVEAL_VERSION = 4
EXISTENTIAL_DEPOSIT = 500
_MECHANISM_CALLS = ("set_mechanism_weights", "commit_timelocked_mechanism_weights")


class DispatchError(Exception):
    """Raised when a call fails: the block contains the transaction but not its changes. The node always catches it."""

    def __init__(self, pallet: str, name: str) -> None:
        super().__init__(f"{pallet}.{name}")
        self.pallet = pallet
        self.name = name


@dataclass(slots=True)
class Context:
    """The context of one executing call; `events` are the pallets' events."""

    state: State
    who: str
    call: Call
    data_tags: dict[str, int]
    events: list[dict[str, Any]] = field(default_factory=list)

    def arg(self, name: str) -> Any:
        """Return a decoded argument."""
        return self.call.args[name]

    def require(self, fine: object, name: str, pallet: str = PALLET) -> None:
        """Raise the pallet's error `name` unless `fine` is true."""
        if not fine:
            raise DispatchError(pallet, name)

    def emit(self, event: str, values: Any, pallet: str = PALLET) -> None:
        """Record an event of a pallet."""
        self.events.append({pallet: {event: values}})


def dispatch(context: Context) -> None:
    """Execute a call; raise DispatchError if it fails."""
    rule = _RULES.get((context.call.pallet, context.call.function))
    if rule is None:
        raise DispatchError("System", "CallFiltered")
    rule(context)


def _set_commitment(context: Context) -> None:
    state, netuid = context.state, context.arg("netuid")
    registered = netuid == state.netuid and state.uid(context.who) is not None
    context.require(registered, "AccountNotAllowedCommit", "Commitments")
    info = context.call.data[INFO_AT:]
    commitment = measure(info, context.data_tags)
    context.require(commitment.fields <= MAX_FIELDS, "TooManyFieldsInCommitmentInfo", "Commitments")
    context.require(not commitment.marked_failed, "TimelockRevealFailedNotAllowed", "Commitments")
    used = state.pallets.get("Commitments", "UsedSpaceOf", netuid, context.who)
    spent = used["used_space"] if used and used["last_epoch"] == state.epoch else 0
    spent += commitment.cost_bytes
    budget = state.pallets.get("Commitments", "MaxSpace")
    context.require(spent <= budget, "SpaceLimitExceeded", "Commitments")
    tracker = {"last_epoch": state.epoch, "used_space": spent}
    state.pallets.put("Commitments", "UsedSpaceOf", netuid, context.who, value=tracker)
    state.pallets.put("Commitments", "LastCommitment", netuid, context.who, value=state.block)
    registration = (0).to_bytes(8, "little") + state.block.to_bytes(4, "little") + info  # deposit, block, info
    state.pallets.put_raw("Commitments", "CommitmentOf", netuid, context.who, data=registration)
    event = {"netuid": netuid, "who": context.who}
    if commitment.reveal_rounds:
        event["reveal_round"] = commitment.reveal_rounds[0]
        context.emit("TimelockCommitment", event, "Commitments")
    else:
        context.emit("Commitment", event, "Commitments")


def _validator(context: Context) -> tuple[int, int]:
    """Return the signer's uid and the mechanism of the call; raise DispatchError if either does not exist."""
    context.require(context.arg("netuid") == context.state.netuid, "SubnetNotExists")
    mechanism = int(context.arg("mecid")) if context.call.function in _MECHANISM_CALLS else 0
    context.require(mechanism < context.state.mechanisms, "MechanismDoesNotExist")
    uid = context.state.uid(context.who)
    if uid is None:
        raise DispatchError(PALLET, "HotKeyNotRegisteredInSubNet")
    return uid, mechanism


def _rested(context: Context, uid: int, mechanism: int) -> bool:
    """Whether the neuron's last weights for the mechanism are old enough for the rate limit."""
    state = context.state
    last = state.last_updates(mechanism)[uid]
    return last == 0 or state.block - last >= state.get("WeightsSetRateLimit", state.netuid)


def _set_weights(context: Context) -> None:
    state, netuid = context.state, context.arg("netuid")
    context.require(not state.get("CommitRevealWeightsEnabled", netuid), "CommitRevealEnabled")
    uids, weights = list(context.arg("dests")), list(context.arg("weights"))
    context.require(len(uids) == len(weights), "WeightVecNotEqualSize")
    uid, mechanism = _validator(context)
    index = storage_index(netuid, mechanism)
    stake = state.get("TotalHotkeyAlpha", context.who, netuid)
    context.require(stake >= state.get("StakeThreshold"), "NotEnoughStakeToSetWeights")
    least_version = state.get("WeightsVersionKey", netuid)
    context.require(context.arg("version_key") >= least_version, "IncorrectWeightVersionKey")
    context.require(_rested(context, uid, mechanism), "SettingWeightsTooFast")
    only_self = uids == [uid]
    context.require(only_self or state.get("ValidatorPermit", netuid)[uid], "NeuronNoValidatorPermit")
    count = state.get("SubnetworkN", netuid)
    context.require(len(uids) <= count, "UidsLengthExceedUidsInSubNet")
    context.require(len(set(uids)) == len(uids), "DuplicateUids")
    context.require(all(other < count for other in uids), "UidVecContainInvalidOne")
    enough = only_self or len(uids) >= state.get("MinAllowedWeights", netuid)
    context.require(enough, "WeightVecLengthIsLow")
    top, limit = max(weights, default=0), state.get("MaxWeightsLimit", netuid)
    context.require(only_self or top * U16_MAX <= limit * sum(weights), "MaxWeightExceeded")
    scaled = [(other, weight * U16_MAX // top if top else 0) for other, weight in zip(uids, weights, strict=True)]
    state.put("Weights", index, uid, value=scaled)
    state.set_last_update(uid, mechanism)
    context.emit("WeightsSet", [index, uid])


def _commit_timelocked(context: Context) -> None:
    state, netuid = context.state, context.arg("netuid")
    context.require(netuid == state.netuid, "SubnetNotExists")
    context.require(state.get("CommitRevealWeightsEnabled", netuid), "CommitRevealDisabled")
    context.require(context.arg("commit_reveal_version") == COMMIT_REVEAL_VERSION, "IncorrectCommitRevealVersion")
    uid, mechanism = _validator(context)
    index = storage_index(netuid, mechanism)
    context.require(_rested(context, uid, mechanism), "CommittingWeightsTooFast")
    commits = state.pallets.map(PALLET, "TimelockedWeightCommits", index)
    mine = [commit for some in commits.values() for commit in some if commit[0] == context.who]
    context.require(len(mine) < MAX_UNREVEALED_COMMITS, "TooManyUnrevealedCommits")
    sealed, reveal_round = _sealed(context)
    key = state.pallets.codec.key(PALLET, "TimelockedWeightCommits", index, state.epoch)
    before = state.pallets.values.get(key) or compact(0)
    count, size = read_compact(before, 0)
    account = bytes(bittensor_core.ss58_decode(context.who))
    item = account + state.block.to_bytes(8, "little") + compact(len(sealed)) + sealed + reveal_round
    state.pallets.overlay.changes[key] = compact(count + 1) + before[size:] + item
    state.set_last_update(uid, mechanism)
    round_number = int.from_bytes(reveal_round, "little")
    context.emit("TimelockedWeightsCommitted", [context.who, index, blake2(sealed), round_number])


def _sealed(context: Context) -> tuple[bytes, bytes]:
    """Return the ciphertext and the reveal round (u64) as raw bytes; a u16 version follows them at the call's end."""
    data = context.call.data
    start = 4 + (context.call.function in _MECHANISM_CALLS)  # two indices, netuid (u16), mechanism (u8)
    length, size = read_compact(data, start)
    end = start + size + length
    return data[start + size : end], data[end : end + 8]


def _burned_register(context: Context) -> None:
    state, hotkey = context.state, context.arg("hotkey")
    context.require(context.arg("netuid") == state.netuid, "SubnetNotExists")
    context.require(state.get("NetworkRegistrationAllowed", state.netuid), "SubNetRegistrationDisabled")
    context.require(state.uid(hotkey) is None, "HotKeyAlreadyRegisteredInSubNet")
    burn = state.get("Burn", state.netuid)
    context.require(state.free(context.who) >= burn + EXISTENTIAL_DEPOSIT, "NotEnoughBalanceToStake")
    context.require(state.owner(hotkey) in (None, context.who), "NonAssociatedColdKey")
    uid = state.register(hotkey, context.who)
    context.require(uid is not None, "NoNeuronIdAvailable")
    state.add_balance(context.who, -burn)
    recycled = state.get("RAORecycledForRegistration", state.netuid) + burn
    state.put("RAORecycledForRegistration", state.netuid, value=recycled)
    context.emit("NeuronRegistered", [state.netuid, uid, hotkey])


def _transfer(context: Context) -> None:
    state, to, amount = context.state, context.arg("dest"), context.arg("value")
    free = state.free(context.who)
    context.require(free >= amount, "FundsUnavailable", "Token")
    alive = context.call.function == "transfer_allow_death" or free - amount >= EXISTENTIAL_DEPOSIT
    context.require(alive, "NotExpendable", "Token")
    context.require(state.free(to) + amount >= EXISTENTIAL_DEPOSIT, "BelowMinimum", "Token")
    state.add_balance(context.who, -amount)
    state.add_balance(to, amount)
    context.emit("Transfer", {"from": context.who, "to": to, "amount": amount}, "Balances")


def _remark(_context: Context) -> None:
    """Execute `System.remark`, which changes nothing."""


_RULES: dict[tuple[str, str], Callable[[Context], None]] = {
    ("Commitments", "set_commitment"): _set_commitment,
    (PALLET, "set_weights"): _set_weights,
    (PALLET, "set_mechanism_weights"): _set_weights,
    (PALLET, "commit_timelocked_weights"): _commit_timelocked,
    (PALLET, "commit_timelocked_mechanism_weights"): _commit_timelocked,
    (PALLET, "burned_register"): _burned_register,
    ("Balances", "transfer_keep_alive"): _transfer,
    ("Balances", "transfer_allow_death"): _transfer,
    ("System", "remark"): _remark,
}
