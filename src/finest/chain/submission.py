"""One write to the chain with all its retries: its outcome is always known, and no extrinsic is sent twice too early.

If the answer to a submitted extrinsic is lost, the extrinsic may be in the pool, in a block, or nowhere. `Lost` then
makes the connection run the work again. `wait_for_inclusion` waits until the earlier extrinsic could be in a block, and
the work checks on the chain whether it is done before it sends anything.
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
"""Blocks after which a valid extrinsic is included, unless the blocks are full: the next block or the one after."""
_POLL_S = 0.5
_UNKNOWN_OUTCOME = frozenset({
    "AlreadyImported", "AncientBirthBlock", "Dropped", "FinalityTimeout", "Future", "Invalid", "PriorityTooLow",
    "Retracted", "Stale", "Usurped",
})  # fmt: skip
"""Errors of the transaction pool that leave the outcome unknown: nonce races, its own reshuffling, and duplicates."""
_NOT_REGISTERED = frozenset({"AccountNotAllowedCommit", "HotKeyNotRegisteredInSubNet", "HotKeyNotRegisteredInNetwork"})
_NO_PERMIT = frozenset({"NeuronNoValidatorPermit", "NotEnoughStakeToSetWeights", "StakeAmountTooLow"})


class ExtrinsicRejected(Exception):
    """The chain rejected the extrinsic; `error` is the SDK's error."""

    def __init__(self, error: SdkChainError) -> None:
        super().__init__(str(error))
        self.error = error


class Submission:
    """One write to the chain, and the block at which it was last sent."""

    def __init__(self) -> None:
        self.sent_at_block: int | None = None

    async def wait_for_inclusion(self, client: bt.Client) -> None:
        """After a try whose answer was lost, wait until its extrinsic would be in a block."""
        if self.sent_at_block is None:
            return
        while await client.block() < self.sent_at_block + INCLUSION_BLOCKS:  # noqa: ASYNC110 - another machine's clock
            await asyncio.sleep(_POLL_S)

    async def send(self, client: bt.Client, submit: Callable[[], Awaitable[ExtrinsicResult]]) -> ExtrinsicResult:
        """Send it and wait for its block; raises ExtrinsicRejected, or Lost if the outcome is unknown."""
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
    """The rejection as a ChainError in plain words; `wait_blocks` is the wait to name if the call came too early."""
    error = rejected.error
    if error.name in _NOT_REGISTERED or error.code is ErrorCode.NOT_REGISTERED:
        return not_registered(address, options)
    if error.name == "SpaceLimitExceeded":
        return budget_exceeded(address, options, wait_blocks)
    if error.name in _NO_PERMIT:
        return no_permit(address, options, f" ({error.name})")
    if error.code is ErrorCode.RATE_LIMITED:
        return RateLimited(f"{what} came too early; try again in {wait_blocks} blocks", wait_blocks)
    return ChainError(f"the chain refused {what}: {error.name or error.code.value}: {error}: {error.remediation}")


def not_registered(address: str, options: ChainOptions) -> NotRegistered:
    """The error for an unregistered hotkey, with the command that registers it."""
    return NotRegistered(
        f"hotkey {address} is not registered on subnet {options.netuid} of {options.target}; register it: "
        f"btcli subnets register --netuid {options.netuid} --network {options.target} "
        f"{options.btcli_wallet}"
    )


def budget_exceeded(address: str, options: ChainOptions, wait_blocks: int) -> BudgetExceeded:
    """The error for a hotkey without bytes left for commitments; says when the next epoch begins."""
    return BudgetExceeded(
        f"hotkey {address} has used up its bytes for commitments in this epoch of subnet {options.netuid}; "
        f"try again in {wait_blocks} blocks",
        wait_blocks,
    )


def no_permit(address: str, options: ChainOptions, why: str = "") -> NoPermit:
    """The error for a hotkey that may not set weights; says what a validator needs."""
    return NoPermit(
        f"hotkey {address} may not set weights on subnet {options.netuid}{why}: it needs a validator permit, which "
        "goes to the highest stakes once an epoch; stake more: "
        f"btcli stake add --netuid {options.netuid} --network {options.target} --hotkey {address}"
    )
