"""Clients with which tests and demonstrations control the devnet's services, which run in separate processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from finest.devnet.crawl_http import FAULTS_PATH, REQUESTS_PATH, Asked, Fault
from finest.errors import DevnetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finest.devnet.hub.faults import Fault as HubFault
    from finest.devnet.hub.faults import Seen

TIMEOUT_S = 10.0

CHAIN_CONTROL = "/devnet"
"""The chain's path for drivers (finest.devnet.chain.server)."""


@dataclass(frozen=True, slots=True)
class _Driver:
    """A service with faults on demand and a log of its requests."""

    endpoint: str

    def forget(self) -> None:
        """Remove all faults and clear the log of requests."""
        for path in (FAULTS_PATH, REQUESTS_PATH):
            _ask("DELETE", f"{self.endpoint}{path}")

    def _add(self, faults: list[dict[str, Any]]) -> None:
        _ask("POST", f"{self.endpoint}{FAULTS_PATH}", json=faults)

    def _requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _ask("GET", f"{self.endpoint}{REQUESTS_PATH}").json()
        return found


@dataclass(frozen=True, slots=True)
class CrawlDriver(_Driver):
    """Controls the server of Common Crawl's files over HTTP."""

    def add_faults(self, *faults: Fault) -> None:
        """Add faults to those added before."""
        self._add([asdict(fault) for fault in faults])

    def requests(self) -> list[Asked]:
        """Return the requests since the last `forget`."""
        return [Asked(**one) for one in self._requests()]


@dataclass(frozen=True, slots=True)
class HubDriver(_Driver):
    """Controls the Hub and holds its users' tokens."""

    tokens: Mapping[str, str] = field(repr=False)

    def add_faults(self, *faults: HubFault) -> None:
        """Add faults to those added before."""
        self._add([fault.model_dump() for fault in faults])

    def requests(self) -> list[Seen]:
        """Return the requests since the last `forget`."""
        from finest.devnet.hub.faults import Seen

        return [Seen(**one) for one in self._requests()]


@dataclass(frozen=True, slots=True)
class ChainDriver:
    """Makes changes to the chain that no key could sign. `call` takes any `devnet_*` method of
    finest.devnet.chain.drive.
    """

    endpoint: str

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of one JSON-RPC request, sent to the path that faults do not affect.

        Raises DevnetError if the chain refuses it.
        """
        from websockets.sync.client import connect

        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        with connect(self.endpoint + CHAIN_CONTROL, open_timeout=TIMEOUT_S, close_timeout=1, proxy=None) as socket:
            socket.send(json.dumps(request))
            answer = json.loads(socket.recv(timeout=TIMEOUT_S))
        if "error" in answer:
            raise DevnetError(f"{method}: {answer['error'].get('message')}: {answer['error'].get('data', '')}")
        return answer["result"]

    def advance(self, blocks: int = 1) -> int:
        """Produce blocks; return the number of the head."""
        head: int = self.call("devnet_advance", blocks)
        return head

    def fund(self, ss58: str, tao: float) -> None:
        """Add TAO to an account."""
        self.call("devnet_fund", ss58, tao)

    def register(self, hotkey_ss58: str, coldkey_ss58: str) -> int:
        """Register a hotkey for free; return its uid."""
        uid: int = self.call("devnet_register", hotkey_ss58, coldkey_ss58)
        return uid

    def set_stake(self, hotkey_ss58: str, tao: float) -> None:
        """Set a neuron's stake on the subnet; permits follow at the next epoch."""
        self.call("devnet_setStake", hotkey_ss58, tao)

    def set_permit(self, hotkey_ss58: str, *, permit: bool) -> None:
        """Grant or revoke the validator permit at once."""
        self.call("devnet_setPermit", hotkey_ss58, permit)

    def set_hyperparameter(self, item: str, value: Any) -> None:
        """Set a storage item of the subnet by its name in the pallet, e.g. `Tempo`."""
        self.call("devnet_setHyperparameter", item, value)

    def hold_weights(self, hotkey_ss58: str, weights: Mapping[int, int], mechanism: int = 0) -> None:
        """Keep the weights (u16 by uid) with which a validator's hidden ones are opened when due."""
        self.call("devnet_holdWeights", hotkey_ss58, mechanism, list(weights.items()))

    def set_faults(self, **faults: Any) -> None:
        """Set fields of finest.devnet.chain.faults.Faults; the other fields keep their values."""
        self.call("devnet_faults", faults)


def _ask(method: str, url: str, **arguments: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # loopback is never behind a proxy
        answer = session.request(method, url, timeout=TIMEOUT_S, **arguments)
    answer.raise_for_status()
    return answer
