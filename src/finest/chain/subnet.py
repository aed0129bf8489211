"""The chain as the rest of the house sees it: one subnet, read and written through one connection.

    chain = Chain(options)
    view = chain.view()                       who is there; its age_s grows while the chain is out of reach
    for line in chain.commitments(): ...      what miners committed
    chain.commit(encode(repo, revision, root))
    chain.set_weights({hotkey: 0.7, other: 0.3})

Blocking, and safe to use from any thread. Reads have 30 s, writes 120 s; both are made again on a new connection when
one fails. Writes wait for their block, not for its finality: a block that holds one can still be replaced, so whoever
needs it to last looks again later (`commit` does nothing when the line stands).
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import TypeVar

import bittensor as bt

from finest.chain.commitments import Commitments, CommitReceipt, commit_line, read_commitments
from finest.chain.connection import READ_S, SUBMIT_S, Connection
from finest.chain.errors import ChainError, Unreachable
from finest.chain.options import ChainOptions
from finest.chain.payload import decode
from finest.chain.submission import Submission
from finest.chain.view import SubnetView, read_view
from finest.chain.wallet import Hotkey, open_hotkey
from finest.chain.weights import WeightsReceipt, check_weights, read_weights, write_weights
from finest.errors import UsageError

log = logging.getLogger(__name__)

T = TypeVar("T")

VIEW_MAX_AGE_S = 60.0
"""A view is read again after five blocks of 12 s: permits change once an epoch, and public endpoints ration."""
_RETRY_READ_S = 15.0
"""After a read that failed, the last good view is given at once for about this long."""


class Chain:
    """One subnet of one network, for one hotkey. Opens nothing before it is used."""

    def __init__(
        self,
        options: ChainOptions,
        *,
        max_age_s: float = VIEW_MAX_AGE_S,
        read_deadline_s: float = READ_S,
        submit_deadline_s: float = SUBMIT_S,
    ) -> None:
        self.options = options
        self._max_age_s, self._read_s, self._submit_s = max_age_s, read_deadline_s, submit_deadline_s
        self._connection = Connection(options.target, options.netuid)
        self._hotkey: Hotkey | None = None
        self._view: SubnetView | None = None
        self._no_read_before_s = 0.0
        self._make_locks()

    def _make_locks(self) -> None:
        self._pid = os.getpid()
        self._view_lock, self._write_lock = threading.Lock(), threading.Lock()

    def __enter__(self) -> Chain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end its thread. Happens at exit too."""
        self._connection.close()

    @property
    def hotkey(self) -> Hotkey:
        """The key that writes; raises WalletError when it is missing or locked."""
        if self._hotkey is None:
            self._hotkey = open_hotkey(self.options)
        return self._hotkey

    def block(self) -> int:
        """The number of the newest block."""
        return self._connection.call(lambda client: client.block(), self._read_s)

    def block_hash(self, number: int) -> str:
        """The hash (0x and 64 hex digits) of a block that is final: everybody is told the same, for ever.

        Raises ChainError for a block that is not final yet.
        """
        return self._connection.call(partial(_final_hash, number=number), self._read_s)

    def view(self, *, max_age_s: float | None = None) -> SubnetView:
        """The subnet, at most `fresh_s` seconds old, or the last good view when the chain is out of reach.

        So look at `age_s` before you trust it. Raises Unreachable only while there has never been a view.
        """
        self._after_fork()
        view = self._view
        if view is not None and (
            view.age_s < (self._max_age_s if max_age_s is None else max_age_s) or self._is_backing_off()
        ):
            return view
        if not self._view_lock.acquire(blocking=view is None):
            assert view is not None
            return view  # another thread reads a new one right now
        try:
            return self._view if view is None and self._view is not None else self._read_view(view)
        finally:
            self._view_lock.release()

    def commitments(self) -> Commitments:
        """Every miner's line, at the newest block, and what was passed over."""
        view, lines = self._connection.call(lambda client: read_commitments(client, self.options.netuid), self._read_s)
        self._view = view
        return lines

    def commit(self, line: str) -> CommitReceipt:
        """Have `line` (payload.encode) stand on the chain under the hotkey. Sends nothing when it stands there already.

        Raises UsageError for what is no line, NotRegistered, BudgetExceeded (`retry_after_blocks`), Unreachable.
        """
        if decode(line) is None:
            raise UsageError(f"{line[:140]!r} is no commitment: fd1:<repository>@<revision>#<root>")
        hotkey = self.hotkey
        return self._write(lambda client, submission: commit_line(client, self.options, hotkey, line, submission))

    def set_weights(self, weights: Mapping[str, float]) -> WeightsReceipt:
        """Set this validator's weights, by hotkey; only their proportions count.

        Raises NotRegistered, NoPermit, RateLimited (`retry_after_blocks`), Unreachable; ValueError for no weights.
        """
        check_weights(weights)
        hotkey = self.hotkey
        return self._write(lambda client, submission: write_weights(client, self.options, hotkey, weights, submission))

    def weights(self, hotkey: str) -> dict[str, float]:
        """A validator's weights as they stand on the chain, by hotkey, as shares of one.

        Empty before the first, and where the subnet hides them until they are revealed.
        """
        return self._connection.call(lambda client: read_weights(client, self.options.netuid, hotkey), self._read_s)

    def _write(self, work: Callable[[bt.Client, Submission], Awaitable[T]]) -> T:
        """One write at a time: an account's writes are numbered."""
        self._after_fork()
        with self._write_lock:
            submission = Submission()
            try:
                return self._connection.call(lambda client: work(client, submission), self._submit_s)
            except Unreachable as error:
                if submission.sent_at_block is None:
                    raise
                hint = "it was sent and may still land; the same call looks for it first"
                raise Unreachable(f"{error}; {hint}", error.retry_after_s) from error

    def _read_view(self, last: SubnetView | None) -> SubnetView:
        try:
            self._view = self._connection.call(lambda client: read_view(client, self.options.netuid), self._read_s)
        except Unreachable as error:
            self._no_read_before_s = time.monotonic() + _RETRY_READ_S * random.uniform(0.5, 1.5)
            if last is None:
                raise
            log.warning("chain: view is of block %d, %.0f s ago: %s", last.block, last.age_s, error)
            return last
        return self._view

    def _is_backing_off(self) -> bool:
        return time.monotonic() < self._no_read_before_s

    def _after_fork(self) -> None:
        """A forked child may have inherited locks that nobody will ever release."""
        if os.getpid() != self._pid:
            self._make_locks()


async def _final_hash(client: bt.Client, number: int) -> str:
    final = await client.finalized_block()
    if not 0 <= number <= final:
        raise ChainError(f"block {number} is not final; the newest that is has number {final}")
    return str(await client._substrate.block_hash(number))
