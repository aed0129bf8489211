"""The exception for payloads that decode to more bytes than the recipe allows."""

from __future__ import annotations


class PayloadTooLarge(Exception):
    """Raised if a payload decodes to more bytes than the recipe allows."""
