"""The bound of what a payload may decode to."""

from __future__ import annotations


class PayloadTooLarge(Exception):
    """The payload decodes to more than the recipe allows."""
