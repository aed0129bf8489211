"""The interface to the chain for all other packages: one subnet, read and written through one connection.

    chain = Chain(options)
    view = chain.view()                       the neurons; view.age_s grows while the chain is unreachable
    for line in chain.commitments(): ...      the commitments of the miners
    chain.commit(encode(repo, revision, root))
    chain.set_weights({hotkey: 0.7, other: 0.3})

Calls block and are safe from any thread. Reads have 30 s, writes 120 s; both are retried on a new connection when one
fails. Writes wait for their block but not for its finality. The chain may still replace that block, so a caller that
needs certainty checks again later (`commit` does nothing if the line is on the chain).
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

from finest.chain.commitments import Commitments, CommitReceipt, commit_line, read_anchor, read_commitments
from finest.chain.connection import READ_S, SUBMIT_S, Connection
from finest.chain.errors import ChainError, Unreachable
from finest.chain.options import ChainOptions
from finest.chain.payload import Anchor, decode, decode_anchor
from finest.chain.recipe_lines import Text, decode_opening, decode_seal, read_texts
from finest.chain.submission import Submission
from finest.chain.view import SubnetView, read_view
from finest.chain.wallet import Hotkey, open_hotkey
from finest.chain.weights import (
    PendingWeights,
    WeightsReceipt,
    check_weights,
    read_mechanisms,
    read_pending,
    read_weights,
    write_weights,
)
from finest.errors import UsageError

log = logging.getLogger(__name__)

T = TypeVar("T")

VIEW_MAX_AGE_S = 60.0
"""Age up to which a view is used again, five blocks of 12 s. Permits change once an epoch, and public endpoints limit
rates."""
_RETRY_READ_S = 15.0
"""Time after a failed read in which the last good view is returned at once, without a new read."""


class Chain:
    """One subnet of one network, for one hotkey. Connects at the first call."""

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
        """Close the connection and end its thread. Also happens when the interpreter exits."""
        self._connection.close()

    @property
    def hotkey(self) -> Hotkey:
        """The hotkey that signs writes; raises WalletError if it is missing or locked."""
        if self._hotkey is None:
            self._hotkey = open_hotkey(self.options)
        return self._hotkey

    def block(self) -> int:
        """The number of the newest block."""
        return self._connection.call(lambda client: client.block(), self._read_s)

    def block_hash(self, number: int) -> str:
        """The hash (0x and 64 hex digits) of a finalised block, which is the same for everybody and forever.

        Raises ChainError for a block that is not final yet.
        """
        return self._connection.call(partial(_final_hash, number=number), self._read_s)

    def view(self, *, max_age_s: float | None = None) -> SubnetView:
        """The subnet, at most `max_age_s` old, or the last good view if the chain is unreachable.

        Check `age_s` before you rely on it. Raises Unreachable only before the first view.
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
        """The commitment lines of all miners at the newest block, and the numbers of skipped records."""
        view, lines = self._connection.call(lambda client: read_commitments(client, self.options.netuid), self._read_s)
        self._view = view
        return lines

    def commit(self, line: str) -> CommitReceipt:
        """Commit a line under the hotkey. Sends nothing if it is on the chain already.

        The lines are those of finest.chain.payload and finest.chain.recipe_lines.

        Raises UsageError for an invalid line, NotRegistered, BudgetExceeded (`retry_after_blocks`), Unreachable.
        """
        if not any(parse(line) for parse in (decode, decode_anchor, decode_seal, decode_opening)):
            raise UsageError(f"{line[:140]!r} is not a commitment; the form is fd1:<repository>@<revision>#<root>")
        hotkey = self.hotkey
        return self._write(lambda client, submission: commit_line(client, self.options, hotkey, line, submission))

    def anchor(self, hotkey: str) -> tuple[Anchor, int] | None:
        """The head of its log that a task server committed, and the block; None if it has committed none."""
        return self._connection.call(lambda client: read_anchor(client, self.options.netuid, hotkey), self._read_s)

    def texts(self, block: int) -> Mapping[str, Text]:
        """The texts that registered hotkeys had on the chain at a final block, by hotkey, of whatever kind."""
        return self._connection.call(lambda client: read_texts(client, self.options.netuid, block), self._read_s)

    def set_weights(self, weights: Mapping[str, float], *, mechanism: int = 0) -> WeightsReceipt:
        """Set this validator's weights for one of the subnet's mechanisms, by hotkey; only their proportions count.

        Raises NotRegistered, NoPermit, RateLimited (`retry_after_blocks`), Unreachable; UsageError if the subnet has no
        such mechanism; ValueError if no weight is positive.
        """
        check_weights(weights)
        hotkey = self.hotkey
        return self._write(
            lambda client, submission: write_weights(client, self.options, hotkey, weights, mechanism, submission)
        )

    def weights(self, hotkey: str, *, mechanism: int = 0) -> dict[str, float]:
        """A validator's weights on the chain for a mechanism, by hotkey, as shares of one.

        Empty before the validator first sets weights, and while the subnet hides them until they are revealed.
        """
        return self._connection.call(
            lambda client: read_weights(client, self.options.netuid, hotkey, mechanism), self._read_s
        )

    def pending_weights(self, hotkey: str, *, mechanism: int = 0) -> PendingWeights:
        """A validator's weights for a mechanism that the subnet still hides."""
        return self._connection.call(
            lambda client: read_pending(client, self.options.netuid, hotkey, mechanism), self._read_s
        )

    def mechanisms(self) -> int:
        """The number of the subnet's mechanisms; each has weights of its own and a share of the emission."""
        return self._connection.call(lambda client: read_mechanisms(client, self.options.netuid), self._read_s)

    def _write(self, work: Callable[[bt.Client, Submission], Awaitable[T]]) -> T:
        """Run one write at a time, because the writes of an account are numbered."""
        self._after_fork()
        with self._write_lock:
            submission = Submission()
            try:
                return self._connection.call(lambda client: work(client, submission), self._submit_s)
            except Unreachable as error:
                if submission.sent_at_block is None:
                    raise
                hint = "it was sent and may still be included; repeating the call checks for it first"
                raise Unreachable(f"{error}; {hint}", error.retry_after_s) from error

    def _read_view(self, last: SubnetView | None) -> SubnetView:
        try:
            self._view = self._connection.call(lambda client: read_view(client, self.options.netuid), self._read_s)
        except Unreachable as error:
            self._no_read_before_s = time.monotonic() + _RETRY_READ_S * random.uniform(0.5, 1.5)
            if last is None:
                raise
            log.warning(
                "chain unreachable, using the view of block %d from %.0f s ago: %s", last.block, last.age_s, error
            )
            return last
        return self._view

    def _is_backing_off(self) -> bool:
        return time.monotonic() < self._no_read_before_s

    def _after_fork(self) -> None:
        """Make new locks in a forked child, which may have inherited locks that nobody will release."""
        if os.getpid() != self._pid:
            self._make_locks()


async def _final_hash(client: bt.Client, number: int) -> str:
    final = await client.finalized_block()
    if not 0 <= number <= final:
        raise ChainError(f"block {number} is not final yet; the newest final block is {final}")
    return str(await client._substrate.block_hash(number))
