"""Checks of the hotkey, the chain, the registration, the commitment's length and the right to set weights."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from finest.chain.options import ChainOptions
from finest.doctor.subject import VIEW_S, Subject
from finest.errors import ChainError, FinestError, HubError, UsageError
from finest.findings import Finding, failure, ok, skipped, warning
from finest.formatting import counted

if TYPE_CHECKING:
    from finest.chain.view import Neuron, SubnetView

BLOCKS_WAITED = 3
"""Block times to wait for a new block: a working chain may leave one slot empty, but hardly three in a row."""
LEAST_WAIT_S, LONGEST_WAIT_S = 5.0, 40.0
RAO = 10**9
"""Units of stake per token: the chain counts stake in 1e-9 of a token."""
_POLL_S = 1.0
_CONNECT_S = 5.0
_PORTS = {"ws": 80, "wss": 443}
_INSTALL = "pip install 'finest-data[subnet]'"


def client(_: Subject) -> Finding:
    """Check that the chain's client can be imported."""
    try:
        import bittensor

        import finest.chain.subnet  # noqa: F401
    except ImportError as error:
        return failure(f"no chain client: {error.name or 'bittensor'} is not installed", _INSTALL)
    return ok(f"bittensor {bittensor.__version__}")


def wallet(subject: Subject) -> Finding:
    """Check that the hotkey exists and opens without a password."""
    from finest.chain.wallet import open_hotkey

    try:
        hotkey = open_hotkey(subject.chain_options)
    except ChainError as error:
        line, mend = cut(error)
        return failure(line, mend)
    options = subject.chain_options
    return ok(f"hotkey {options.wallet_hotkey!r} of wallet {options.wallet_name!r}: {hotkey.address}")


def chain(subject: Subject) -> Finding:
    """Check that the chain answers, knows the subnet, and produces blocks."""
    target, netuid = subject.chain_options.target, subject.chain_options.netuid
    if is_refused(target):
        return failure(f"{target}: no server listens there", "start it, or name another: --subtensor.chain_endpoint")
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


def is_refused(target: str) -> bool:
    """Return whether the endpoint's port is closed; the chain client would keep retrying for half a minute."""
    parts = urlsplit(target)
    if parts.scheme not in _PORTS or not parts.hostname:
        return False  # it is the name of a network
    try:
        with socket.create_connection((parts.hostname, parts.port or _PORTS[parts.scheme]), timeout=_CONNECT_S):
            return False
    except ConnectionRefusedError:
        return True
    except (OSError, ValueError):
        return False  # the client reports it better


def _next_block(subject: Subject, block: int, block_time_s: float) -> int | None:
    """Wait for a block newer than `block` and return its number; None if there is none in time."""
    end = time.monotonic() + max(LEAST_WAIT_S, min(LONGEST_WAIT_S, BLOCKS_WAITED * block_time_s))
    while time.monotonic() < end:
        newest = subject.chain().block()
        if newest > block:
            return newest
        time.sleep(min(_POLL_S, block_time_s / 2))
    return None


def registration(subject: Subject) -> Finding:
    """Check that the hotkey is registered on the subnet."""
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
    """Check that the repository's name leaves room for the root in a commitment."""
    from finest.chain.payload import LIMIT_BYTES, ROOT_DIGITS, decode, encode

    if not subject.repo:
        return skipped("no repository named", "finest doctor --hf-repo NAME")
    try:
        repo = subject.full_repo()
    except HubError:
        return skipped("needs hub-token to know the owner", "finest doctor --hf-repo OWNER/NAME")
    try:
        line = encode(repo, "0" * 40, "0" * ROOT_DIGITS)
    except UsageError as error:
        return failure(str(error), "choose a shorter name: --hf-repo NAME")
    said = decode(line)
    digits = len(said.root) if said else 0
    return ok(f"{repo}: {len(line)} of {LIMIT_BYTES} bytes, {digits * 4} bits of the root")


def permit(subject: Subject) -> Finding:
    """Check that the hotkey may set weights: it holds a validator permit, or owns the subnet."""
    from finest.chain.submission import no_permit

    view, me = _seat(subject)
    permits = sorted((neuron.stake_alpha for neuron in view.neurons if neuron.validator_permit), reverse=True)
    stake = f"stake {me.stake_alpha:,.0f} alpha"
    if me.hotkey == view.owner_hotkey and not me.validator_permit:
        return ok(f"the subnet's owner, {stake}")
    if not me.validator_permit:
        mend = cut(no_permit(me.hotkey, subject.chain_options))[1]
        least = f"; {counted(len(permits), 'permit')}, from {permits[-1]:,.0f} up" if permits else ""
        return failure(f"no validator permit; {stake}{least}; permits are assigned once per epoch", mend)
    needed = _storage(subject, "StakeThreshold") / RAO
    if me.stake_alpha < needed:
        mend = cut(no_permit(me.hotkey, subject.chain_options))[1]
        return failure(f"{stake}; the subnet accepts weights from {needed:,.0f} up", mend)
    place = 1 + sum(stake_alpha > me.stake_alpha for stake_alpha in permits)
    return ok(f"validator permit, {stake}, number {place} of {len(permits)}")


def weights(subject: Subject) -> Finding:
    """Show when the hotkey last set weights, and when the subnet accepts weights again."""
    view, me = _seat(subject)
    every = _storage(subject, "WeightsSetRateLimit", view.netuid)
    rule = f"the subnet accepts them every {every:,} blocks, and applies them every {view.tempo_blocks:,}"
    if not me.last_update_block:
        return ok(f"none set yet; {rule}")
    age = max(0, view.block - me.last_update_block)
    since = me.last_update_block == me.registration_block  # the chain counts a registration as setting weights
    last = "none set since registration" if since else f"set {age:,} blocks ago"
    return ok(f"{last}, taken {f'in {every - age:,}' if age < every else 'now'}; {rule}")


def _seat(subject: Subject) -> tuple[SubnetView, Neuron]:
    view = subject.view()
    me = view.neuron(subject.chain().hotkey.address)
    assert me is not None, "these checks need registration"
    return view, me


def _storage(subject: Subject, item: str, *keys: int) -> int:
    """Read a number from the chain's storage; 0 if it is not set."""
    connection = subject.chain()._connection
    return int(connection.call(lambda client: client.query(("SubtensorModule", item), [*keys]), VIEW_S) or 0)


def cut(error: FinestError) -> tuple[str, str]:
    """Split one of our messages, "what is wrong; what to do: COMMAND", into the problem and the command."""
    line, _, rest = str(error).partition("; ")
    return line, rest.partition(": ")[2] or rest
