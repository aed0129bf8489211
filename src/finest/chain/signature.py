"""What a hotkey signed: proven by its address alone."""

from __future__ import annotations

from bittensor.keyfiles import Keypair


def is_signed_by(address: str, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (sr25519, 64 bytes, as `Hotkey.sign` gives it) is that of the hotkey with this ss58 address.

    Never raises: what is no address or no signature is merely no proof.
    """
    try:
        return bool(Keypair(ss58_address=address).verify(message, signature))
    except (ValueError, TypeError, RuntimeError):
        return False
