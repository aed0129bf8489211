"""Opens a hotkey as `btcli` stores it. Neither mining nor validating needs the coldkey on the machine.

The key stays inside the SDK's wallet object. A `Hotkey` prints only its address and cannot be pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import bittensor as bt
from bittensor.keyfiles import KeyfileError, Keypair, resolve_key_password

from finest.chain.errors import WalletError
from finest.chain.options import ChainOptions

_SR25519 = 1
"""The chain's usual signature scheme, and the only one that signed requests may use."""


class Hotkey:
    """A hotkey that signs requests and extrinsics."""

    __slots__ = ("_wallet", "address")

    def __init__(self, wallet: bt.Wallet) -> None:
        self._wallet = wallet
        self.address: str = wallet.hotkey.ss58_address

    def sign(self, message: bytes) -> bytes:
        """The sr25519 signature (64 bytes) of `message`."""
        return bytes(self._wallet.hotkey.sign(message))

    @property
    def signer(self) -> Keypair:
        """The key pair with which the SDK signs; only the package finest.chain may use it."""
        return self._wallet.hotkey

    def __repr__(self) -> str:
        return f"Hotkey({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a hotkey is not copied to other processes: open it there")


def open_hotkey(options: ChainOptions) -> Hotkey:
    """Open the hotkey that the options name; raises WalletError if it is missing or needs a password."""
    root = options.wallet_path.expanduser()
    wallet = bt.Wallet(options.wallet_name, options.wallet_hotkey, str(root))
    file = Path(wallet.hotkey_file.path)
    who = f"hotkey {options.wallet_hotkey!r} of wallet {options.wallet_name!r} in {root}"
    _check_there(file, who, options)
    try:
        hotkey = _open(wallet, who, options)
    except (KeyfileError, ValueError, KeyError, TypeError, OSError):
        # `from None`, because a parser's message may quote the key file
        raise WalletError(
            f"{who}: {file} is not a readable key file; restore it: {_btcli('regen-hotkey', options)}"
        ) from None
    if hotkey.signer.crypto_type != _SR25519:
        raise WalletError(
            f"{who} is not sr25519; create an sr25519 key: {_btcli('new-hotkey', options)} --crypto-type sr25519"
        )
    return hotkey


def _check_there(file: Path, who: str, options: ChainOptions) -> None:
    if file.is_file():
        return
    make = "new-hotkey" if (file.parent.parent / "coldkeypub.txt").is_file() else "create"
    raise WalletError(f"{who} does not exist; create it: {_btcli(make, options)}")


def _open(wallet: bt.Wallet, who: str, options: ChainOptions) -> Hotkey:
    file = wallet.hotkey_file
    if file.is_encrypted() and not resolve_key_password(env_var_name=file.env_var_name(), allow_prompt=False):
        raise WalletError(
            f"{who} has a password, which nobody can type here; restore the key without a password: "
            f"{_btcli('regen-hotkey', options)} --overwrite"
        )
    return Hotkey(wallet)


def _btcli(verb: str, options: ChainOptions) -> str:
    return f"btcli wallet {verb} {options.btcli_wallet}"
