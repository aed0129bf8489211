"""Judge the next line of the queue. Any number of threads may do so in parallel."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finest.chain.payload import decode
from finest.dataset.hub import is_pinned
from finest.errors import TaskServerError
from finest.formatting import counted, duration, showable
from finest.validator.audit import inadmissible
from finest.validator.evidence import evidence_hash, is_dishonest, sign, write_evidence
from finest.validator.loop.assignment import RetryLater
from finest.validator.loop.committee import (
    ASK_BLOCKS,
    WAIT_BLOCKS,
    agreed,
    committee,
    differs,
    is_spot_check,
    stakes_of,
    suffice,
    usable,
)
from finest.validator.loop.lines import RecordedVerdict
from finest.validator.loop.queue import WHY_CHARS
from finest.validator.loop.sampling import capacity_of, draw
from finest.validator.loop.spot_checks import published_score
from finest.validator.loop.verdict import LINE_CHARS, run_spot_check, run_verdict
from finest.validator.loop.verdict_process import Job
from finest.validator.models import Check, Plan
from finest.validator.published.batch import SpotCheck
from finest.validator.published.spot_check import Reported
from finest.validator.subject import COMMON_CRAWL, place_of
from finest.warc.source import common_crawl_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from finest.chain.subnet import Chain
    from finest.settings import Settings
    from finest.tasks.models import Score, Task
    from finest.validator.loop.assignment import Assignments
    from finest.validator.loop.heldout import HeldOut
    from finest.validator.loop.lines import Entry
    from finest.validator.loop.options import ValidateOptions
    from finest.validator.loop.queue import Queue
    from finest.validator.models import Evidence, Subject
    from finest.validator.telemetry import Telemetry

IDLE_S = 5.0
COPY_WAIT_S = 5.0
"""Wait before a line is retried that may be a copy of one being judged: a verdict takes a minute or two."""
ERROR_WAIT_S = 60.0
"""Wait before a line is retried whose subject could not be read, because the task server or the chain may be down."""
LONG_MERGE_ROWS = 2_000_000
"""Rows of the datasets of a merge from which on its verdict takes clearly longer than the minute or two of others: 20
us of CPU each (`python -m bench.merges`)."""
NOTE_CHARS = 400


@dataclass(frozen=True, slots=True)
class _RunningVerdict:
    """A line that a thread is judging."""

    block: int
    warcs: frozenset[str] | None = None
    """None until the task server has named the WARCs."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """Other validators that judge a line, without those that this one distrusts; none if it judges the line itself."""

    members: frozenset[str] = frozenset()
    scores: tuple[Score, ...] = ()


class Judge:
    """Gives verdicts for one hotkey and keeps their evidence in one work folder."""

    def __init__(
        self, options: ValidateOptions, settings: Settings, chain: Chain, queue: Queue, assignments: Assignments,
        heldout: HeldOut, telemetry: Telemetry, stop: threading.Event, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options, self._settings, self._chain, self._queue = options, settings, chain, queue
        self._assignments, self._heldout, self._telemetry = assignments, heldout, telemetry
        self._stop, self._say = stop, say
        self._at_work: dict[int, _RunningVerdict] = {}
        self._choosing = threading.Lock()

    def next(self, *, apart: bool = False) -> float:
        """Judge the line that is due; return the seconds until there may be another. Raises errors of the look-ups.

        With `apart` it is a merge of more than LONG_MERGE_ROWS, without it any other line, so that none waits for the
        hour of such a verdict, however many there are.
        """
        with self._choosing:
            entry = self._queue.next(self._at_work, apart=apart)
            if entry is None:
                return IDLE_S
            self._at_work[entry.id] = _RunningVerdict(entry.block)
        try:
            self._give_verdict(entry)
        except Exception as error:
            self._queue.retry_later(
                entry, ERROR_WAIT_S, str(error)[:NOTE_CHARS], tried=False
            )  # the other lines do not wait for it
            raise
        finally:
            with self._choosing:
                del self._at_work[entry.id]
        return 0.0

    def _may_be_copy_of_running(self, entry: Entry, warcs: Collection[str]) -> bool:
        """Return whether an earlier line that may share WARCs is being judged: only its verdict reveals a copy."""
        with self._choosing:
            own = frozenset(warcs)
            self._at_work[entry.id] = _RunningVerdict(entry.block, own)
            return any(
                work.block < entry.block and (work.warcs is None or work.warcs & own) for work in self._at_work.values()
            )

    def _give_verdict(self, entry: Entry) -> None:
        found = self._assignments.subject(entry)
        if isinstance(found, RetryLater):
            wait_s = found.blocks * self._chain.view().block_time_s
            self._queue.retry_later(entry, wait_s, found.why, tried=False)
            return
        subject, task = found
        name = f"{subject.submission.repo}@{(subject.submission.revision or '')[:10]}"
        if task is None:
            check = Check(name="lease", outcome="no_evidence", detail="no task was finished with this line")
            self._record_verdict(entry, inadmissible(subject, self._options.plan, check), name, 0.0)
            return
        if not entry.apart and task.merge and task.merge.rows > LONG_MERGE_ROWS:
            self._queue.set_apart(entry)
            return
        if self._may_be_copy_of_running(entry, task.warcs):
            self._queue.retry_later(
                entry, COPY_WAIT_S, "an earlier line of the same WARCs is being judged", tried=False
            )
            return
        if not self._is_drawn(entry, subject):
            return
        panel = self._panel(subject, task)
        if self._is_adopted(entry, subject, panel):
            return
        self._say(f"Judging {name} of {entry.hotkey}: {task.contents}")
        done = run_verdict(
            self._job(subject, tuple(task.warcs)), self._stop, lambda line: self._say(f"  {name}: {line}")
        )
        if self._stop.is_set() and done.evidence is None:
            return  # it is judged when the validator starts again
        evidence = done.evidence
        if evidence is None or evidence.verdict == "no_evidence" or self._is_to_be_seen_twice(evidence, entry):
            if entry.tries < len(self._options.again_s):
                why = done.why if evidence is None else evidence.why
                wait_s = self._options.again_s[entry.tries]
                self._say(f"{name}: no verdict yet ({_line(why)}); again in {duration(wait_s)}")
                self._queue.retry_later(entry, wait_s, why, cpu_s=done.cpu_s)
                return
            if evidence is None:
                check = Check(name="audit", outcome="no_evidence", detail=done.why[:NOTE_CHARS])
                evidence = inadmissible(subject, self._options.plan, check)
        self._record_verdict(entry, evidence, name, done.cpu_s, seals=task.seal is not None)
        self._queue.compare({score.validator: differs(score, evidence) for score in panel.scores})

    def _panel(self, subject: Subject, task: Task) -> _Panel:
        """Return the validators that judge the line instead of this one, with what they have reported."""
        own, stakes = self._chain.hotkey.address, stakes_of(self._chain.view())
        if subject.beacon is None or own not in stakes:
            return _Panel()
        members = committee(subject.beacon.hash, subject.submission.line or "", stakes)
        if own in members:
            return _Panel()
        trusted = set(members) - self._queue.distrusted()
        return _Panel(frozenset(trusted), tuple(usable(task.scores, trusted)))

    def _is_adopted(self, entry: Entry, subject: Subject, panel: _Panel) -> bool:
        """Return whether this validator need not judge the line now; adopt the panel's verdict if it is complete."""
        if not panel.members:
            return False
        view = self._chain.view()
        has_waited = view.block > entry.block + WAIT_BLOCKS
        if has_waited and not suffice(panel.scores, panel.members):
            return False
        if len(panel.scores) < len(panel.members) and not has_waited:
            why = f"{len(panel.scores)} of {len(panel.members)} validators have judged it"
            self._queue.retry_later(entry, ASK_BLOCKS * view.block_time_s, why, tried=False)
            return True
        found, cpu_s = agreed(panel.scores), 0.0
        if found is None:
            return False
        if is_spot_check(subject.seed):
            holds, cpu_s = self._holds(subject, panel)
            if not holds:
                return False
        why = f"adopted from {counted(len(panel.scores), 'validator')}"
        self._queue.record_verdict(entry, RecordedVerdict(
            "pass", found.total, False, subject.task.id, subject.task.warcs, view.block, "", why, cpu_s, found.tokens,
            subject.task.price,
        ), own=False)  # fmt: skip
        return True

    def _holds(self, subject: Subject, panel: _Panel) -> tuple[bool, float]:
        """Replay the published evidence of one of the panel; return whether it held, and the CPU time that it took.

        Without published evidence, or if it could not be replayed, this validator judges the line by itself.
        """
        score = published_score(panel.scores, subject.seed)
        if score is None or score.evidence is None or score.evidence_sha256 is None:
            return False, 0.0
        reported = Reported(
            validator=score.validator, evidence=score.evidence, sha256=score.evidence_sha256, verdict=score.verdict,
            score=score.score, tokens=score.tokens,
        )  # fmt: skip
        plan = self._options.plan
        job = self._job(subject, tuple(path.removeprefix(COMMON_CRAWL) for path in subject.task.warcs))
        least = Plan(rows=min(plan.rows, Plan().rows), windows=min(plan.windows, Plan().windows))
        task = str(subject.task.id)
        self._say(f"Replaying the evidence of validator {score.validator} on task {task}")
        result = run_spot_check(
            job.model_copy(update={"reported": reported, "plan": least}), self._stop,
            lambda line: self._say(f"  {task}: {line}"),
        )  # fmt: skip
        found = result.checked
        if found.unknown:
            self._say(f"The evidence could not be replayed: {_line(found.unknown)}")
            return False, result.cpu_s
        self._queue.compare({score.validator: bool(found.difference)})
        self._queue.batches.add_spot_check(SpotCheck(
            validator=score.validator, task=task, evidence=score.evidence, sha256=score.evidence_sha256,
            difference=showable(found.difference, WHY_CHARS),
        ))  # fmt: skip
        if found.difference:
            self._say(f"The evidence of validator {score.validator} does not hold: {_line(found.difference)}")
        return not found.difference, result.cpu_s

    def _is_drawn(self, entry: Entry, subject: Subject) -> bool:
        view = self._chain.view()
        return draw(self._queue, entry, subject, view.block, capacity_of(stakes_of(view)))

    def _job(self, subject: Subject, items: tuple[str, ...]) -> Job:
        """Return the job of a verdict on a task of these WARCs, of this packet, or of this merge."""
        packet, merge = subject.task.packet, subject.task.merge
        for one in merge.inputs if merge else ():
            if not is_pinned(one.place):
                raise TaskServerError(f"task {subject.task.id}: {one.place[:200]!r} is no revision on the Hub")
        warcs = () if packet or merge else items
        for path in warcs:
            if common_crawl_path(COMMON_CRAWL + path.removeprefix(COMMON_CRAWL)) is None:
                raise TaskServerError(f"task {subject.task.id}: {path[:200]!r} is no file of Common Crawl's")
        return Job(
            subject=subject, plan=self._options.plan, warcs=warcs, tier=self._options.tier, device=self._options.device,
            tokens=self._options.tokens,
            place=place_of(subject) or "",
            heldout=() if merge else self._heldout.pick(items, subject.seed, self._queue),
            index=index_file(self._options.work.absolute()), cache=self._settings.cache.absolute(),
            cc_https=self._settings.cc_https, cc_bucket=self._settings.cc_bucket,
        )  # fmt: skip

    def _is_to_be_seen_twice(self, evidence: Evidence, entry: Entry) -> bool:
        """Return whether to check again later: a single "not found" may be the Hub's mistake."""
        last = evidence.admission[-1] if evidence.admission else None
        is_gone = evidence.verdict == "fail" and last is not None and last.name == "revision"
        return is_gone and entry.why != showable(evidence.why, WHY_CHARS)

    def _record_verdict(
        self, entry: Entry, evidence: Evidence, name: str, cpu_s: float, *, seals: bool = False
    ) -> None:
        """Write the evidence first, then the queue; after a crash between the two, the verdict is repeated."""
        evidence = sign(evidence, self._chain.hotkey)
        path = self.evidence_file(entry.hotkey, entry.line)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_evidence(path, evidence)
        total = evidence.total or 0.0
        tokens = evidence.measured.verified_tokens if evidence.measured and evidence.verdict == "pass" else 0
        task = evidence.subject.task
        self._queue.record_verdict(entry, RecordedVerdict(
            evidence.verdict, total, is_dishonest(evidence), task.id, task.warcs, self._chain.view().block,
            evidence_hash(evidence), evidence.why, cpu_s, tokens, task.price, seals,
        ))  # fmt: skip
        self._telemetry.verdict(evidence)
        verdict = evidence.verdict.replace("_", " ")
        self._say(f"{name}: {verdict}, score {total:.3f} ({_line(evidence.why)}); {cpu_s:.0f} CPU s")

    def evidence_file(self, hotkey: str, line: str) -> Path:
        """Return the file that keeps the evidence of a line's verdict."""
        commitment = decode(line)
        assert commitment is not None  # no invalid line is ever added to the queue
        digest = hashlib.sha256(f"{hotkey} {line}".encode()).hexdigest()[:8]
        name = f"{commitment.repo.replace('/', '--')}@{commitment.revision[:10]}-{digest}.json"
        return self._options.work / "evidence" / name


def index_file(work: Path) -> Path:
    """Return the fingerprint file, whose folder is the only one in the work folder that verdicts may write to.

    If the file is still where earlier versions kept it, it is moved.
    """
    path, earlier = work / "fingerprints" / "fingerprints.db", work / "fingerprints.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with suppress(FileNotFoundError):  # there is no file, or another thread has moved it
            earlier.rename(path)
    return path


def _line(text: str) -> str:
    """Turn text that a stranger may have written into one safe log line."""
    return " ".join(showable(text, LINE_CHARS).split())
