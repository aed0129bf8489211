"""The chain's state of one subnet: accounts, neurons, stakes, permits and epochs, stored as the pallets store it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import bittensor_core

from finest.devnet.chain.mechanisms import storage_index
from finest.devnet.chain.reveal import reveal_due
from finest.devnet.chain.settle import empty_items, settle
from finest.devnet.chain.storage import PALLET
from finest.errors import UsageError

if TYPE_CHECKING:
    from finest.devnet.chain.storage import Pallets, Writable

RAO = 10**9
"""Number of rao in one TAO."""
OWNER_COLDKEY_URI = "//Alice"
OWNER_HOTKEY_URI = "//Alice//hot"
OWNER_TAO = 1_000_000
"""Initial balance of //Alice, the same as on Subtensor's own local chain."""
ZERO_ACCOUNT = "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM"
"""The account of 32 zero bytes, which storage returns as the owner of a hotkey without an owner."""
_PERMIT_PIN = b"finest:permit:"


@dataclass(frozen=True, slots=True)
class Genesis:
    """The subnet's initial settings: `tempo`, `weights_rate_limit` and `immunity_period` in blocks, `burn` in rao.

    The defaults are those of the real chain except for the tempo (360 there), commit-reveal (on there) and the minimum
    number of weights, which a subnet's owner sets. `epoch_consensus=False` selects a runtime without
    `SubnetEpochConsensus`.
    """

    tempo: int = 20
    weights_rate_limit: int = 100
    commit_reveal: bool = False
    reveal_period_epochs: int = 1
    min_allowed_weights: int = 0
    max_allowed_uids: int = 256
    immunity_period: int = 4096
    burn: int = 100_000_000
    mechanisms: int = 1
    epoch_consensus: bool = True

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The subnet's storage items and their values."""
        return {
            "Tempo": self.tempo,
            "WeightsSetRateLimit": self.weights_rate_limit,
            "CommitRevealWeightsEnabled": self.commit_reveal,
            "RevealPeriodEpochs": self.reveal_period_epochs,
            "MinAllowedWeights": self.min_allowed_weights,
            "MaxAllowedUids": self.max_allowed_uids,
            "ImmunityPeriod": self.immunity_period,
            "Burn": self.burn,
            "MechanismCountCurrent": self.mechanisms,
        }

    def identity(self) -> dict[str, Any]:
        """Return the settings for the first line of `chain.jsonl`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Neuron:
    """One neuron of the metagraph; stake in rao."""

    uid: int
    hotkey: str
    coldkey: str
    stake: int
    permit: bool
    last_update: int
    registered_at: int


def neurons(pallets: Pallets, netuid: int) -> list[Neuron]:
    """Return the neurons of a subnet in uid order."""
    permits = pallets.get(PALLET, "ValidatorPermit", netuid)
    updates = pallets.get(PALLET, "LastUpdate", netuid)
    found = []
    for uid in range(pallets.get(PALLET, "SubnetworkN", netuid)):
        hotkey = pallets.get(PALLET, "Keys", netuid, uid)
        found.append(
            Neuron(
                uid=uid,
                hotkey=hotkey,
                coldkey=pallets.get(PALLET, "Owner", hotkey),
                stake=pallets.get(PALLET, "TotalHotkeyAlpha", hotkey, netuid),
                permit=permits[uid],
                last_update=updates[uid],
                registered_at=pallets.get(PALLET, "BlockAtRegistration", netuid, uid),
            )
        )
    return found


class State:
    """Reads and changes the subnet within one set of changes."""

    def __init__(self, pallets: Writable, netuid: int) -> None:
        self.pallets = pallets
        self.netuid = netuid

    def get(self, item: str, *params: Any) -> Any:
        """Return a value of the subnet's pallet."""
        return self.pallets.get(PALLET, item, *params)

    def put(self, item: str, *params: Any, value: Any) -> None:
        """Write a value of the subnet's pallet."""
        self.pallets.put(PALLET, item, *params, value=value)

    @property
    def block(self) -> int:
        number: int = self.pallets.get("System", "Number")
        return number

    # accounts

    def free(self, ss58: str) -> int:
        """Return the free balance in rao."""
        balance: int = self.pallets.get("System", "Account", ss58)["data"]["free"]
        return balance

    def add_balance(self, ss58: str, rao: int) -> None:
        """Add `rao`, which may be negative, to the balance; the caller must have checked that the balance suffices."""
        account = self.pallets.get("System", "Account", ss58)
        account["data"]["free"] += rao
        account["providers"] = 1
        self.pallets.put("System", "Account", ss58, value=account)
        self.put("TotalIssuance", value=max(0, self.get("TotalIssuance") + rao))

    def nonce(self, ss58: str) -> int:
        """Return the account's next nonce."""
        nonce: int = self.pallets.get("System", "Account", ss58)["nonce"]
        return nonce

    def set_nonce(self, ss58: str, nonce: int) -> None:
        account = self.pallets.get("System", "Account", ss58)
        self.pallets.put("System", "Account", ss58, value={**account, "nonce": nonce})

    # neurons

    def uid(self, hotkey: str) -> int | None:
        """Return the hotkey's uid on the subnet; None if it is not registered."""
        found: int | None = self.get("Uids", self.netuid, hotkey)
        return found

    def must_uid(self, hotkey: str) -> int:
        """Return the hotkey's uid; raise UsageError if it is not registered."""
        uid = self.uid(hotkey)
        if uid is None:
            raise UsageError(f"hotkey {hotkey} is not registered on subnet {self.netuid}; register it first")
        return uid

    def owner(self, hotkey: str) -> str | None:
        """Return the coldkey that owns a hotkey; None if it has no owner."""
        coldkey: str = self.get("Owner", hotkey)
        return None if coldkey == ZERO_ACCOUNT else coldkey

    def register(self, hotkey: str, coldkey: str) -> int | None:
        """Register a hotkey and return its uid: the next one, or on a full subnet that of the pruned neuron.

        Return None if the subnet is full and all neurons are immune.
        """
        uid = self._free_uid()
        if uid is None:
            return None
        self._own(hotkey, coldkey)
        self.put("Uids", self.netuid, hotkey, value=uid)
        self.put("Keys", self.netuid, uid, value=hotkey)
        self.put("IsNetworkMember", hotkey, self.netuid, value=True)
        self.put("BlockAtRegistration", self.netuid, uid, value=self.block)
        self._set_at("ValidatorPermit", self.netuid, uid, value=False, empty=False)
        self._set_at("Active", self.netuid, uid, value=True, empty=False)
        for mechanism in range(self.mechanisms):
            self.set_last_update(uid, mechanism)
        for item, index in empty_items(self.netuid, self.mechanisms):
            self._set_at(item, index, uid, value=0, empty=0)
        return uid

    def _free_uid(self) -> int | None:
        count: int = self.get("SubnetworkN", self.netuid)
        if count >= self.get("MaxAllowedUids", self.netuid):
            return self._prune()
        self.put("SubnetworkN", self.netuid, value=count + 1)
        return count

    def _prune(self) -> int | None:
        """Prune the neuron with the least emission among those past immunity, of equal ones the one registered first;
        return its uid.
        """
        now, immunity = self.block, self.get("ImmunityPeriod", self.netuid)
        owner, emission = self.get("SubnetOwnerHotkey", self.netuid), self.get("Emission", self.netuid)
        mortal = [n for n in neurons(self.pallets, self.netuid) if now - n.registered_at >= immunity]
        mortal = [neuron for neuron in mortal if neuron.hotkey != owner]
        if not mortal:
            return None
        pruned = min(mortal, key=lambda neuron: (emission[neuron.uid], neuron.registered_at, neuron.uid))
        self.pallets.drop(PALLET, "Uids", self.netuid, pruned.hotkey)
        self.pallets.drop(PALLET, "IsNetworkMember", pruned.hotkey, self.netuid)
        for mechanism in range(self.mechanisms):
            self._forget_weights(storage_index(self.netuid, mechanism), pruned.uid)
        return pruned.uid

    def _forget_weights(self, index: int, uid: int) -> None:
        """Remove the weights and bonds of a neuron, and set the weights on it to 0."""
        self.pallets.drop(PALLET, "Weights", index, uid)
        self.pallets.drop(PALLET, "Bonds", index, uid)
        for other, row in self.pallets.map(PALLET, "Weights", index).items():
            if any(target == uid for target, _ in row):
                value = [(target, 0 if target == uid else weight) for target, weight in row]
                self.put("Weights", index, other, value=value)

    def _own(self, hotkey: str, coldkey: str) -> None:
        if self.owner(hotkey) is None:
            self.put("Owner", hotkey, value=coldkey)
            for item in ("OwnedHotkeys", "StakingHotkeys"):
                self.put(item, coldkey, value=[*self.get(item, coldkey), hotkey])

    def _set_at(self, item: str, index: int, uid: int, *, value: Any, empty: Any) -> None:
        """Set one neuron's value in the list that is stored under a subnet's or a mechanism's number."""
        values = list(self.get(item, index))
        values += [empty] * (uid + 1 - len(values))
        values[uid] = value
        self.put(item, index, value=values)

    def set_stake(self, hotkey: str, rao: int) -> None:
        """Set the hotkey's stake on the subnet, in the subnet's own coin; all of it belongs to the hotkey's owner."""
        self.must_uid(hotkey)
        change = rao - self.get("TotalHotkeyAlpha", hotkey, self.netuid)
        self.put("TotalHotkeyAlpha", hotkey, self.netuid, value=rao)
        self.put("SubnetAlphaOut", self.netuid, value=max(0, self.get("SubnetAlphaOut", self.netuid) + change))

    def set_permit(self, hotkey: str, *, permit: bool) -> None:
        """Grant or revoke the validator permit, now and at every later epoch."""
        self._set_at("ValidatorPermit", self.netuid, self.must_uid(hotkey), value=permit, empty=False)
        self.pallets.overlay.changes[_PERMIT_PIN + hotkey.encode()] = bytes([permit])

    # mechanisms

    @property
    def mechanisms(self) -> int:
        """The number of the subnet's mechanisms."""
        count: int = self.get("MechanismCountCurrent", self.netuid)
        return count

    def last_updates(self, mechanism: int) -> list[int]:
        """Return the block at which each neuron last set or committed weights of a mechanism, or registered."""
        updates = list(self.get("LastUpdate", storage_index(self.netuid, mechanism)))
        return updates + [0] * (self.get("SubnetworkN", self.netuid) - len(updates))

    def set_last_update(self, uid: int, mechanism: int) -> None:
        """Record that the neuron set or committed weights of a mechanism in this block."""
        self._set_at("LastUpdate", storage_index(self.netuid, mechanism), uid, value=self.block, empty=0)

    # epochs

    @property
    def epoch(self) -> int:
        index: int = self.get("SubnetEpochIndex", self.netuid)
        return index

    @property
    def next_epoch_block(self) -> int:
        """The block of the next epoch, `Tempo` blocks after the last (`get_next_epoch_start_block`)."""
        start: int = self.get("LastEpochBlock", self.netuid) + self.get("Tempo", self.netuid)
        return start

    def begin_block(self) -> list[dict[str, Any]]:
        """Do what the runtime does before any extrinsic: count the blocks of the epoch, reveal hidden weights, and run
        the epoch when due. Return the events.
        """
        since = self.get("BlocksSinceLastStep", self.netuid) + 1
        is_due = self.block >= self.next_epoch_block
        events = reveal_due(self, self.epoch + is_due)
        if not is_due:
            self.put("BlocksSinceLastStep", self.netuid, value=since)
            return events
        self.put("LastEpochBlock", self.netuid, value=self.block)
        self.put("SubnetEpochIndex", self.netuid, value=self.epoch + 1)
        self.put("BlocksSinceLastStep", self.netuid, value=0)
        found = neurons(self.pallets, self.netuid)
        self._renew_permits(found, settle(self, found, since))
        return events

    def _renew_permits(self, found: list[Neuron], by_stake: list[bool]) -> None:
        """Give the permits that the epoch found due, except where a test driver has fixed a permit."""
        pins = [self.pallets.values.get(_PERMIT_PIN + neuron.hotkey.encode()) for neuron in found]
        permits = [due if pin is None else pin == b"\x01" for due, pin in zip(by_stake, pins, strict=True)]
        self.put("ValidatorPermit", self.netuid, value=permits)


def found_subnet(state: State, genesis: Genesis) -> None:
    """Write the first block's state: one subnet, whose owner has uid 0 as on the real chain and holds the coins."""
    coldkey, hotkey = (
        bittensor_core.Keypair.create_from_uri(uri).ss58_address for uri in (OWNER_COLDKEY_URI, OWNER_HOTKEY_URI)
    )
    state.add_balance(coldkey, OWNER_TAO * RAO)
    facts = {"NetworksAdded": True, "SubnetOwner": coldkey, "SubnetOwnerHotkey": hotkey, "SubtokenEnabled": True}
    pool = {
        "SubnetTAO": RAO,
        "SubnetAlphaIn": RAO,
        "SubnetAlphaOutEmission": RAO,
        "TokenSymbol": "α".encode(),
        "NetworkRegisteredAt": 0,
    }
    counters = {"SubnetworkN": 0, "LastEpochBlock": 0, "SubnetEpochIndex": 0, "BlocksSinceLastStep": 0}
    for item, value in {**facts, **pool, **counters, **genesis.hyperparameters}.items():
        state.put(item, state.netuid, value=value)
    state.put("TotalNetworks", value=1)
    state.register(hotkey, coldkey)
