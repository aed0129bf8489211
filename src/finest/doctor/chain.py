"""The key, the chain, the seat on the subnet, and room for the repository's name in a commitment."""

from __future__ import annotations

import time

from finest.chain.options import ChainOptions
from finest.doctor.check import Finding, failure, ok, skipped, warning
from finest.doctor.subject import Subject
from finest.errors import ChainError, FinestError, HubError, UsageError

BLOCKS_WAITED = 3
"""Blocks' time in which a chain that moves makes one: a slot may stay empty, three in a row hardly."""
LEAST_WAIT_S, LONGEST_WAIT_S = 5.0, 40.0
_POLL_S = 1.0
_INSTALL = "pip install 'finest-data[subnet]'"


def client(_: Subject) -> Finding:
    """The chain's client can be imported."""
    try:
        import bittensor

        import finest.chain.subnet  # noqa: F401
    except ImportError as error:
        return failure(f"no chain client: {error.name or 'bittensor'} is not installed", _INSTALL)
    return ok(f"bittensor {bittensor.__version__}")


def wallet(subject: Subject) -> Finding:
    """The hotkey is there and opens unattended."""
    from finest.chain.wallet import open_hotkey

    try:
        hotkey = open_hotkey(subject.chain_options)
    except ChainError as error:
        line, mend = cut(error)
        return failure(line, mend)
    options = subject.chain_options
    return ok(f"hotkey {options.wallet_hotkey!r} of wallet {options.wallet_name!r}: {hotkey.address}")


def chain(subject: Subject) -> Finding:
    """The chain answers, knows the subnet, and makes blocks."""
    target, netuid = subject.chain_options.target, subject.chain_options.netuid
    try:
        view = subject.view()
        newer = _next_block(subject, view.block, view.block_time_s)
    except ChainError as error:
        line, _, mend = str(error).rpartition(": ")
        return failure(line or str(error), mend or "check --subtensor.network and --netuid")
    line = f"{target}, subnet {netuid}, block {view.block:,}, {len(view.neurons)} neurons"
    if newer is None:
        return warning(
            f"{line}; no new block in {view.age_s:.0f} s", "name another endpoint: --subtensor.chain_endpoint"
        )
    return ok(line)


def _next_block(subject: Subject, block: int, block_time_s: float) -> int | None:
    """The number of a newer block than `block`; None if none comes for long enough."""
    end = time.monotonic() + max(LEAST_WAIT_S, min(LONGEST_WAIT_S, BLOCKS_WAITED * block_time_s))
    while time.monotonic() < end:
        newest = subject.chain().block()
        if newest > block:
            return newest
        time.sleep(min(_POLL_S, block_time_s / 2))
    return None


def registration(subject: Subject) -> Finding:
    """The hotkey holds a seat on the subnet."""
    from finest.chain.submission import not_registered

    address, view = subject.chain().hotkey.address, subject.view()
    neuron = view.neuron(address)
    if neuron is None:
        line, mend = cut(not_registered(address, subject.chain_options))
        path = subject.chain_options.wallet_path
        return failure(line, mend if path == ChainOptions().wallet_path else f"{mend} --wallet-path {path}")
    age = view.block - neuron.registration_block
    return ok(f"uid {neuron.uid} on subnet {view.netuid} since block {neuron.registration_block:,} ({age:,} blocks)")


def commitment(subject: Subject) -> Finding:
    """The repository's name leaves room for the root in a commitment."""
    from finest.chain.payload import LIMIT_BYTES, ROOT_DIGITS, decode, encode

    if not subject.repo:
        return skipped("no repository named", "finest doctor --hf_repo NAME")
    try:
        repo = subject.full_repo()
    except HubError:
        return skipped("needs hub-token to know the owner", "finest doctor --hf_repo OWNER/NAME")
    try:
        line = encode(repo, "0" * 40, "0" * ROOT_DIGITS)
    except UsageError as error:
        return failure(str(error), "choose a shorter name: --hf_repo NAME")
    said = decode(line)
    digits = len(said.root) if said else 0
    return ok(f"{repo}: {len(line)} of {LIMIT_BYTES} bytes, {digits * 4} bits of the root")


def cut(error: FinestError) -> tuple[str, str]:
    """A message of the house, "what is wrong; what to do: COMMAND", as its two halves."""
    line, _, rest = str(error).partition("; ")
    return line, rest.partition(": ")[2] or rest
