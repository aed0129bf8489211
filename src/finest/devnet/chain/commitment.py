"""Measure the bytes of a commitment as the Commitments pallet does.

The chain reads the fields from the call's own bytes and stores them unchanged: decoding and re-encoding would alter
hostile texts, such as one that spells 0x-hex.
"""

from __future__ import annotations

from dataclasses import dataclass

from finest.devnet.chain.extrinsics import RpcError
from finest.devnet.chain.metadata import read_compact

INFO_AT = 4
"""Offset of `info` in `set_commitment`: after the two indices and the netuid (u16)."""
LEAST_BYTES = 100
"""Bytes of the budget that even the shortest commitment costs (pallet_commitments, `do_set_commitment`)."""
MAX_FIELDS = 3
MAX_BIG_RAW_BYTES, MAX_TIMELOCKED_BYTES = 512, 1024
_RAW_0, _RAW_128, _LAST_HASH = 1, 129, 133
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Commitment:
    """The measures of a commitment: its number of fields, their bytes and the drand rounds of the timelocked ones."""

    fields: int
    size_bytes: int
    reveal_rounds: tuple[int, ...]
    marked_failed: bool
    """Whether a field states that its reveal failed, which only the chain may write."""

    @property
    def cost_bytes(self) -> int:
        """Bytes that it takes from the hotkey's budget for the epoch."""
        return max(LEAST_BYTES, self.size_bytes)


def measure(info: bytes, tags: dict[str, int]) -> Commitment:
    """Measure a `CommitmentInfo`; `tags` are the variants of the runtime's `Data`.

    Raises RpcError if a field is longer than the runtime's types allow, because a node then fails to decode the call.
    """
    count, at = read_compact(info, 0)
    total, rounds, marked_failed = 0, [], False
    for _ in range(count):
        tag = info[at]
        at += 1
        if _RAW_0 <= tag <= _RAW_128:
            size, step = tag - _RAW_0, tag - _RAW_0
        elif _RAW_128 < tag <= _LAST_HASH:
            size, step = _HASH_BYTES, _HASH_BYTES
        elif tag in (tags["BigRaw"], tags["TimelockEncrypted"]):
            sealed = tag == tags["TimelockEncrypted"]
            size, prefix = read_compact(info, at)
            if size > (MAX_TIMELOCKED_BYTES if sealed else MAX_BIG_RAW_BYTES):
                raise RpcError(1002, "Verification Error: Runtime error: Execution failed: bad input")
            step = prefix + size
            if sealed:
                rounds.append(int.from_bytes(info[at + step : at + step + 8], "little"))
                step += 8
        else:
            size, step = 0, 0
            marked_failed |= tag == tags["TimelockRevealFailed"]
        total, at = total + size, at + step
    return Commitment(count, total, tuple(rounds), marked_failed)
