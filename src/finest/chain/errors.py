"""All errors of the chain.

ChainError                 exit 9
├── WalletError            the key is missing, or it cannot be used unattended
├── NotRegistered          the hotkey is not registered on the subnet
├── NoPermit               the hotkey has no validator permit, or too little stake
├── RateLimited            the call came too early; says in how many blocks to retry
│   └── BudgetExceeded     the hotkey has used up this epoch's bytes for commitments
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
    """The chain's rate limit. It refuses the call until `retry_after_blocks` have passed."""

    def __init__(self, message: str, retry_after_blocks: int) -> None:
        super().__init__(message)
        self.retry_after_blocks = retry_after_blocks


class BudgetExceeded(RateLimited):
    pass


class Unreachable(ChainError):
    """No endpoint answered. `retry_after_s` is the wait that the endpoint asked for; None if it gave no time."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnsupportedRuntime(ChainError):
    pass
