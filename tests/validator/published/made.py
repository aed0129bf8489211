"""Records and batches of a validator with a real key."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("bittensor")

from bittensor.keyfiles import Keypair

from finest.validator.audit import inadmissible
from finest.validator.evidence import sign
from finest.validator.models import Assignment, Beacon, Check, Evidence, Plan, Subject, Submission
from finest.validator.seed import make_seed

SHA = "0123456789abcdef0123456789abcdef01234567"
HASH = "0x" + "5e" * 32


class Key:
    """A hotkey made from a name."""

    def __init__(self, name: str = "Alice") -> None:
        self._pair = Keypair.create_from_uri(f"//{name}")
        self.address: str = self._pair.ss58_address

    def sign(self, message: bytes) -> bytes:
        return bytes(self._pair.sign(message))


def subject(key: Key, number: int = 1, **task: Any) -> Subject:
    """A task that was finished at block 152, as a validator sees it."""
    line = f"fd1:alice/web@{SHA}#{number:064x}"
    told = Submission(repo="alice/web", revision=SHA, line=line, hotkey="5A", committed_block=150)
    values = {"warcs": ("s3://commoncrawl/crawl-data/a",), "id": f"t{number}", "hotkey": "5A", "closed_block": 152}
    return Subject(
        submission=told, task=Assignment(**(values | task)), seed=make_seed(HASH, line, key.address),
        validator=key.address, beacon=Beacon(block=157, hash=HASH),
    )  # fmt: skip


def record(key: Key, number: int = 1, **changes: Any) -> Evidence:
    """A signed record of a fail."""
    found = inadmissible(subject(key, number), Plan(), Check(name="manifest", outcome="fail", detail="so"))
    return sign(found.model_copy(update=changes), key)  # type: ignore[arg-type]
