"""The lines of the recipe competition on the chain: a sealed submission, and later its opening.

    fdr1:<track>#<seal, 64 hex digits>
    fdo1:<repository>@<revision, 40 hex digits>#<salt, 24 hex digits>

The seal is a sha256 over the hotkey, the track, the digest of the submission's files and a salt of 96 bits. It tells
nobody anything and binds its owner; the hotkey in it makes a copied seal worthless. Openings come after the last seal
and before the block that draws the pages: nobody can submit what they have seen, and leaving a seal closed gains
nothing.

The chain has time-locked commitments too, which open by themselves. They would keep ten revealed texts of a hotkey
without the block at which each was committed, so priority could not be read from the chain's state, and they depend on
drand. A record of a seal has its block.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bittensor as bt

from finest.chain.commitments import plain_text
from finest.chain.errors import ChainError
from finest.chain.view import read_view

SALT_DIGITS = 24
MAX_REPO = 50
"""Characters of `namespace/name`, as for datasets; the line then has at most 120 of the 128 bytes."""
_SEAL = re.compile(r"fdr1:([1-9][0-9]?)#([0-9a-f]{64})", re.ASCII)
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_OPENING = re.compile(rf"fdo1:({_NAME}/{_NAME})@([0-9a-f]{{40}})#([0-9a-f]{{{SALT_DIGITS}}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealed submission to a track."""

    track: int
    sha256: str

    @property
    def line(self) -> str:
        """The seal as it is written to the chain."""
        return f"fdr1:{self.track}#{self.sha256}"


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a sealed submission is, and its salt."""

    repo: str
    revision: str
    salt: str

    @property
    def line(self) -> str:
        """The opening as it is written to the chain."""
        return f"fdo1:{self.repo}@{self.revision}#{self.salt}"

    @property
    def place(self) -> str:
        """REPO@REVISION."""
        return f"{self.repo}@{self.revision}"


@dataclass(frozen=True, slots=True)
class Text:
    """The text that a registered hotkey has on the chain at some block."""

    hotkey: str
    coldkey: str
    block: int
    """The block in which it was written."""
    text: str


def new_salt() -> str:
    """Return a random salt."""
    return secrets.token_hex(SALT_DIGITS // 2)


def sealed(hotkey: str, track: int, digest: str, salt: str) -> Seal:
    """Return the seal of a submission with this digest."""
    told = f"finest-contest/1\n{hotkey}\n{track}\n{digest}\n{salt}"
    return Seal(track, hashlib.sha256(told.encode()).hexdigest())


def decode_seal(text: object) -> Seal | None:
    """Parse a seal; None for any other text. Never raises."""
    found = _SEAL.fullmatch(text) if isinstance(text, str) else None
    return Seal(int(found[1]), found[2]) if found else None


def decode_opening(text: object) -> Opening | None:
    """Parse an opening; None for any other text. Never raises."""
    found = _OPENING.fullmatch(text) if isinstance(text, str) else None
    return Opening(*found.groups()) if found and len(found[1]) <= MAX_REPO else None


async def read_texts(client: bt.Client, netuid: int, block: int) -> Mapping[str, Text]:
    """Return the texts of all registered hotkeys as they stood at a final block, by hotkey.

    Raises ChainError for a block that is not final yet. Nodes keep the last 256 blocks; archive nodes keep all.
    """
    final = await client.finalized_block()
    if not 0 <= block <= final:
        raise ChainError(f"block {block} is not final yet; the newest final block is {final}")
    snapshot = await client.at(block)
    view, records = await asyncio.gather(
        read_view(client, netuid, snapshot), snapshot.query_map(("Commitments", "CommitmentOf"), [netuid])
    )
    found = {}
    for hotkey, record in records:
        neuron = view.neuron(hotkey) if isinstance(hotkey, str) else None
        text = plain_text(record)[0]
        written: Any = record.get("block") if isinstance(record, dict) else None
        if neuron and text is not None and isinstance(written, int) and written >= neuron.registration_block:
            found[hotkey] = Text(hotkey, neuron.coldkey, written, text)
    return found
