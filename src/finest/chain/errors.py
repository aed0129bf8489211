"""Every way in which the chain says no.

ChainError                 exit 9
├── WalletError            there is no such key, or it cannot be used unattended
├── NotRegistered          the hotkey has no seat on the subnet
├── NoPermit               the hotkey is no validator: no permit, or too little stake
├── RateLimited            too early; says in how many blocks
│   └── BudgetExceeded     this epoch's bytes for commitments are used up
├── Unreachable            no endpoint answered within the deadline
└── UnsupportedRuntime     the chain runs a version that the client does not speak
"""

from __future__ import annotations

from finest.errors import ChainError

__all__ = [
    "BudgetExceeded",
    "ChainError",
    "NoPermit",
    "NotRegistered",
    "RateLimited",
    "Unreachable",
    "UnsupportedRuntime",
    "WalletError",
]


class WalletError(ChainError):
    pass


class NotRegistered(ChainError):
    pass


class NoPermit(ChainError):
    pass


class RateLimited(ChainError):
    """`retry_after_blocks`: the chain will not listen before that many blocks have passed."""

    def __init__(self, message: str, retry_after_blocks: int) -> None:
        super().__init__(message)
        self.retry_after_blocks = retry_after_blocks


class BudgetExceeded(RateLimited):
    pass


class Unreachable(ChainError):
    """`retry_after_s`: how long the endpoint asked the caller to wait; None where it said nothing."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnsupportedRuntime(ChainError):
    pass
