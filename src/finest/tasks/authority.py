"""Authorisation: checks a hotkey's registration, permit and stake, and whether a commitment is on the chain.

The checks use a view of the subnet that is refreshed in the background, so requests do not wait for the chain. The one
exception is a hotkey that is not registered in the view: it may have registered since the last refresh. When the view
is too old, the server authorises nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from finest.chain.errors import ChainError
from finest.chain.payload import decode
from finest.tasks.assignment import Beacon, beacon_block
from finest.tasks.problems import Problem
from finest.tasks.shared_read import SharedRead

if TYPE_CHECKING:
    from finest.chain.commitments import ChainCommitment, Commitments
    from finest.chain.view import SubnetView
    from finest.tasks.models import Rules

log = logging.getLogger(__name__)

VIEW_MAX_AGE_S = 600.0
"""Age at which the view is too old to authorise by. A public endpoint that restarts or limits rates is back within
minutes, while permits change once an epoch (360 blocks, over an hour): ten minutes bridge the former and matter little
for the latter."""
REFRESH_BLOCKS = 5
"""Blocks between two refreshes of the view (a minute on the main network); public endpoints limit rates."""
MIN_REFRESH_S, MAX_REFRESH_S = 1.0, 60.0
UNREGISTERED_REFRESH_S = 12.0
"""Longest wait for a new view when an unregistered hotkey asks; the view is read at most once a block for them."""
COMMITMENTS_EVERY_S = 3.0
"""Shortest time between two reads of the commitments, a quarter of a block, however many miners finish tasks."""
FIRST_READ_TIMEOUT_S = 5.0


class Subnet(Protocol):
    """The calls to the chain that authorisation needs, all blocking; finest.chain.subnet.Chain has them.

    They raise ChainError.
    """

    def view(self, *, max_age_s: float | None = None) -> SubnetView: ...
    def commitments(self) -> Commitments: ...
    def block_hash(self, number: int) -> str: ...


@dataclass(frozen=True, slots=True)
class LeaseBasis:
    """The last block that the server read from the chain, and its beacon; each new lease names both."""

    seen_block: int
    beacon: Beacon


class Authority:
    """Checks the rights of hotkeys, estimates the chain's current block, and knows the beacon of assignments."""

    def __init__(
        self, subnet: Subnet, rules: Rules, *, max_age_s: float = VIEW_MAX_AGE_S,
        on_view: Callable[[SubnetView], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """`on_view` gets every view before anything is decided by it."""
        self._rules, self._max_age_s = rules, max_age_s
        self._pool = ThreadPoolExecutor(2, "finest-authority")
        self._views: SharedRead[SubnetView] = SharedRead(self._read_view, self._pool, MIN_REFRESH_S)
        self._commitments: SharedRead[Commitments] = SharedRead(subnet.commitments, self._pool, COMMITMENTS_EVERY_S)
        self._refresher: asyncio.Task[None] | None = None
        self._first_read_done = asyncio.Event()
        self._subnet, self._on_view = subnet, on_view
        self._basis: LeaseBasis | None = None

    async def open(self) -> None:
        """Start the background refresh and wait shortly for the first view; starts even if the chain is unreachable."""
        self._refresher = asyncio.create_task(self._refresh_forever())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._first_read_done.wait(), FIRST_READ_TIMEOUT_S)

    async def close(self) -> None:
        if self._refresher is not None:
            self._refresher.cancel()
            with suppress(asyncio.CancelledError):
                await self._refresher
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def view(self) -> SubnetView | None:
        """The last view of the subnet, however old; None before the first."""
        return self._views.last

    @property
    def age_s(self) -> float | None:
        """Age of the view; None before the first one."""
        return self.view.age_s if self.view else None

    @property
    def block(self) -> int:
        """The chain's current block, estimated from the view and its age. Raises Problem before the first view.

        The estimate stops when the view is too old, because nobody can renew a lease then, and so no lease expires. It
        may go back by a few blocks, as it may differ between two server processes.
        """
        view = self.view
        if view is None:
            raise Problem("subnet-unknown", "the server has not reached the chain yet")
        return view.block + int(min(view.age_s, self._max_age_s) / view.block_time_s)

    @property
    def lease_basis(self) -> LeaseBasis:
        """The block and the beacon of a new lease; `block` runs ahead of that block if the chain pauses.

        While the chain is away they stay as they were, until the view is too old to authorise anybody. Raises Problem.
        """
        self.check_age()
        if self._basis is None:
            raise Problem("subnet-unknown", "the server has not read a beacon from the chain yet")
        return self._basis

    @property
    def block_time_s(self) -> float:
        """Seconds between blocks; 12, as on the main network, before the first view."""
        return self.view.block_time_s if self.view else 12.0

    def check_age(self) -> SubnetView:
        """The view if it is recent enough to authorise by; raises Problem(subnet-unknown) if not."""
        view = self.view
        if view is None or view.age_s > self._max_age_s:
            age = "has never been read" if view is None else f"is {view.age_s:.0f} s old"
            raise Problem("subnet-unknown", f"the server's view of the subnet {age}; it cannot reach the chain")
        return view

    def check_miner(self, hotkey: str) -> None:
        """Raises Problem unless the hotkey is registered on the subnet."""
        view = self.check_age()
        if view.neuron(hotkey) is None:
            raise Problem(
                "not-registered",
                f"hotkey {hotkey} is not registered on subnet {view.netuid} at block {view.block}; "
                f"register it: btcli subnets register --netuid {view.netuid}",
            )

    def coldkey(self, hotkey: str) -> str | None:
        """The coldkey of a hotkey in the view; None if it is not there."""
        neuron = self.view.neuron(hotkey) if self.view else None
        return neuron.coldkey if neuron else None

    def check_validator(self, hotkey: str) -> None:
        """Raises Problem unless the hotkey is registered and has a validator permit and enough stake."""
        self.check_miner(hotkey)
        neuron = self.check_age().neuron(hotkey)
        if neuron is None or not neuron.validator_permit:
            raise Problem("not-a-validator", f"hotkey {hotkey} has no validator permit")
        if neuron.stake_alpha <= 0:
            # If there are more permits than stakers, neurons without stake get permits too and cost next to nothing.
            raise Problem("not-a-validator", f"hotkey {hotkey} has a validator permit but no stake")
        if neuron.stake_alpha < self._rules.min_validator_stake:
            raise Problem(
                "not-a-validator",
                f"hotkey {hotkey} has {neuron.stake_alpha:.3f} alpha of stake weight; "
                f"this server requires {self._rules.min_validator_stake:g}",
            )

    async def wait_for_newer_view(self) -> bool:
        """Wait up to a block for a newer view of the subnet; returns whether there is one.

        Called for hotkeys without the needed right in this view, so that a miner that registered a moment ago is not
        refused. Unknown hotkeys cause at most one read of the chain per block.
        """
        asked_s, before = time.monotonic(), self.view
        if before is None:
            return False
        await asyncio.sleep(max(0.0, min(before.block_time_s, UNREGISTERED_REFRESH_S) - before.age_s))
        with suppress(ChainError):
            return await self._views.get(time.monotonic() - asked_s) is not before
        return False

    async def check_commitment(self, hotkey: str, line: str, since_block: int) -> None:
        """Raises Problem unless the hotkey's commitment is exactly `line`, written at `since_block` or later.

        Uses the last read of the commitments if it has the line; otherwise waits for a read that begins after the call.
        """
        found = _commitment_of(self._commitments.last, hotkey)
        try:
            if not _matches(found, line, since_block):
                found = _commitment_of(await self._commitments.get(0.0), hotkey)
        except ChainError as error:
            log.warning("commitments cannot be read: %s", error)
            raise Problem("subnet-unknown", "the server cannot reach the chain to check the commitment") from error
        if not _matches(found, line, since_block):
            raise Problem("commitment-missing", _mismatch(found, hotkey, line, since_block))

    def _read_view(self) -> SubnetView:
        view = self._subnet.view(max_age_s=0.0)
        self._on_view(view)
        return view

    async def _read_beacon(self, view: SubnetView) -> None:
        number = beacon_block(view.block)
        if self._basis is None or self._basis.beacon.block != number:
            read = partial(self._subnet.block_hash, number)
            beacon = Beacon(number, await asyncio.get_running_loop().run_in_executor(self._pool, read))
        else:
            beacon = self._basis.beacon
        self._basis = LeaseBasis(view.block, beacon)

    async def _refresh_forever(self) -> None:
        while True:
            try:
                await self._read_beacon(await self._views.get(0.0))
            except ChainError as error:
                log.warning("the subnet cannot be read: %s", error)
            except Exception:
                log.exception("the subnet cannot be read")
            self._first_read_done.set()
            await asyncio.sleep(min(max(REFRESH_BLOCKS * self.block_time_s, MIN_REFRESH_S), MAX_REFRESH_S))


def _commitment_of(commitments: Commitments | None, hotkey: str) -> ChainCommitment | None:
    return next((one for one in commitments or () if one.hotkey == hotkey), None)


def _matches(found: ChainCommitment | None, line: str, since_block: int) -> bool:
    return found is not None and found.commitment == decode(line) and found.block >= since_block


def _mismatch(found: ChainCommitment | None, hotkey: str, line: str, since_block: int) -> str:
    if found is None:
        return f"hotkey {hotkey} has no commitment on the chain; expected {line}"
    if found.commitment != decode(line):
        return f"hotkey {hotkey} has another commitment on the chain, of block {found.block}; expected {line}"
    return f"the commitment is of block {found.block}, older than the lease at block {since_block}"
