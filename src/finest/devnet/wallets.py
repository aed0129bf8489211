"""Wallets for a devnet: made, funded and given a seat, so that a miner or validator can start at once.

They lie where the SDK looks for any wallet, in the devnet's own folder and without a password: they own nothing that
anybody could want.
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
    """A wallet of a devnet, by the names that the flags take."""

    name: str
    hotkey: str
    path: Path
    hotkey_ss58: str
    uid: int

    @property
    def flags(self) -> tuple[str, ...]:
        """What to give to a command."""
        names = ("--wallet.name", self.name, "--wallet.hotkey", self.hotkey)
        return (*names, "--wallet.path", str(self.path))


def make_wallet(chain: ChainDriver, path: Path, name: str, hotkey: str = "default", *, validator: bool) -> DevnetWallet:
    """The wallet, made where it is missing, with TAO and a seat; a validator with stake and its permit too.

    Made again it is the same: keys are kept, and so is the seat.
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
