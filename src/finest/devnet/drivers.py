"""What tests and demonstrations ask of services that run in processes of their own."""

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
"""The chain's path for drivers: finest.devnet.chain.server."""


@dataclass(frozen=True, slots=True)
class _Driver:
    """A service with faults on demand and a log of what it was asked."""

    endpoint: str

    def forget(self) -> None:
        """No faults any more, no requests remembered."""
        for path in (FAULTS_PATH, REQUESTS_PATH):
            _ask("DELETE", f"{self.endpoint}{path}")

    def _add(self, faults: list[dict[str, Any]]) -> None:
        _ask("POST", f"{self.endpoint}{FAULTS_PATH}", json=faults)

    def _requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _ask("GET", f"{self.endpoint}{REQUESTS_PATH}").json()
        return found


@dataclass(frozen=True, slots=True)
class CrawlDriver(_Driver):
    """Common Crawl's files over HTTP."""

    def add_faults(self, *faults: Fault) -> None:
        """What goes wrong from now on, besides what was told before."""
        self._add([asdict(fault) for fault in faults])

    def requests(self) -> list[Asked]:
        """What was asked since the last `forget`."""
        return [Asked(**one) for one in self._requests()]


@dataclass(frozen=True, slots=True)
class HubDriver(_Driver):
    """The Hub, and its users' tokens."""

    tokens: Mapping[str, str] = field(repr=False)

    def add_faults(self, *faults: HubFault) -> None:
        """What goes wrong from now on, besides what was told before."""
        self._add([fault.model_dump() for fault in faults])

    def requests(self) -> list[Seen]:
        """What was asked since the last `forget`."""
        from finest.devnet.hub.faults import Seen

        return [Seen(**one) for one in self._requests()]


@dataclass(frozen=True, slots=True)
class ChainDriver:
    """The chain: what no key could sign for. `call` takes any `devnet_*` method of finest.devnet.chain.drive."""

    endpoint: str

    def call(self, method: str, *params: Any) -> Any:
        """The result of one JSON-RPC request on the address that no fault touches; raises DevnetError for a refusal."""
        from websockets.sync.client import connect

        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        with connect(self.endpoint + CHAIN_CONTROL, open_timeout=TIMEOUT_S, close_timeout=1, proxy=None) as socket:
            socket.send(json.dumps(request))
            answer = json.loads(socket.recv(timeout=TIMEOUT_S))
        if "error" in answer:
            raise DevnetError(f"{method}: {answer['error'].get('message')}: {answer['error'].get('data', '')}")
        return answer["result"]

    def advance(self, blocks: int = 1) -> int:
        """Make blocks; answers the head's number."""
        head: int = self.call("devnet_advance", blocks)
        return head

    def fund(self, ss58: str, tao: float) -> None:
        """Add TAO to an account."""
        self.call("devnet_fund", ss58, tao)

    def register(self, hotkey_ss58: str, coldkey_ss58: str) -> int:
        """Register a hotkey for nothing; answers its uid."""
        uid: int = self.call("devnet_register", hotkey_ss58, coldkey_ss58)
        return uid

    def set_stake(self, hotkey_ss58: str, tao: float) -> None:
        """Set a neuron's stake on the subnet; permits follow at the next epoch."""
        self.call("devnet_setStake", hotkey_ss58, tao)

    def set_permit(self, hotkey_ss58: str, *, permit: bool) -> None:
        """Give or take the validator permit, from now on."""
        self.call("devnet_setPermit", hotkey_ss58, permit)

    def set_hyperparameter(self, item: str, value: Any) -> None:
        """Set a storage item of the subnet by its name in the pallet, e.g. `Tempo`."""
        self.call("devnet_setHyperparameter", item, value)

    def set_faults(self, **faults: Any) -> None:
        """Fields of finest.devnet.chain.faults.Faults; those that are not named stay as they are."""
        self.call("devnet_faults", faults)


def _ask(method: str, url: str, **arguments: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # loopback is never behind a proxy
        answer = session.request(method, url, timeout=TIMEOUT_S, **arguments)
    answer.raise_for_status()
    return answer
