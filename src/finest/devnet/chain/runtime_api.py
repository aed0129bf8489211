"""The runtime calls of `state_call`: metagraph, neurons, stake, prices, hyperparameters, fees.

Every result has the type that the metadata declares; fields for which this chain has no rule are zero or empty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from finest.devnet.chain.extrinsics import RpcError
from finest.devnet.chain.mechanisms import storage_index
from finest.devnet.chain.state import Neuron, neurons
from finest.devnet.chain.storage import PALLET

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.devnet.chain.storage import Pallets

NAME = "finest devnet"
PRICE_RAO = 10**9
"""Price of one coin of the subnet: one TAO, because the pool holds equal amounts of both and no rule trades."""
_AXON = {
    "block": 0,
    "version": 0,
    "ip": 0,
    "port": 0,
    "ip_type": 4,
    "protocol": 0,
    "placeholder1": 0,
    "placeholder2": 0,
}
_PROMETHEUS = {"block": 0, "version": 0, "ip": 0, "port": 0, "ip_type": 4}


@dataclass(frozen=True, slots=True)
class Question:
    """One runtime call at one block: the storage, the only subnet, and the arguments."""

    pallets: Pallets
    netuid: int
    block: int
    args: list[Any]
    output: str

    def empty(self) -> dict[str, Any]:
        """Return the result's struct with empty fields."""
        return self.pallets.codec.fields(self.output)

    def of_subnet(self, item: str) -> Any:
        """Return a storage value of the subnet."""
        return self.pallets.get(PALLET, item, self.netuid)

    def of_neurons(self, item: str, mechanism: int = 0) -> list[Any]:
        """Return a storage value that has one number per neuron; 0 for those without one."""
        values: list[Any] = self.pallets.get(PALLET, item, storage_index(self.netuid, mechanism))
        return values + [0] * (self.of_subnet("SubnetworkN") - len(values))


def answer(pallets: Pallets, netuid: int, block: int, name: str, params: bytes) -> bytes:
    """Return the SCALE bytes of the result of `<Api>_<method>`; raise RpcError as a node does for an unknown method."""
    api, _, method = name.partition("_")
    known = pallets.codec.apis.get(api, {}).get(method)
    rule = _ANSWERS.get(name)
    if known is None or rule is None:
        raise RpcError(4003, f"Client error: Execution failed: Other: Exported method {name} is not found")
    output = known["output"]
    try:
        args = _arguments(pallets, [type_name for _, type_name in known["inputs"]], params)
    except ValueError as error:
        raise RpcError(4003, f"Client error: Execution failed: Other: bad input to {name}: {error}") from None
    return pallets.codec.encode(output, rule(Question(pallets, netuid, block, args, output)))


def _arguments(pallets: Pallets, types: list[str], params: bytes) -> list[Any]:
    """Decode the arguments. All but the last must have a fixed size, which is true for every call served here."""
    if not types or types == ["scale_info::594", "scale_info::4"]:  # an extrinsic and its length: there are no fees
        return []
    args = []
    for type_name in types[:-1]:
        value = pallets.codec.runtime.decode(type_name, params, False)
        args.append(value)
        params = params[len(pallets.codec.encode(type_name, value)) :]
    return [*args, pallets.codec.decode(types[-1], params)]


_UNUSED = ("pruning_score", "trust", "rank", "tao_stake")
"""Fields for which the metagraph has no value: the runtime no longer computes the first three."""
_GRAPH = {"emission": "Emission", "dividends": "Dividends", "incentives": "Incentive", "consensus": "Consensus"}
_NEURON = {
    "emission": "Emission",
    "dividends": "Dividends",
    "incentive": "Incentive",
    "consensus": "Consensus",
    "validator_trust": "ValidatorTrust",
}


def _metagraph(question: Question) -> dict[str, Any] | None:
    if question.args[0] != question.netuid:
        return None
    found = neurons(question.pallets, question.netuid)
    graph = question.empty()
    nothing = [0] * len(found)
    graph.update({name: nothing for name in graph if name.startswith("collateral")})
    graph.update(dict.fromkeys(_UNUSED, nothing))
    graph.update({name: question.of_neurons(item) for name, item in _GRAPH.items()})
    graph.update(_subnet(question), num_uids=len(found), identities=[None] * len(found), axons=[_AXON] * len(found))
    graph.update(
        hotkeys=[neuron.hotkey for neuron in found],
        coldkeys=[neuron.coldkey for neuron in found],
        active=question.of_subnet("Active"),
        validator_permit=[neuron.permit for neuron in found],
        last_update=[neuron.last_update for neuron in found],
        block_at_registration=[neuron.registered_at for neuron in found],
        alpha_stake=[neuron.stake for neuron in found],
        total_stake=[neuron.stake for neuron in found],
    )
    return graph


def _mechagraph(question: Question) -> dict[str, Any] | None:
    """Return the metagraph with the incentive and the updates of one mechanism, whose number is in `netuid`."""
    netuid, mechanism = question.args
    if mechanism >= question.of_subnet("MechanismCountCurrent"):
        return None
    graph = _metagraph(replace(question, args=[netuid]))
    if graph is not None:
        graph["netuid"] = storage_index(netuid, mechanism)
        graph["last_update"] = question.of_neurons("LastUpdate", mechanism)
        graph["incentives"] = question.of_neurons("Incentive", mechanism)
    return graph


def _subnet(question: Question) -> dict[str, Any]:
    """Return the fields that the metagraph and the dynamic info share, and the metagraph's hyperparameters."""
    read = question.of_subnet
    return {
        "netuid": question.netuid,
        "name": list(NAME.encode()),
        "symbol": list("α".encode()),
        "owner_hotkey": read("SubnetOwnerHotkey"),
        "owner_coldkey": read("SubnetOwner"),
        "block": question.block,
        "tempo": read("Tempo"),
        "last_step": read("LastEpochBlock"),
        "blocks_since_last_step": read("BlocksSinceLastStep"),
        "network_registered_at": read("NetworkRegisteredAt"),
        "tao_in": read("SubnetTAO"),
        "alpha_in": read("SubnetAlphaIn"),
        "alpha_out": read("SubnetAlphaOut"),
        "alpha_out_emission": read("SubnetAlphaOutEmission"),
        "burn": read("Burn"),
        "max_uids": read("MaxAllowedUids"),
        "immunity_period": read("ImmunityPeriod"),
        "min_allowed_weights": read("MinAllowedWeights"),
        "max_weights_limit": read("MaxWeightsLimit"),
        "weights_version": read("WeightsVersionKey"),
        "weights_rate_limit": read("WeightsSetRateLimit"),
        "activity_cutoff": read("ActivityCutoff"),
        "max_validators": read("MaxAllowedValidators"),
        "registration_allowed": read("NetworkRegistrationAllowed"),
        "commit_reveal_weights_enabled": read("CommitRevealWeightsEnabled"),
        "commit_reveal_period": read("RevealPeriodEpochs"),
        "kappa": read("Kappa"),
        "bonds_moving_avg": read("BondsMovingAverage"),
    }


def _dynamic(question: Question) -> dict[str, Any] | None:
    if question.args[0] != question.netuid:
        return None
    info = question.empty()
    shared = {**_subnet(question), "subnet_name": list(NAME.encode()), "token_symbol": list("α".encode())}
    return {name: shared.get(name, value) for name, value in info.items()}


def _neuron(question: Question, neuron: Neuron, values: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: numbers[neuron.uid] for name, numbers in values.items()} | {
        "rank": 0,
        "trust": 0,
        "pruning_score": 0,
        "hotkey": neuron.hotkey,
        "coldkey": neuron.coldkey,
        "uid": neuron.uid,
        "netuid": question.netuid,
        "axon_info": _AXON,
        "prometheus_info": _PROMETHEUS,
        "stake": [(neuron.coldkey, neuron.stake)],
        "last_update": neuron.last_update,
        "validator_permit": neuron.permit,
    }


def _neurons(question: Question) -> list[dict[str, Any]]:
    if question.args[0] != question.netuid:
        return []
    values = {name: question.of_neurons(item) for name, item in _NEURON.items()}
    values["active"] = question.of_neurons("Active")
    return [_neuron(question, neuron, values) for neuron in neurons(question.pallets, question.netuid)]


def _neurons_full(question: Question) -> list[dict[str, Any]]:
    """Return the neurons with the weights and bonds of mechanism 0."""
    found = _neurons(question)
    rows = {item: question.pallets.map(PALLET, item, question.netuid) for item in ("Weights", "Bonds")}
    return [
        one | {"weights": rows["Weights"].get(one["uid"], []), "bonds": rows["Bonds"].get(one["uid"], [])}
        for one in found
    ]


def _stakes_of(question: Question, coldkey: str) -> list[dict[str, Any]]:
    """Return the coldkey's positions, which are the stakes of its own hotkeys because this chain has no delegation."""
    rows = []
    for hotkey in question.pallets.get(PALLET, "OwnedHotkeys", coldkey):
        stake = question.pallets.get(PALLET, "TotalHotkeyAlpha", hotkey, question.netuid)
        if stake:
            registered = question.pallets.get(PALLET, "Uids", question.netuid, hotkey) is not None
            row = {"hotkey": hotkey, "coldkey": coldkey, "netuid": question.netuid, "stake": stake}
            zero = dict.fromkeys(("locked", "emission", "tao_emission", "drain"), 0)
            rows.append(row | zero | {"is_registered": registered})
    return rows


def _one_stake(question: Question) -> dict[str, Any] | None:
    hotkey, coldkey, netuid = question.args
    rows = [row for row in _stakes_of(question, coldkey) if row["hotkey"] == hotkey and netuid == question.netuid]
    return rows[0] if rows else None


def _next_epoch(question: Question) -> int | None:
    if question.args[0] != question.netuid:
        return None
    start: int = question.of_subnet("LastEpochBlock") + question.of_subnet("Tempo")
    return start


_HYPERPARAMETERS = {
    "tempo": ("Tempo", "U16"),
    "immunity_period": ("ImmunityPeriod", "U16"),
    "min_allowed_weights": ("MinAllowedWeights", "U16"),
    "weights_version": ("WeightsVersionKey", "U64"),
    "weights_rate_limit": ("WeightsSetRateLimit", "U64"),
    "activity_cutoff": ("ActivityCutoff", "U16"),
    "registration_allowed": ("NetworkRegistrationAllowed", "Bool"),
    "max_validators": ("MaxAllowedValidators", "U16"),
    "commit_reveal_period": ("RevealPeriodEpochs", "U64"),
    "commit_reveal_weights_enabled": ("CommitRevealWeightsEnabled", "Bool"),
}


def _hyperparameters(question: Question) -> list[dict[str, Any]] | None:
    if question.args[0] != question.netuid:
        return None
    shown = _HYPERPARAMETERS.items()
    return [{"name": name.encode(), "value": {tag: question.of_subnet(item)}} for name, (item, tag) in shown]


def _no_fee(_question: Question) -> dict[str, Any]:
    return {"weight": {"ref_time": 0, "proof_size": 0}, "class": "Normal", "partial_fee": 0}


_ANSWERS: dict[str, Callable[[Question], Any]] = {
    "SubnetInfoRuntimeApi_get_metagraph": _metagraph,
    "SubnetInfoRuntimeApi_get_mechagraph": _mechagraph,
    "SubnetInfoRuntimeApi_get_dynamic_info": _dynamic,
    "SubnetInfoRuntimeApi_get_next_epoch_start_block": _next_epoch,
    "SubnetInfoRuntimeApi_get_subnet_hyperparams_v3": _hyperparameters,
    "SubnetRegistrationRuntimeApi_get_network_registration_cost": lambda _: PRICE_RAO,
    "NeuronInfoRuntimeApi_get_neurons": _neurons_full,
    "NeuronInfoRuntimeApi_get_neurons_lite": _neurons,
    "StakeInfoRuntimeApi_get_stake_info_for_coldkey": lambda q: _stakes_of(q, q.args[0]),
    "StakeInfoRuntimeApi_get_stake_info_for_coldkeys": lambda q: [(who, _stakes_of(q, who)) for who in q.args[0]],
    "StakeInfoRuntimeApi_get_stake_info_for_hotkey_coldkey_netuid": _one_stake,
    "BetaBasketRuntimeApi_get_root_basket_positions": lambda _: [],
    "BetaBasketRuntimeApi_get_root_basket_owed": lambda _: 0,
    "SwapRuntimeApi_current_alpha_price": lambda q: PRICE_RAO if q.args[0] == q.netuid else 0,
    "SwapRuntimeApi_current_alpha_price_all": lambda q: [{"netuid": q.netuid, "price": PRICE_RAO}],
    "TransactionPaymentApi_query_info": _no_fee,
    "TransactionPaymentCallApi_query_call_info": _no_fee,
    "AccountNonceApi_account_nonce": lambda q: q.pallets.get("System", "Account", q.args[0])["nonce"],
}
