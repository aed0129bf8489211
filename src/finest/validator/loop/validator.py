"""The validator: four chores over one queue, or with `once` each of them one time."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.chain.errors import NoPermit, NotRegistered, RateLimited
from finest.chain.payload import decode
from finest.figures import counted, duration, showable
from finest.tasks.client import Refused
from finest.tasks.models import ScoreRequest
from finest.validator.audit import inadmissible
from finest.validator.evidence import evidence_hash, is_lie, sign, write_evidence
from finest.validator.loop.assignment import NotYet
from finest.validator.loop.child import Job
from finest.validator.loop.chores import Chore, run
from finest.validator.loop.queue import WHY_CHARS, Settled
from finest.validator.loop.standing import MEMORY_BLOCKS, weights
from finest.validator.loop.verdict import LINE_CHARS, judged
from finest.validator.loop.watch import look
from finest.validator.models import Check, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from finest.chain.subnet import Chain
    from finest.settings import Settings
    from finest.tasks.client import TaskServer
    from finest.validator.loop.assignment import Assignments
    from finest.validator.loop.chores import Round
    from finest.validator.loop.heldout import HeldOut
    from finest.validator.loop.queue import Entry, Queue, Report
    from finest.validator.loop.updating import UpdateOptions
    from finest.validator.models import Evidence, Subject
    from finest.validator.telemetry import Telemetry

LOOK_BLOCKS = 5
"""A minute of the main network. A line stands until its miner's next one, which mostly takes far longer."""
FAR_S = 3600.0
"""How often finished tasks are looked through, whatever the chain shows: for a line that was replaced by no line."""
SOON_S = 60.0
"""What is due within this time is waited for by `once`."""
IDLE_S = 5.0
OTHERS_S = 0.2
"""What is left is in the hands of others: `once` asks so often whether all is judged."""
REPORT_S = 5.0
NEVER_TAKEN = ("not-found", "not-finished", "invalid-request")
"""Refusals that are about the one verdict: the others go on. All else is about this validator, and is asked later."""
AGAIN_S = (600.0, 3600.0, 6 * 3600.0, 24 * 3600.0, 24 * 3600.0)
"""Waits after a verdict that could not be given. Most failures of the Hub pass within the hour; after the last wait,
two and a half days in all, it is left without evidence."""
BROKEN_S = 60.0
"""Until a line that could not even be looked at is looked at again: the task server or the chain may be away."""
NO_RIGHT_S = 600.0
STOP_S = 5.0
NOTE_CHARS = 400


@dataclass(frozen=True, slots=True)
class ValidateOptions:
    """What `finest validate` was told."""

    work: Path
    plan: Plan
    tokens: int
    tier: int = 1
    device: str | None = None
    """Of tier 2: cpu or cuda; None is a GPU if there is one."""
    parallel: int = 1
    """Verdicts at a time."""
    sets_weights: bool = True
    wandb: str | None = None
    """The project that figures go to, [ENTITY/]NAME; None is nowhere."""
    update: UpdateOptions | None = None
    """None stays at the release that the operator has installed."""
    again_s: tuple[float, ...] = AGAIN_S


class Validator:
    """One hotkey's verdicts in one work folder."""

    def __init__(
        self, options: ValidateOptions, settings: Settings, chain: Chain, server: TaskServer, queue: Queue,
        assignments: Assignments, heldout: HeldOut, telemetry: Telemetry, stop: threading.Event,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options, self._settings, self._chain, self._server = options, settings, chain, server
        self._queue, self._assignments, self._heldout = queue, assignments, heldout
        self._telemetry, self._stop, self._say = telemetry, stop, say
        self._busy: set[int] = set()
        self._choosing = threading.Lock()
        self._far_at_s = 0.0
        """When finished tasks are looked through again, on the monotonic clock."""
        self._chores: list[Chore] = []

    def run(self, more: Mapping[str, Round] | None = None) -> None:
        """Work until `stop` is set, with `more` chores beside its own."""
        rounds: dict[str, Round] = {"watch": self._watch, "report": self._report}
        rounds |= {f"judge {number + 1}": self._judge for number in range(self._options.parallel)}
        if self._options.sets_weights:
            rounds["weigh"] = self._weigh_in_time
        self._chores = [Chore(name, work, self._stop, self._say) for name, work in rounds.items()]
        run([*self._chores, *(Chore(*one, self._stop, self._say) for one in (more or {}).items())], self._stop, STOP_S)

    def has_passed(self) -> bool:
        """Whether each of its own chores has got through a round."""
        return all(chore.rounds for chore in self._chores)

    def once(self) -> None:
        """Judge all that is committed by now, report it, set weights; raises what makes that impossible.

        A line whose block is not final yet is waited for; what has no evidence stays in the queue.
        """
        self._watch()
        with ThreadPoolExecutor(self._options.parallel, "judge") as pool:
            for judge in [pool.submit(self._judge_all) for _ in range(self._options.parallel)]:
                judge.result()
        if not self._stop.is_set():
            self._report()
        while self._options.sets_weights and not self._stop.is_set() and self._may_not_weigh_yet():
            pass

    def _judge_all(self) -> None:
        while not self._stop.is_set() and (due_s := self._queue.next_due_s()) is not None:
            wait_s = due_s - time.time()
            if wait_s > SOON_S:
                break
            self._stop.wait(max(0.0, wait_s))
            if self._judge():
                self._stop.wait(OTHERS_S)

    # Chores

    def _watch(self) -> float:
        now_s, due_s = time.monotonic(), self._far_at_s
        self._far_at_s = now_s  # after a look that fails, the next one is far: what it missed is not missed for good
        found = look(self._chain, self._server, self._queue, far=now_s >= due_s)
        self._far_at_s = now_s + FAR_S if now_s >= due_s else due_s
        if found.new:
            self._say(f"{counted(found.new, 'new submission')} to judge; {found.lines} lines stand on the chain")
        return LOOK_BLOCKS * self._chain.view().block_time_s

    def _judge(self) -> float:
        with self._choosing:
            entry = self._queue.next(self._busy)
            if entry is None:
                return IDLE_S
            self._busy.add(entry.id)
        try:
            self._give_verdict(entry)
        except Exception as error:
            self._queue.put_off(entry, BROKEN_S, str(error)[:NOTE_CHARS], tried=False)  # the others do not wait for it
            raise
        finally:
            with self._choosing:
                self._busy.discard(entry.id)
        return 0.0

    def _report(self) -> float:
        for report in self._queue.unreported():
            if self._stop.is_set():
                break
            try:
                self._server.report(report.task_id, _score(report))
            except Refused as no:
                self._say(f"The task server does not take the verdict on task {report.task_id}: {no}")
                if no.name not in NEVER_TAKEN:
                    return NO_RIGHT_S
            self._queue.reported(report)
        return REPORT_S

    def _may_not_weigh_yet(self) -> bool:
        try:
            self._weigh()
        except RateLimited as error:
            wait_s = error.retry_after_blocks * self._chain.view().block_time_s
            self._say(f"{error}; waiting {duration(wait_s)}")
            self._stop.wait(wait_s)
            return True
        return False

    def _weigh_in_time(self) -> float:
        try:
            return self._weigh()
        except RateLimited as error:
            return max(1, error.retry_after_blocks) * self._chain.view().block_time_s

    def _weigh(self) -> float:
        """Set the weights; raises RateLimited where it is too early. Gives the seconds until they are due again."""
        view = self._chain.view(fresh_s=0)
        seats = {neuron.hotkey: neuron.registration_block for neuron in view.neurons}
        found = weights(self._queue.past(view.block - MEMORY_BLOCKS), view.block, seats)
        epoch_s = view.tempo_blocks * view.block_time_s
        if not found:
            self._say("Nobody has a score: no weights are set")
            return min(epoch_s, NO_RIGHT_S)
        try:
            receipt = self._chain.set_weights(found)
        except (NotRegistered, NoPermit) as error:
            self._say(f"No weights are set: {error}")
            return NO_RIGHT_S
        self._telemetry.weights(found)
        self._say(f"Weights of {counted(len(found), 'hotkey')} set in block {receipt.block}: {_shares(found)}")
        return epoch_s

    # A verdict

    def _give_verdict(self, entry: Entry) -> None:
        found = self._assignments.subject(entry)
        if isinstance(found, NotYet):
            wait_s = found.blocks * self._chain.view().block_time_s
            self._queue.put_off(entry, wait_s, found.why, tried=False)
            return
        subject, task = found
        name = f"{subject.submission.repo}@{(subject.submission.revision or '')[:10]}"
        if task is None:
            check = Check(name="lease", outcome="no_evidence", detail="no task was finished with this line")
            self._settle(entry, inadmissible(subject, self._options.plan, check), name, 0.0)
            return
        self._say(f"Judging {name} of {entry.hotkey}: {counted(len(task.warcs), 'WARC')}")
        done = judged(self._job(subject, tuple(task.warcs)), self._stop, lambda line: self._say(f"  {name}: {line}"))
        if self._stop.is_set() and done.evidence is None:
            return  # it is judged when the validator starts again
        evidence = done.evidence
        if evidence is None or evidence.verdict == "no_evidence" or self._is_to_be_seen_twice(evidence, entry):
            if entry.tries < len(self._options.again_s):
                why = done.why if evidence is None else evidence.why
                wait_s = self._options.again_s[entry.tries]
                self._say(f"{name}: no verdict yet ({_line(why)}); again in {duration(wait_s)}")
                self._queue.put_off(entry, wait_s, why, cpu_s=done.cpu_s)
                return
            if evidence is None:
                check = Check(name="audit", outcome="no_evidence", detail=done.why[:NOTE_CHARS])
                evidence = inadmissible(subject, self._options.plan, check)
        self._settle(entry, evidence, name, done.cpu_s)

    def _job(self, subject: Subject, warcs: tuple[str, ...]) -> Job:
        return Job(
            subject=subject, plan=self._options.plan, warcs=warcs, tier=self._options.tier, device=self._options.device,
            tokens=self._options.tokens,
            place=f"{subject.submission.repo}@{subject.submission.revision}",
            heldout=self._heldout.pick(warcs, subject.seed, self._queue),
            index=(self._options.work / "fingerprints.db").absolute(), cache=self._settings.cache.absolute(),
            cc_https=self._settings.cc_https, cc_bucket=self._settings.cc_bucket,
        )  # fmt: skip

    def _is_to_be_seen_twice(self, evidence: Evidence, entry: Entry) -> bool:
        """What the Hub says is not there is asked for again later: once, it may be the Hub's mistake."""
        last = evidence.admission[-1] if evidence.admission else None
        is_gone = evidence.verdict == "fail" and last is not None and last.name == "revision"
        return is_gone and entry.why != showable(evidence.why, WHY_CHARS)

    def _settle(self, entry: Entry, evidence: Evidence, name: str, cpu_s: float) -> None:
        """The record first, then the queue: a crash between the two makes the verdict anew."""
        evidence = sign(evidence, self._chain.hotkey)
        path = self.evidence_file(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_evidence(path, evidence)
        total = evidence.total or 0.0
        task = evidence.subject.task
        self._queue.settle(entry, Settled(
            evidence.verdict, total, is_lie(evidence), task.id, task.warcs, self._chain.view().block,
            evidence_hash(evidence), evidence.why, cpu_s,
        ))  # fmt: skip
        self._telemetry.verdict(evidence)
        verdict = evidence.verdict.replace("_", " ")
        self._say(f"{name}: {verdict}, score {total:.3f} ({_line(evidence.why)}); {cpu_s:.0f} CPU s")

    def evidence_file(self, entry: Entry) -> Path:
        """Where the record of a verdict is kept."""
        said = decode(entry.line)
        assert said is not None  # no other line is ever taken in
        digest = hashlib.sha256(f"{entry.hotkey} {entry.line}".encode()).hexdigest()[:8]
        name = f"{said.repo.replace('/', '--')}@{said.revision[:10]}-{digest}.json"
        return self._options.work / "evidence" / name


def _score(report: Report) -> ScoreRequest:
    note = "".join(char if char.isprintable() else " " for char in report.why)[:NOTE_CHARS]
    return ScoreRequest(verdict=report.verdict, score=report.total, evidence_sha256=report.evidence_sha256, note=note)


def _line(text: str) -> str:
    """Words of which a stranger may have written some, as one line of a log."""
    return " ".join(showable(text, LINE_CHARS).split())


def _shares(found: dict[str, float]) -> str:
    whole = sum(found.values())
    most = sorted(found.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{hotkey[:8]} {weight / whole:.1%}" for hotkey, weight in most)
