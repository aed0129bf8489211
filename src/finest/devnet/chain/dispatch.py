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
from finest.devnet.chain.mechanisms import storage_index
from finest.devnet.chain.metadata import compact, read_compact
from finest.devnet.chain.reveal import Commit, read_commits, write_commits
from finest.devnet.chain.storage import PALLET
from finest.devnet.chain.weights import DispatchError, is_rested, require, set_weights, validator_uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.extrinsics import Call
    from finest.devnet.chain.state import State

MAX_UNREVEALED_COMMITS = 10
COMMIT_REVEAL_VERSION = 4
EXISTENTIAL_DEPOSIT = 500
_MECHANISM_CALLS = ("set_mechanism_weights", "commit_timelocked_mechanism_weights")


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
        require(fine, name, pallet)

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


def _mechanism(context: Context) -> int:
    """Return the mechanism of the call; raise DispatchError if the call is for another subnet."""
    context.require(context.arg("netuid") == context.state.netuid, "SubnetNotExists")
    return int(context.arg("mecid")) if context.call.function in _MECHANISM_CALLS else 0


def _set_weights(context: Context) -> None:
    state = context.state
    context.require(not state.get("CommitRevealWeightsEnabled", context.arg("netuid")), "CommitRevealEnabled")
    uids, weights = list(context.arg("dests")), list(context.arg("weights"))
    context.require(len(uids) == len(weights), "WeightVecNotEqualSize")
    mechanism = _mechanism(context)
    index, uid = set_weights(state, context.who, mechanism, uids, weights, context.arg("version_key"))
    context.emit("WeightsSet", [index, uid])


def _commit_timelocked(context: Context) -> None:
    state, netuid = context.state, context.arg("netuid")
    context.require(netuid == state.netuid, "SubnetNotExists")
    context.require(state.get("CommitRevealWeightsEnabled", netuid), "CommitRevealDisabled")
    context.require(context.arg("commit_reveal_version") == COMMIT_REVEAL_VERSION, "IncorrectCommitRevealVersion")
    mechanism = _mechanism(context)
    uid = validator_uid(state, context.who, mechanism)
    index = storage_index(netuid, mechanism)
    context.require(is_rested(state, uid, mechanism), "CommittingWeightsTooFast")
    commits = state.pallets.map(PALLET, "TimelockedWeightCommits", index)
    mine = [commit for some in commits.values() for commit in some if commit[0] == context.who]
    context.require(len(mine) < MAX_UNREVEALED_COMMITS, "TooManyUnrevealedCommits")
    sealed, reveal_round = _sealed(context)
    key = state.pallets.codec.key(PALLET, "TimelockedWeightCommits", index, state.epoch)
    before = read_commits(state.pallets.values.get(key) or compact(0))
    account = bytes(bittensor_core.ss58_decode(context.who))
    commit = Commit(account, state.block, sealed, int.from_bytes(reveal_round, "little"))
    state.pallets.overlay.changes[key] = write_commits([*before, commit])
    state.set_last_update(uid, mechanism)
    context.emit("TimelockedWeightsCommitted", [context.who, index, blake2(sealed), commit.reveal_round])


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
