"""Commitments on the chain: read all lines of a subnet's miners at once, and write one's own line.

The records on the chain are untrusted. A record that is not a valid line is skipped and counted under its reason, and
it cannot make the read of the others fail.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import bittensor as bt
from bittensor.snapshot import Snapshot

from finest.chain.errors import ChainError
from finest.chain.options import ChainOptions
from finest.chain.payload import LIMIT_BYTES, Anchor, Commitment, decode, decode_anchor
from finest.chain.submission import ExtrinsicRejected, Submission, budget_exceeded, explain, not_registered
from finest.chain.view import SubnetView, read_view
from finest.chain.wallet import Hotkey

SkipReason = Literal[
    "unregistered",  # the hotkey has left the subnet, but its record remains
    "before_registration",  # written before the hotkey's current registration
    "malformed",  # not a record as the pallet writes it
    "not_one_field",  # no field, or several
    "not_plain",  # a hash, a time-locked text, a flag, or one above 128 bytes (BigRaw)
    "not_text",  # not UTF-8
    "foreign",  # text, but not a commitment line of Finest Data
]

_RECORDS = ("Commitments", "CommitmentOf")
_SUBNETS = "SubtensorModule"
_MIN_COST_BYTES = 100
"""The number of bytes that the commitments pallet charges for a shorter line."""


@dataclass(frozen=True, slots=True)
class ChainCommitment:
    """One valid commitment line on the chain: its hotkey, its block and its content."""

    hotkey: str
    uid: int
    block: int
    commitment: Commitment


@dataclass(frozen=True, slots=True)
class Commitments:
    """All valid lines of a subnet at one block, in uid order, and the number of skipped records by reason."""

    block: int
    lines: tuple[ChainCommitment, ...]
    skipped: Mapping[SkipReason, int]

    def __iter__(self) -> Iterator[ChainCommitment]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class CommitReceipt:
    """A line that is on the chain: its block, and whether this call had to send it."""

    line: str
    block: int
    sent: bool


async def read_commitments(client: bt.Client, netuid: int) -> tuple[SubnetView, Commitments]:
    """All lines and the neurons of the subnet, read at the same block."""
    snapshot = await client.at()
    view, records = await asyncio.gather(read_view(client, netuid, snapshot), snapshot.query_map(_RECORDS, [netuid]))
    return view, join(view, records)


def join(view: SubnetView, records: Iterable[tuple[Any, Any]]) -> Commitments:
    """Match records to the registered neurons of the view. Never raises, whatever the records contain."""
    skipped: Counter[SkipReason] = Counter()
    lines = []
    for hotkey, record in records:
        found = _parse_record(view, hotkey, record)
        if isinstance(found, ChainCommitment):
            lines.append(found)
        else:
            skipped[found] += 1
    return Commitments(view.block, tuple(sorted(lines, key=lambda line: line.uid)), dict(skipped))


def _parse_record(view: SubnetView, hotkey: object, record: object) -> ChainCommitment | SkipReason:
    neuron = view.neuron(hotkey) if isinstance(hotkey, str) else None
    if neuron is None:
        return "unregistered"
    block = record.get("block") if isinstance(record, dict) else None
    if not isinstance(block, int):
        return "malformed"
    if block < neuron.registration_block:
        return "before_registration"
    text, reason = plain_text(record)
    if text is None:
        return reason
    commitment = decode(text)
    return ChainCommitment(neuron.hotkey, neuron.uid, block, commitment) if commitment else "foreign"


def plain_text(record: object) -> tuple[str | None, SkipReason]:
    """The text of a record's only field, or None and the reason to skip it.

    Reads the field itself, because the SDK's `value` renders other kinds of field as text too.
    """
    info = record.get("info") if isinstance(record, dict) else None
    fields = info.get("fields") if isinstance(info, dict) else None
    if not isinstance(fields, (list, tuple)):
        return None, "malformed"
    if len(fields) != 1:
        return None, "not_one_field"
    field = fields[0]
    if not isinstance(field, dict) or len(field) != 1:
        return None, "not_plain"
    kind, value = next(iter(field.items()))
    if not (isinstance(kind, str) and kind.startswith("Raw") and isinstance(value, str)):
        return None, "not_plain"
    return _decode_hex(value)


def _decode_hex(value: str) -> tuple[str | None, SkipReason]:
    if len(value) > 2 + 2 * LIMIT_BYTES:
        return None, "not_plain"
    try:
        data = bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        return None, "malformed"
    try:
        return data.decode(), "not_text"
    except UnicodeDecodeError:
        return None, "not_text"


async def commit_line(
    client: bt.Client, options: ChainOptions, hotkey: Hotkey, line: str, submission: Submission
) -> CommitReceipt:
    """Commit `line` under the hotkey: send it unless it is on the chain already, wait for its block, read it back."""
    await submission.wait_for_inclusion(client)
    snapshot = await client.at()
    view, record = await asyncio.gather(
        read_view(client, options.netuid, snapshot), _own_record(snapshot, options.netuid, hotkey.address)
    )
    neuron = view.neuron(hotkey.address)
    if neuron is None:
        raise not_registered(hotkey.address, options)
    if record and plain_text(record)[0] == line and record["block"] >= neuron.registration_block:
        return CommitReceipt(line, record["block"], sent=submission.sent_at_block is not None)
    wait_blocks = await _check_budget(snapshot, hotkey.address, options, line)
    submit = partial(
        client.submit_call, _call(options.netuid, line), hotkey.signer, signer="hotkey", wait_for_finalization=False
    )
    try:
        await submission.send(client, submit)
    except ExtrinsicRejected as rejected:
        raise explain(rejected, "the commitment", hotkey.address, options, wait_blocks) from rejected
    return await _read_back(client, options.netuid, hotkey.address, line)


async def read_anchor(client: bt.Client, netuid: int, hotkey: str) -> tuple[Anchor, int] | None:
    """The anchor that a task server's hotkey committed, and its block; None if it has committed none."""
    record = await _own_record(client, netuid, hotkey)
    anchor = decode_anchor(plain_text(record)[0]) if record else None
    return (anchor, int(record["block"])) if anchor else None


def _call(netuid: int, line: str) -> Any:
    data = line.encode()
    field = {f"Raw{len(data)}": f"0x{data.hex()}"}
    return bt.calls.Commitments.set_commitment(netuid=netuid, info={"fields": [[field]]})


async def _own_record(reader: bt.Client | Snapshot, netuid: int, hotkey: str) -> Any:
    return await reader.query(_RECORDS, [netuid, hotkey])


async def _read_back(client: bt.Client, netuid: int, hotkey: str, line: str) -> CommitReceipt:
    record = await _own_record(client, netuid, hotkey)
    text, _ = plain_text(record)
    if text != line:
        raise ChainError(
            f"the chain accepted the commitment of hotkey {hotkey} but now has another one: "
            "does a second process commit with the same hotkey? Stop it and run this again"
        )
    return CommitReceipt(line, int(record["block"]), sent=True)


async def _check_budget(snapshot: Snapshot, hotkey: str, options: ChainOptions, line: str) -> int:
    """Blocks until the next epoch; raises BudgetExceeded if the line exceeds the pallet's bytes for this epoch.

    Never returns more than a whole tempo, because an owner may trigger an epoch early and the chain may defer one.
    """
    netuid = [options.netuid]
    usage, limit, tempo, last, epoch = await asyncio.gather(
        snapshot.query(("Commitments", "UsedSpaceOf"), [*netuid, hotkey]),
        snapshot.query(("Commitments", "MaxSpace")),
        *(snapshot.query((_SUBNETS, item), netuid) for item in ("Tempo", "LastEpochBlock", "SubnetEpochIndex")),
    )
    left = int(last or 0) + int(tempo or 0) - snapshot.block
    wait_blocks = left if 0 < left <= int(tempo) else max(1, int(tempo))
    used = int(usage["used_space"]) if usage and usage["last_epoch"] == epoch else 0
    if used + max(len(line), _MIN_COST_BYTES) > int(limit):
        raise budget_exceeded(hotkey, options, wait_blocks)
    return wait_blocks
