"""Who may do what: seats, permits and stake from a view of the subnet that is refreshed behind the requests' backs,
and whether a commitment stands on the chain.

No request waits for the chain to be told who somebody is, except one by a hotkey that has no seat yet: it may have got
one since the last look. When the view is too old nobody may do anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from finest.chain.errors import ChainError
from finest.chain.payload import decode
from finest.tasks.problems import Problem
from finest.tasks.shared_read import Fresh

if TYPE_CHECKING:
    from finest.chain.commitments import ChainCommitment, Commitments
    from finest.chain.view import SubnetView
    from finest.tasks.models import Rules

log = logging.getLogger(__name__)

TOO_OLD_S = 600.0
"""A public endpoint that restarts or rations is back within minutes, and permits change once an epoch (360 blocks, over
an hour): ten minutes ride out the first, and are no time for the second."""
LOOK_BLOCKS = 5
"""The view is read again every five blocks (a minute on the main network): public endpoints ration."""
SHORTEST_LOOK_S, LONGEST_LOOK_S = 1.0, 60.0
ANEW_S = 12.0
"""For a hotkey without a seat the view is read again, at most once a block, and at the least so often."""
LINES_EVERY_S = 3.0
"""Commitments are read at most every 3 s, a quarter of a block, however many miners finish."""
_FIRST_LOOK_S = 5.0


class Subnet(Protocol):
    """What is asked of the chain: finest.chain.subnet.Chain is one. Both calls block, and raise ChainError."""

    def view(self, *, fresh_s: float | None = None) -> SubnetView: ...
    def commitments(self) -> Commitments: ...


class Authority:
    """Rights by hotkey, and the chain's block by this server's reckoning."""

    def __init__(self, subnet: Subnet, rules: Rules, *, too_old_s: float = TOO_OLD_S) -> None:
        self._rules, self._too_old_s = rules, too_old_s
        self._pool = ThreadPoolExecutor(2, "finest-authority")
        self._views: Fresh[SubnetView] = Fresh(partial(subnet.view, fresh_s=0.0), self._pool, SHORTEST_LOOK_S)
        self._lines: Fresh[Commitments] = Fresh(subnet.commitments, self._pool, LINES_EVERY_S)
        self._watch: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    async def open(self) -> None:
        """Begin to look, and give the first look a moment; a chain that is away does not keep the server from it."""
        self._watch = asyncio.create_task(self._look_on())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._looked.wait(), _FIRST_LOOK_S)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def view(self) -> SubnetView | None:
        """The last view, however old; None while there has never been one."""
        return self._views.last

    @property
    def age_s(self) -> float | None:
        """How old the view is."""
        return self.view.age_s if self.view else None

    @property
    def block(self) -> int:
        """The chain's block now, by the view and its age. Raises Problem while there is none.

        It stands still when the view is too old: a lease does not end by a clock that nobody can renew it by. It may go
        back by a few blocks, as it does between two server processes.
        """
        view = self.view
        if view is None:
            raise Problem("subnet-unknown", "the server has not reached the chain yet")
        return view.block + int(min(view.age_s, self._too_old_s) / view.block_time_s)

    @property
    def seen_block(self) -> int:
        """The newest block that was really seen: `block` runs ahead of the chain where that pauses."""
        return self.check_age().block

    @property
    def block_time_s(self) -> float:
        """Seconds between blocks; the main network's 12 while nothing is known."""
        return self.view.block_time_s if self.view else 12.0

    def check_age(self) -> SubnetView:
        """The view, if it is young enough to decide by; raises Problem(subnet-unknown)."""
        view = self.view
        if view is None or view.age_s > self._too_old_s:
            age = "has never been read" if view is None else f"is {view.age_s:.0f} s old"
            raise Problem("subnet-unknown", f"the server's view of the subnet {age}; the chain is out of its reach")
        return view

    def check_miner(self, hotkey: str) -> None:
        """Raises Problem unless the hotkey has a seat."""
        view = self.check_age()
        if view.neuron(hotkey) is None:
            raise Problem(
                "not-registered",
                f"hotkey {hotkey} has no seat on subnet {view.netuid} at block {view.block}; "
                f"register it: btcli subnets register --netuid {view.netuid}",
            )

    def check_validator(self, hotkey: str) -> None:
        """Raises Problem unless the hotkey has a seat, the permit and the stake."""
        self.check_miner(hotkey)
        neuron = self.check_age().neuron(hotkey)
        if neuron is None or not neuron.validator_permit:
            raise Problem("not-a-validator", f"hotkey {hotkey} has no validator permit")
        if neuron.stake_alpha <= 0:
            # Where permits outnumber those who stake, seats without stake have one, too, and cost next to nothing.
            raise Problem("not-a-validator", f"hotkey {hotkey} has a validator permit, but no stake")
        if neuron.stake_alpha < self._rules.min_validator_stake:
            raise Problem(
                "not-a-validator",
                f"hotkey {hotkey} has {neuron.stake_alpha:.3f} alpha of stake weight; "
                f"{self._rules.min_validator_stake:g} are asked for",
            )

    async def look_again(self) -> bool:
        """Whether there is a newer view by now, for somebody who has no seat in this one; waits up to a block for it.

        A miner that was registered a moment ago is not sent away, and strangers cost the chain one read a block.
        """
        asked_s, before = time.monotonic(), self.view
        if before is None:
            return False
        await asyncio.sleep(max(0.0, min(before.block_time_s, ANEW_S) - before.age_s))
        with suppress(ChainError):
            return await self._views.get(time.monotonic() - asked_s) is not before
        return False

    async def check_commitment(self, hotkey: str, line: str, since_block: int) -> None:
        """Raises Problem unless exactly `line` stands under the hotkey, written at `since_block` or later.

        The last read is believed when it has the line; else one is waited for that began after the call.
        """
        found = _find(self._lines.last, hotkey)
        try:
            if not _is(found, line, since_block):
                found = _find(await self._lines.get(0.0), hotkey)
        except ChainError as error:
            log.warning("commitments cannot be read: %s", error)
            raise Problem("subnet-unknown", "the chain is out of reach: no commitment can be seen") from error
        if not _is(found, line, since_block):
            raise Problem("commitment-missing", _why(found, hotkey, line, since_block))

    async def _look_on(self) -> None:
        while True:
            try:
                await self._views.get(0.0)
            except ChainError as error:
                log.warning("the subnet cannot be read: %s", error)
            except Exception:
                log.exception("the subnet cannot be read")
            self._looked.set()
            await asyncio.sleep(min(max(LOOK_BLOCKS * self.block_time_s, SHORTEST_LOOK_S), LONGEST_LOOK_S))


def _find(lines: Commitments | None, hotkey: str) -> ChainCommitment | None:
    return next((one for one in lines or () if one.hotkey == hotkey), None)


def _is(found: ChainCommitment | None, line: str, since_block: int) -> bool:
    return found is not None and found.commitment == decode(line) and found.block >= since_block


def _why(found: ChainCommitment | None, hotkey: str, line: str, since_block: int) -> str:
    if found is None:
        return f"no commitment of hotkey {hotkey} is on the chain; {line} is expected"
    if found.commitment != decode(line):
        return f"the chain has another commitment of hotkey {hotkey}, of block {found.block}; {line} is expected"
    return f"the commitment is of block {found.block}, from before the lease at block {since_block}"
