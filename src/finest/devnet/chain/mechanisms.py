"""A subnet's mechanisms: each has its own weights, bonds and incentive, and a share of the subnet's emission.

The chain keeps what belongs to mechanism `m` of a subnet under the number `m x 4096 + netuid`; mechanism 0 therefore
has the subnet's own number. Stakes, permits and neurons belong to all mechanisms.
"""

from __future__ import annotations

from collections.abc import Sequence

from finest.devnet.chain.fixed_point import U16_MAX

STEP = 4096
"""The runtime's GLOBAL_MAX_SUBNET_COUNT: no netuid is as high."""


def storage_index(netuid: int, mechanism: int) -> int:
    """Return the number under which the chain keeps a mechanism's weights, bonds and incentive."""
    return mechanism * STEP + netuid


def split_emission(rao: int, count: int, split: Sequence[int] | None) -> list[int]:
    """Divide an emission among `count` mechanisms: evenly, or as `split` says in parts of 65,535.

    Mechanism 0 gets what rounding leaves over (`split_emissions` of the runtime).
    """
    shares = [rao * part // U16_MAX for part in split] if split else [rao // count] * count
    shares = (shares + [0] * count)[:count]
    shares[0] += rao - sum(shares)
    return shares
