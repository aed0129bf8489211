"""The devnet's own methods, with which tests and other processes change the chain in ways that no key could sign."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import bittensor_core

from finest.devnet.chain.reveal import Weights, hold_weights
from finest.devnet.chain.state import RAO, State
from finest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.faults import Faults
    from finest.devnet.chain.node import Node

NEWEST = 2**64 - 1
"""A version key that no subnet finds too old."""


class Drivers:
    """The `devnet_*` methods: amend the head of a node, make blocks, set faults."""

    def __init__(self, node: Node, faults: Faults, make_block: Callable[[], int]) -> None:
        self.node = node
        self.faults = faults
        self.make_block = make_block

    def methods(self) -> dict[str, Callable[[list[Any]], Any]]:
        """Return the methods by name; each takes the list of parameters."""
        return {
            "devnet_advance": self._advance,
            "devnet_fund": self._fund,
            "devnet_register": self._register,
            "devnet_setStake": self._set_stake,
            "devnet_setPermit": self._set_permit,
            "devnet_setHyperparameter": self._set_hyperparameter,
            "devnet_addPulse": self._add_pulse,
            "devnet_holdWeights": self._hold_weights,
            "devnet_faults": self._set_faults,
        }

    def _advance(self, params: list[Any]) -> int:
        for _ in range(int(params[0]) if params else 1):
            self.make_block()
        return self.node.head.number

    def _fund(self, params: list[Any]) -> int:
        ss58, tao = params

        def fund(state: State) -> int:
            state.add_balance(ss58, round(tao * RAO))
            return state.free(ss58)

        return self.node.amend(fund)

    def _register(self, params: list[Any]) -> int:
        hotkey, coldkey = params
        head = self.node.state_at_head()
        known = head.uid(hotkey)
        if head.owner(hotkey) not in (None, coldkey):
            raise UsageError(f"hotkey {hotkey} is owned by {head.owner(hotkey)}; register it with that coldkey")
        uid = self.node.amend(lambda state: state.register(hotkey, coldkey)) if known is None else known
        if uid is None:
            raise UsageError("the subnet is full and every neuron immune; raise the hyperparameter MaxAllowedUids")
        return uid

    def _set_stake(self, params: list[Any]) -> None:
        hotkey, tao = params
        self.node.amend(lambda state: state.set_stake(hotkey, round(tao * RAO)))

    def _set_permit(self, params: list[Any]) -> None:
        hotkey, permit = params
        self.node.amend(lambda state: state.set_permit(hotkey, permit=bool(permit)))

    def _set_hyperparameter(self, params: list[Any]) -> None:
        item, value = params
        self.node.amend(lambda state: state.put(item, state.netuid, value=value))

    def _add_pulse(self, params: list[Any]) -> None:
        """Store the signature (hex) that drand published in a round; its sha256 is the round's randomness."""
        number, signature = params
        randomness = hashlib.sha256(bytes.fromhex(signature)).hexdigest()
        pulse = {"round": number, "randomness": "0x" + randomness, "signature": "0x" + signature}
        self.node.amend(lambda state: state.pallets.put("Drand", "Pulses", number, value=pulse))

    def _hold_weights(self, params: list[Any]) -> None:
        hotkey, mechanism, weights = params
        uids, values = tuple(uid for uid, _ in weights), tuple(value for _, value in weights)
        held = Weights(bytes(bittensor_core.ss58_decode(hotkey)), uids, values, version_key=NEWEST)
        self.node.amend(lambda state: hold_weights(state, mechanism, held))

    def _set_faults(self, params: list[Any]) -> dict[str, Any]:
        self.faults.set(**(params[0] if params else {}))
        return self.faults.as_json()
