"""The pool of transactions that wait for a block: one for each account and nonce, taken in nonce order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.devnet.chain.extrinsics import STALE, RpcError, Signed, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

TOO_LOW = "The transaction has too low priority to replace another transaction already in the pool."


class Pool:
    """The waiting transactions. `nonce_of` returns an account's next nonce on the chain."""

    def __init__(self, nonce_of: Callable[[str], int]) -> None:
        self.nonce_of = nonce_of
        self.waiting: dict[tuple[str, int], Signed] = {}

    def add(self, transaction: Signed) -> Signed | None:
        """Add a transaction and return the one that it replaces, if any; raise RpcError as a node's pool does."""
        if transaction.nonce < self.nonce_of(transaction.who):
            raise invalid(STALE)
        place = (transaction.who, transaction.nonce)
        other = self.waiting.get(place)
        if other is not None:
            if other.hash == transaction.hash:
                raise RpcError(1013, "Transaction Already Imported", transaction.hash)
            if transaction.tip <= other.tip:
                raise RpcError(1014, f"Priority is too low: ({other.tip} vs {transaction.tip})", TOO_LOW)
        self.waiting[place] = transaction
        return other

    def next_nonce(self, who: str) -> int:
        """Return the first nonce that neither the chain nor the pool has used."""
        nonce = self.nonce_of(who)
        while (who, nonce) in self.waiting:
            nonce += 1
        return nonce

    def is_ready(self, transaction: Signed) -> bool:
        """Whether every nonce before it is in the pool or the chain."""
        return transaction.nonce < self.next_nonce(transaction.who)

    def take(self, number: int) -> tuple[list[Signed], list[Signed]]:
        """Remove and return the transactions for block `number`, and those dropped because their era is over."""
        old = [t for t in self.waiting.values() if t.last_block is not None and t.last_block < number]
        for transaction in old:
            del self.waiting[transaction.who, transaction.nonce]
        ready = [t for t in self.waiting.values() if self.is_ready(t)]
        for transaction in ready:
            del self.waiting[transaction.who, transaction.nonce]
        # A replacement keeps its place in the pool, and a lower nonce may arrive late, so sort each account's nonces.
        return _by_nonce(ready), old


def _by_nonce(transactions: list[Signed]) -> list[Signed]:
    """Return the transactions in arrival order between accounts and in nonce order within each account."""
    of: dict[str, list[Signed]] = {}
    for transaction in sorted(transactions, key=lambda t: t.nonce):
        of.setdefault(transaction.who, []).append(transaction)
    return [of[transaction.who].pop(0) for transaction in transactions]
