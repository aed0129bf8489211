"""Signature check: whether a hotkey signed a message, given only its address."""

from __future__ import annotations

from bittensor.keyfiles import Keypair


def is_signed_by(address: str, message: bytes, signature: bytes) -> bool:
    """Whether the hotkey with this ss58 address made `signature` (sr25519, 64 bytes, see `Hotkey.sign`).

    Never raises; returns False for an invalid address or signature.
    """
    try:
        return bool(Keypair(ss58_address=address).verify(message, signature))
    except (ValueError, TypeError, RuntimeError):
        return False
