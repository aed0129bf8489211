"""What waits for a block: one transaction for each account and nonce, taken in the order of nonces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.devnet.chain.extrinsics import STALE, RpcError, Signed, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

TOO_LOW = "The transaction has too low priority to replace another transaction already in the pool."


class Pool:
    """Waiting transactions. `nonce_of` answers the chain's next nonce of an account."""

    def __init__(self, nonce_of: Callable[[str], int]) -> None:
        self.nonce_of = nonce_of
        self.waiting: dict[tuple[str, int], Signed] = {}

    def add(self, transaction: Signed) -> Signed | None:
        """Take a transaction in, and answer the one that it replaces; raises RpcError as the node's pool does."""
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
        """The first nonce that neither the chain nor the pool has used."""
        nonce = self.nonce_of(who)
        while (who, nonce) in self.waiting:
            nonce += 1
        return nonce

    def is_ready(self, transaction: Signed) -> bool:
        """Whether every nonce before it is in the pool or the chain."""
        return transaction.nonce < self.next_nonce(transaction.who)

    def take(self, number: int) -> tuple[list[Signed], list[Signed]]:
        """What goes into a block, and what is dropped because its era is over."""
        old = [t for t in self.waiting.values() if t.last_block is not None and t.last_block < number]
        for transaction in old:
            del self.waiting[transaction.who, transaction.nonce]
        ready = [t for t in self.waiting.values() if self.is_ready(t)]
        for transaction in ready:
            del self.waiting[transaction.who, transaction.nonce]
        # A replacement keeps its place in the pool, a late lower nonce does not: nonces must still rise.
        return _by_nonce(ready), old


def _by_nonce(transactions: list[Signed]) -> list[Signed]:
    """Arrival order between accounts, nonce order within one."""
    of: dict[str, list[Signed]] = {}
    for transaction in sorted(transactions, key=lambda t: t.nonce):
        of.setdefault(transaction.who, []).append(transaction)
    return [of[transaction.who].pop(0) for transaction in transactions]
