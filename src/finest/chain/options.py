"""Options for key, subnet and network. Flags override the environment and `.env`, which override the defaults.

    --wallet.name               BT_WALLET           default
    --wallet.hotkey             BT_WALLET_HOTKEY    default
    --wallet.path               BT_WALLET_PATH      ~/.bittensor/wallets
    --subtensor.network         BT_NETWORK          finney
    --subtensor.chain_endpoint  BT_CHAIN_ENDPOINT   the network's own (from the environment: only for network `local`)
    --netuid                                        63, on test 250

`btcli` and the SDK read the same variables, so a set-up that works for `btcli` works here. This module does not import
`bittensor`, which would slow down `--help`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from finest.errors import UsageError
from finest.settings import load_settings

NETWORKS = ("finney", "test", "archive", "local")
LOCAL_ENDPOINT = "ws://127.0.0.1:9944"
"""Address of a local subtensor (the SDK's own default for network `local`)."""
NETUID = 63
"""Finest Data's subnet on the main network."""
TEST_NETUID = 250
"""Finest Data's subnet on the test network."""
WALLET_PATH = "~/.bittensor/wallets"
_MAX_NETUID = 65_535

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """The resolved and checked options for key, subnet and network."""

    netuid: int = NETUID
    wallet_name: str = "default"
    wallet_hotkey: str = "default"
    wallet_path: Path = Path(WALLET_PATH)
    network: str = "finney"
    endpoint: str | None = None
    """A ws(s):// address to use instead of the network's own."""

    def __post_init__(self) -> None:
        if not 0 <= self.netuid <= _MAX_NETUID:
            raise UsageError(f"--netuid {self.netuid} is not a subnet: give a number from 0 to {_MAX_NETUID}")
        for flag, name in (("--wallet.name", self.wallet_name), ("--wallet.hotkey", self.wallet_hotkey)):
            if not name or "/" in name or name in {".", ".."}:
                raise UsageError(f"{flag} {name!r} is not a valid key name; list your keys with: btcli wallet list")
        if self.network not in NETWORKS and not _is_address(self.network):
            raise UsageError(
                f"--subtensor.network {self.network!r} is unknown: give {', '.join(NETWORKS)}, ws://... or wss://..."
            )
        if self.endpoint is not None and not _is_address(self.endpoint):
            raise UsageError(f"--subtensor.chain_endpoint {self.endpoint!r} does not begin with ws:// or wss://")

    @property
    def target(self) -> str:
        """The client's target: an address, or the name of a network that has several public endpoints."""
        return self.endpoint or self.network

    @property
    def btcli_wallet(self) -> str:
        """The `btcli` flags that select the same key."""
        path = "" if self.wallet_path == Path(WALLET_PATH) else f" --wallet-path {self.wallet_path}"
        return f"--wallet {self.wallet_name} --wallet-hotkey {self.wallet_hotkey}{path}"

    @classmethod
    def resolve(cls, env: Mapping[str, str], **flags: Any) -> ChainOptions:
        """Resolve flags (None if not given) and environment; raises UsageError for invalid values."""
        network = flags.get("network") or env.get("BT_NETWORK") or "finney"
        endpoint = flags.get("endpoint")
        if endpoint is None and network == "local":
            endpoint = env.get("BT_CHAIN_ENDPOINT") or LOCAL_ENDPOINT
        netuid = flags.get("netuid")
        return cls(
            netuid=netuid if netuid is not None else TEST_NETUID if network == "test" else NETUID,
            wallet_name=flags.get("wallet_name") or env.get("BT_WALLET") or "default",
            wallet_hotkey=flags.get("wallet_hotkey") or env.get("BT_WALLET_HOTKEY") or "default",
            wallet_path=Path(flags.get("wallet_path") or env.get("BT_WALLET_PATH") or WALLET_PATH),
            network=network,
            endpoint=endpoint,
        )


_FLAGS = (
    click.option(
        "--netuid", type=int, help=f"Number of the subnet.  [default: {NETUID}, on network test {TEST_NETUID}]"
    ),
    click.option(
        "--wallet.name",
        "wallet_name",
        metavar="NAME",
        help="Name of the coldkey's wallet, as in btcli.  [default: default]",
    ),
    click.option("--wallet.hotkey", "wallet_hotkey", metavar="NAME", help="Name of the hotkey.  [default: default]"),
    click.option(
        "--wallet.path", "wallet_path", metavar="DIR", help=f"Folder of the wallets.  [default: {WALLET_PATH}]"
    ),
    click.option(
        "--subtensor.network",
        "network",
        metavar="NETWORK",
        help="Network: finney, test, local or ws://...  [default: finney]",
    ),
    click.option(
        "--subtensor.chain_endpoint",
        "endpoint",
        metavar="URL",
        help="Address (ws://...) to use instead of the network's own.",
    ),
)


def chain_options(command: F) -> F:
    """Add the chain's flags to a click command and pass it `chain: ChainOptions`."""

    @wraps(command)
    def with_chain(*args: Any, **kwargs: Any) -> Any:
        flags = {name: kwargs.pop(name) for name in _NAMES}
        load_settings()  # `.env` first
        return command(*args, chain=ChainOptions.resolve(os.environ, **flags), **kwargs)

    for flag in reversed(_FLAGS):
        with_chain = flag(with_chain)
    return with_chain  # type: ignore[return-value]


_NAMES = ("netuid", "wallet_name", "wallet_hotkey", "wallet_path", "network", "endpoint")


def _is_address(text: str) -> bool:
    return text.startswith(("ws://", "wss://")) and len(text.split("://", 1)[1]) > 0
