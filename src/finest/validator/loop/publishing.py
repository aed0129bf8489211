"""Publishing: the evidence of verdicts that may be told goes to the Hub before they are reported.

So a report names the place of its evidence, and the task server's public log holds the Merkle root. If the Hub is away
for an hour, verdicts are reported without a place, and again with it once they are published.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.errors import FinestError, UsageError
from finest.formatting import counted
from finest.validator.evidence import evidence_hash, read_evidence
from finest.validator.published.batch import MAX_BATCH_BYTES, Batch, make_batch, member_of
from finest.validator.published.publish import publish_batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.chain.wallet import Hotkey
    from finest.validator.loop.batches import Batches, JudgedLine, OpenBatch
    from finest.validator.models import Evidence
    from finest.validator.published.batch import Place

EVERY_S = 600.0
"""Least time between two batches where nothing is hidden; with commit-reveal there is one after each reveal, about 20 a
day. The Hub allows 128 commits an hour."""
HOLD_S = 3600.0
"""How long reports wait for a Hub that does not take the evidence."""
RETRY_S = 60.0


class Publishing:
    """Publishes the evidence of one validator in one repository."""

    def __init__(
        self, batches: Batches, hotkey: Hotkey, repo: str, work: Path, evidence_file: Callable[[str, str], Path],
        say: Callable[[str], None], *, publish: Callable[..., Place] = publish_batch,
    ) -> None:  # fmt: skip
        self._batches, self._hotkey, self._repo, self._work = batches, hotkey, repo, work
        self._evidence_file, self._say, self._publish = evidence_file, say, publish
        self._next_s = 0.0
        """When the next batch may be published, on the monotonic clock."""
        self._failing_since_s: float | None = None

    def round(self, until_block: int | None, *, now: bool = False) -> None:
        """Publish the verdicts up to a block (None: all), at most a batch every EVERY_S unless `now`. Never raises."""
        now_s = time.monotonic()
        if now_s < self._next_s and not now:
            return
        try:
            while (batch := self._batches.begin(until_block)) is not None:
                self._publish_one(batch)
        except FinestError as error:
            if self._failing_since_s is None:
                self._failing_since_s = now_s
            self._say(f"The evidence is not published: {error}; again in {RETRY_S:.0f} s")
            self._next_s = now_s + RETRY_S
        else:
            self._failing_since_s, self._next_s = None, now_s + EVERY_S

    @property
    def holds_back(self) -> bool:
        """Whether a verdict without a published record still waits for it."""
        return self._failing_since_s is None or time.monotonic() - self._failing_since_s < HOLD_S

    def _publish_one(self, batch: OpenBatch) -> None:
        records, stored = [], 0
        for line in batch.lines:
            record, size = self._record(line)
            if record is None:
                self._batches.leave_out(line)
            elif stored + size > MAX_BATCH_BYTES:
                self._batches.put_back(line)
            else:
                records.append(record)
                stored += size
        if not records:
            self._batches.drop(batch)
            return
        made, data = make_batch(records, self._hotkey, batch.number, batch.previous, batch.spot_checks)
        kept = self._work / "publishing" / f"{batch.number}.json"
        made = _kept(kept, made)
        place = self._publish(made, data, self._repo, self._work / "publishing", self._say)
        self._batches.published(batch, made.root, str(place))
        kept.unlink()
        self._say(f"Evidence of {counted(len(records), 'verdict')} is published: {place}")

    def _record(self, line: JudgedLine) -> tuple[Evidence | None, int]:
        """Return a line's record and its stored size; None if it is gone, changed or too large."""
        try:
            found = read_evidence(self._evidence_file(line.hotkey, line.line))
            size = len(member_of(found))
        except UsageError as error:
            self._say(f"No evidence is published of {line.line[:80]}: {error}")
            return None, 0
        return (found, size) if evidence_hash(found) == line.evidence_sha256 else (None, 0)


def _kept(path: Path, made: Batch) -> Batch:
    """Return the manifest that an interrupted publish of the same batch signed, or keep this one.

    A hotkey signs differently each time, and only the same manifest is found on the Hub.
    """
    try:
        before = Batch.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        before = None
    if before is not None and before.digest() == made.digest():
        return before
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, made.to_json())
    return made
