"""The other validators of a task: who is drawn to judge it, and what each kind of validator reports.

The draw, the agreement, the spot checks and the distrust are the product's own (finest.validator.loop.committee).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.subnet.outcomes import TOKENS_A_WARC, audit
from bench.subnet.settings import TEMPO
from bench.subnet.task import Committed, sha
from finest.tasks.models import Score
from finest.validator.loop.committee import committee
from finest.validator.score import score

REPORT_BLOCKS = 2 * TEMPO
"""Blocks from a commitment to the report of an honest member: its verdict, and weights that are revealed."""
UNREAD_SCORE = 0.9
"""What a validator reports that has read nothing: the score of an honest task that took no time."""


@dataclass(slots=True)
class Panel:
    """All validators with their kinds and stakes, and what they have reported."""

    kinds: Mapping[str, str]
    """Kind by name."""
    stakes: Mapping[str, float]
    friends: str
    """The strategy of the miners whom colluding validators favour."""
    _reports: dict[tuple[str, str], Score | None] = field(default_factory=dict)
    _members: dict[str, list[str]] = field(default_factory=dict)

    def members(self, committed: Committed) -> list[str]:
        """Return the validators that are drawn for a line."""
        if committed.line not in self._members:
            self._members[committed.line] = committee(committed.beacon.hash, committed.line, self.stakes)
        return self._members[committed.line]

    def reports(self, committed: Committed, members: Sequence[str], block: int) -> list[Score]:
        """Return what these validators have reported by a block on a task that was drawn."""
        if block < committed.block + REPORT_BLOCKS:
            return []
        found = []
        for name in members:
            key = (name, committed.line)
            if key not in self._reports:
                self._reports[key] = self._report(name, committed)
            report = self._reports[key]
            if report is not None:
                found.append(report)
        return found

    def _report(self, name: str, committed: Committed) -> Score | None:
        kind, warcs = self.kinds[name], len(committed.task.warcs)
        is_friend = committed.strategy == self.friends
        if kind == "lazy" or (kind == "colluding" and is_friend):
            return _score(name, "pass", UNREAD_SCORE, TOKENS_A_WARC * warcs, committed)
        if kind == "colluding":
            return _score(name, "fail", 0.0, 0, committed)
        seed = sha(f"{name} {committed.line}")
        if kind != "honest":
            return None  # a copier of weights judges nothing, and a slow one is too late
        found = audit(committed.job.delivery, warcs, *committed.blocks, random.Random(seed))
        if found.verdict == "fail":
            return _score(name, "fail", 0.0, 0, committed)
        return _score(name, "pass", score(found.measured).total, found.measured.verified_tokens, committed)


def _score(name: str, verdict: str, total: float, tokens: int, committed: Committed) -> Score:
    values = {"validator": name, "verdict": verdict, "score": total, "tokens": tokens, "block": committed.block}
    return Score.model_validate(values)
