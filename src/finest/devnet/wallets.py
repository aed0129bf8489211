"""Create, fund and register wallets on a devnet, so that a miner or validator can start at once.

The wallets have the SDK's usual layout, are in the devnet's own folder and have no password: they hold nothing of
value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import bittensor as bt

if TYPE_CHECKING:
    from pathlib import Path

    from finest.devnet.drivers import ChainDriver

FUNDS_TAO = 100.0
VALIDATOR_STAKE_TAO = 10_000.0


@dataclass(frozen=True, slots=True)
class DevnetWallet:
    """A wallet of a devnet, with the names that the command-line flags take."""

    name: str
    hotkey: str
    path: Path
    hotkey_ss58: str
    uid: int

    @property
    def flags(self) -> tuple[str, ...]:
        """The command-line flags that select this wallet."""
        names = ("--wallet.name", self.name, "--wallet.hotkey", self.hotkey)
        return (*names, "--wallet.path", str(self.path))


def make_wallet(chain: ChainDriver, path: Path, name: str, hotkey: str = "default", *, validator: bool) -> DevnetWallet:
    """Create the wallet if it is missing, give it TAO and register its hotkey; give a validator stake and a permit.

    Another call for the same wallet keeps its keys and its registration.
    """
    wallet = bt.Wallet(name, hotkey, str(path))
    if not wallet.coldkey_file.exists_on_device():
        wallet.create_new_coldkey(use_password=False, suppress=True)
    if not wallet.hotkey_file.exists_on_device():
        wallet.create_new_hotkey(use_password=False, suppress=True)
    address = str(wallet.hotkey.ss58_address)
    chain.fund(str(wallet.coldkeypub.ss58_address), FUNDS_TAO)
    uid = chain.register(address, str(wallet.coldkeypub.ss58_address))
    if validator:
        chain.set_stake(address, VALIDATOR_STAKE_TAO)
        chain.set_permit(address, permit=True)
    return DevnetWallet(name, hotkey, path, address, uid)
