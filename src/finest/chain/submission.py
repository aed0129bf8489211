"""One write to the chain, over all its tries: its fate is always known, and it is not sent again before it could land.

A submitted extrinsic whose answer is lost may be in the pool, in a block, or nowhere. `Lost` then makes the connection
run the work again; `settle` waits until the earlier one has had its chance, and the work looks on the chain whether it
is done before it sends anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import bittensor as bt
from bittensor.error_map import ErrorCode
from bittensor.result import ChainError as SdkChainError
from bittensor.result import ExtrinsicResult

from finest.chain.connection import Lost
from finest.chain.errors import BudgetExceeded, ChainError, NoPermit, NotRegistered, RateLimited
from finest.chain.options import ChainOptions

INCLUSION_BLOCKS = 2
"""A valid extrinsic is in the next block or the one after, unless the blocks are full."""
_POLL_S = 0.5
_UNKNOWN_OUTCOME = frozenset({
    "AlreadyImported", "AncientBirthBlock", "Dropped", "FinalityTimeout", "Future", "Invalid", "PriorityTooLow",
    "Retracted", "Stale", "Usurped",
})  # fmt: skip
"""What a pool says of a nonce race, of its own reshuffling, or of an extrinsic that it has already."""
_NOT_REGISTERED = frozenset({"AccountNotAllowedCommit", "HotKeyNotRegisteredInSubNet", "HotKeyNotRegisteredInNetwork"})
_NO_PERMIT = frozenset({"NeuronNoValidatorPermit", "NotEnoughStakeToSetWeights", "StakeAmountTooLow"})


class ExtrinsicRejected(Exception):
    """The chain's own no, as the SDK has it."""

    def __init__(self, error: SdkChainError) -> None:
        super().__init__(str(error))
        self.error = error


class Submission:
    """A write and when it was last sent."""

    def __init__(self) -> None:
        self.sent_at_block: int | None = None

    async def wait_for_inclusion(self, client: bt.Client) -> None:
        """After a lost try: wait until it would be in a block."""
        if self.sent_at_block is None:
            return
        while await client.block() < self.sent_at_block + INCLUSION_BLOCKS:  # noqa: ASYNC110 - another machine's clock
            await asyncio.sleep(_POLL_S)

    async def send(self, client: bt.Client, submit: Callable[[], Awaitable[ExtrinsicResult]]) -> ExtrinsicResult:
        """Send it and wait for its block; raises Refused for the chain's no, Lost where its fate is unknown."""
        try:
            self.sent_at_block = await client.block()
            result = await submit()
        except SdkChainError as error:
            raise _classify(error) from error
        if not result.success:
            raise _classify(result.error or SdkChainError(result.message))
        return result


def _classify(error: SdkChainError) -> ExtrinsicRejected | Lost:
    if error.name in _UNKNOWN_OUTCOME or (error.name is None and error.code is ErrorCode.UNKNOWN):
        return Lost(f"a write was sent and its answer lost: {error}")
    return ExtrinsicRejected(error)


def explain(
    rejected: ExtrinsicRejected, what: str, address: str, options: ChainOptions, wait_blocks: int
) -> ChainError:
    """The chain's no in our words; `wait_blocks` is when to try again, should it be a matter of time."""
    error = rejected.error
    if error.name in _NOT_REGISTERED or error.code is ErrorCode.NOT_REGISTERED:
        return not_registered(address, options)
    if error.name == "SpaceLimitExceeded":
        return budget_exceeded(address, options, wait_blocks)
    if error.name in _NO_PERMIT:
        return no_permit(address, options, f" ({error.name})")
    if error.code is ErrorCode.RATE_LIMITED:
        return RateLimited(f"{what} too early; try again in {wait_blocks} blocks", wait_blocks)
    return ChainError(f"the chain refused {what}: {error.name or error.code.value}: {error}: {error.remediation}")


def not_registered(address: str, options: ChainOptions) -> NotRegistered:
    """Says how to take a seat."""
    return NotRegistered(
        f"hotkey {address} is not registered on subnet {options.netuid} of {options.target}; register it: "
        f"btcli subnets register --netuid {options.netuid} --network {options.target} "
        f"{options.btcli_wallet}"
    )


def budget_exceeded(address: str, options: ChainOptions, wait_blocks: int) -> BudgetExceeded:
    """Says when the next epoch brings new bytes."""
    return BudgetExceeded(
        f"hotkey {address} has used up its bytes for commitments in this epoch of subnet {options.netuid}; "
        f"try again in {wait_blocks} blocks",
        wait_blocks,
    )


def no_permit(address: str, options: ChainOptions, why: str = "") -> NoPermit:
    """Says what a validator needs."""
    return NoPermit(
        f"hotkey {address} may not set weights on subnet {options.netuid}{why}: it needs a validator permit, which "
        "goes to the highest stakes once an epoch; stake more: "
        f"btcli stake add --netuid {options.netuid} --network {options.target} --hotkey {address}"
    )
