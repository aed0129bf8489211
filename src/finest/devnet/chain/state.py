"""What the chain knows of one subnet: accounts, neurons, stakes, permits, epochs; kept as the pallets keep it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import bittensor_core

from finest.errors import UsageError

if TYPE_CHECKING:
    from finest.devnet.chain.storage import Pallets, Writable

RAO = 10**9
"""Rao in a TAO."""
OWNER_COLDKEY_URI = "//Alice"
OWNER_HOTKEY_URI = "//Alice//hot"
OWNER_TAO = 1_000_000
"""Subtensor's own local chain endows //Alice with as much."""
ZERO_ACCOUNT = "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM"
"""The account of 32 zero bytes: the default owner of a hotkey that nobody owns."""
_PERMIT_PIN = b"finest:permit:"
PALLET = "SubtensorModule"


@dataclass(frozen=True, slots=True)
class Genesis:
    """How the subnet starts. Units: blocks for `tempo`, `weights_rate_limit` and `immunity_period`, rao for `burn`.

    Defaults are the chain's own but for the tempo (360 there), commit-reveal (on there) and the least number of
    weights, which a subnet's owner sets. `epoch_consensus=False` gives a runtime without `SubnetEpochConsensus`.
    """

    tempo: int = 20
    weights_rate_limit: int = 100
    commit_reveal: bool = False
    reveal_period_epochs: int = 1
    min_allowed_weights: int = 0
    max_allowed_uids: int = 256
    immunity_period: int = 4096
    burn: int = 100_000_000
    epoch_consensus: bool = True

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Storage items of the subnet and their values."""
        return {
            "Tempo": self.tempo,
            "WeightsSetRateLimit": self.weights_rate_limit,
            "CommitRevealWeightsEnabled": self.commit_reveal,
            "RevealPeriodEpochs": self.reveal_period_epochs,
            "MinAllowedWeights": self.min_allowed_weights,
            "MaxAllowedUids": self.max_allowed_uids,
            "ImmunityPeriod": self.immunity_period,
            "Burn": self.burn,
        }

    def identity(self) -> dict[str, Any]:
        """For the folder's first line."""
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
    """The neurons of a subnet in the order of uids."""
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
    """Reading and changing the subnet within one set of changes."""

    def __init__(self, pallets: Writable, netuid: int) -> None:
        self.pallets = pallets
        self.netuid = netuid

    def get(self, item: str, *params: Any) -> Any:
        """A value of the subnet's pallet."""
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
        """Free balance in rao."""
        balance: int = self.pallets.get("System", "Account", ss58)["data"]["free"]
        return balance

    def add_balance(self, ss58: str, rao: int) -> None:
        """Give (or take, where negative) rao; the caller has checked that it is there."""
        account = self.pallets.get("System", "Account", ss58)
        account["data"]["free"] += rao
        account["providers"] = 1
        self.pallets.put("System", "Account", ss58, value=account)
        self.put("TotalIssuance", value=max(0, self.get("TotalIssuance") + rao))

    def nonce(self, ss58: str) -> int:
        """The account's next nonce."""
        nonce: int = self.pallets.get("System", "Account", ss58)["nonce"]
        return nonce

    def set_nonce(self, ss58: str, nonce: int) -> None:
        account = self.pallets.get("System", "Account", ss58)
        self.pallets.put("System", "Account", ss58, value={**account, "nonce": nonce})

    # neurons

    def uid(self, hotkey: str) -> int | None:
        """The hotkey's uid on the subnet."""
        found: int | None = self.get("Uids", self.netuid, hotkey)
        return found

    def must_uid(self, hotkey: str) -> int:
        """The hotkey's uid; raises UsageError where it has none."""
        uid = self.uid(hotkey)
        if uid is None:
            raise UsageError(f"hotkey {hotkey} is not registered on subnet {self.netuid}; register it first")
        return uid

    def owner(self, hotkey: str) -> str | None:
        """The coldkey that owns a hotkey."""
        coldkey: str = self.get("Owner", hotkey)
        return None if coldkey == ZERO_ACCOUNT else coldkey

    def register(self, hotkey: str, coldkey: str) -> int | None:
        """Give a hotkey a uid: the next, or on a full subnet that of the neuron that is pruned. None: all immune."""
        count = self.get("SubnetworkN", self.netuid)
        uid: int | None = count
        if count >= self.get("MaxAllowedUids", self.netuid):
            uid = self._prune()
            if uid is None:
                return None
        else:
            self.put("SubnetworkN", self.netuid, value=count + 1)
        self._own(hotkey, coldkey)
        self.put("Uids", self.netuid, hotkey, value=uid)
        self.put("Keys", self.netuid, uid, value=hotkey)
        self.put("IsNetworkMember", hotkey, self.netuid, value=True)
        self.put("BlockAtRegistration", self.netuid, uid, value=self.block)
        self._set_at("ValidatorPermit", uid, value=False, empty=False)
        self._set_at("LastUpdate", uid, value=self.block, empty=0)
        self._set_at("Active", uid, value=True, empty=False)
        return uid

    def _prune(self) -> int | None:
        """Free a uid: of the neurons past immunity the one registered first (emission is equal here)."""
        now, immunity = self.block, self.get("ImmunityPeriod", self.netuid)
        owner = self.get("SubnetOwnerHotkey", self.netuid)
        mortal = [n for n in neurons(self.pallets, self.netuid) if now - n.registered_at >= immunity]
        mortal = [neuron for neuron in mortal if neuron.hotkey != owner]
        if not mortal:
            return None
        oldest = min(mortal, key=lambda neuron: (neuron.registered_at, neuron.uid))
        self.pallets.drop(PALLET, "Uids", self.netuid, oldest.hotkey)
        self.pallets.drop(PALLET, "IsNetworkMember", oldest.hotkey, self.netuid)
        self.pallets.drop(PALLET, "Weights", self.netuid, oldest.uid)
        return oldest.uid

    def _own(self, hotkey: str, coldkey: str) -> None:
        if self.owner(hotkey) is None:
            self.put("Owner", hotkey, value=coldkey)
            for item in ("OwnedHotkeys", "StakingHotkeys"):
                self.put(item, coldkey, value=[*self.get(item, coldkey), hotkey])

    def _set_at(self, item: str, uid: int | None, *, value: Any, empty: Any) -> None:
        values = list(self.get(item, self.netuid))
        index = uid or 0
        values += [empty] * (index + 1 - len(values))
        values[index] = value
        self.put(item, self.netuid, value=values)

    def set_stake(self, hotkey: str, rao: int) -> None:
        """The hotkey's stake on the subnet, in the subnet's own coin, all of it its owner's."""
        self.must_uid(hotkey)
        change = rao - self.get("TotalHotkeyAlpha", hotkey, self.netuid)
        self.put("TotalHotkeyAlpha", hotkey, self.netuid, value=rao)
        self.put("SubnetAlphaOut", self.netuid, value=max(0, self.get("SubnetAlphaOut", self.netuid) + change))

    def set_permit(self, hotkey: str, *, permit: bool) -> None:
        """Give or take the validator permit, now and at every later epoch."""
        self._set_at("ValidatorPermit", self.must_uid(hotkey), value=permit, empty=False)
        self.pallets.overlay.changes[_PERMIT_PIN + hotkey.encode()] = bytes([permit])

    def set_last_update(self, uid: int) -> None:
        """The neuron set or committed weights in this block."""
        self._set_at("LastUpdate", uid, value=self.block, empty=0)

    # epochs

    @property
    def epoch(self) -> int:
        index: int = self.get("SubnetEpochIndex", self.netuid)
        return index

    @property
    def next_epoch_block(self) -> int:
        """The block of the next epoch: tempo blocks after the last (`get_next_epoch_start_block`)."""
        start: int = self.get("LastEpochBlock", self.netuid) + self.get("Tempo", self.netuid)
        return start

    def begin_block(self) -> None:
        """What the runtime does before any extrinsic: count the blocks of the epoch, and run it when it is due."""
        if self.block < self.next_epoch_block:
            since = self.get("BlocksSinceLastStep", self.netuid)
            self.put("BlocksSinceLastStep", self.netuid, value=since + 1)
            return
        self.put("LastEpochBlock", self.netuid, value=self.block)
        self.put("SubnetEpochIndex", self.netuid, value=self.epoch + 1)
        self.put("BlocksSinceLastStep", self.netuid, value=0)
        self._drop_expired_commits()
        self._renew_permits()

    def _drop_expired_commits(self) -> None:
        """Forget timelocked weights whose time to be opened is over: no drand pulse comes here."""
        oldest = self.epoch - self.get("RevealPeriodEpochs", self.netuid)
        for epoch in self.pallets.map(PALLET, "TimelockedWeightCommits", self.netuid):
            if epoch < oldest:
                self.pallets.drop(PALLET, "TimelockedWeightCommits", self.netuid, epoch)

    def _renew_permits(self) -> None:
        """The neurons with most stake get the permits, but for those that a test driver pinned."""
        found = neurons(self.pallets, self.netuid)
        seats = self.get("MaxAllowedValidators", self.netuid)
        by_stake = sorted((n for n in found if n.stake > 0), key=lambda neuron: (-neuron.stake, neuron.uid))
        chosen = {neuron.uid for neuron in by_stake[:seats]}
        pins = [self.pallets.values.get(_PERMIT_PIN + neuron.hotkey.encode()) for neuron in found]
        permits = [n.uid in chosen if pin is None else pin == b"\x01" for n, pin in zip(found, pins, strict=True)]
        self.put("ValidatorPermit", self.netuid, value=permits)


def found_subnet(state: State, genesis: Genesis) -> None:
    """The first block's state: one subnet, whose owner has uid 0 as on the real chain, and coins to give."""
    coldkey, hotkey = (
        bittensor_core.Keypair.create_from_uri(uri).ss58_address for uri in (OWNER_COLDKEY_URI, OWNER_HOTKEY_URI)
    )
    state.add_balance(coldkey, OWNER_TAO * RAO)
    facts = {"NetworksAdded": True, "SubnetOwner": coldkey, "SubnetOwnerHotkey": hotkey, "SubtokenEnabled": True}
    pool = {"SubnetTAO": RAO, "SubnetAlphaIn": RAO, "TokenSymbol": "α".encode(), "NetworkRegisteredAt": 0}
    counters = {"SubnetworkN": 0, "LastEpochBlock": 0, "SubnetEpochIndex": 0, "BlocksSinceLastStep": 0}
    for item, value in {**facts, **pool, **counters, **genesis.hyperparameters}.items():
        state.put(item, state.netuid, value=value)
    state.put("TotalNetworks", value=1)
    state.register(hotkey, coldkey)
