"""The validator: chores that share one queue (watch, judge, report, weigh, availability, canaries).

`once` runs them once.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from finest.chain.errors import NoPermit, NotRegistered, RateLimited
from finest.errors import TaskServerUnavailable
from finest.formatting import counted, duration
from finest.tasks.models import ScoreRequest
from finest.tasks.transport import Refused
from finest.validator.loop.availability import Availability
from finest.validator.loop.canaries import Revealed, with_payments
from finest.validator.loop.committee import stakes_of
from finest.validator.loop.contact import Contact
from finest.validator.loop.disclosure import Disclosure
from finest.validator.loop.judge import NOTE_CHARS
from finest.validator.loop.periodic import Chore, run
from finest.validator.loop.watch import find_new_lines
from finest.validator.loop.weights import MAX_AGE_BLOCKS, PAID_BLOCKS, common_block, weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from finest.chain.subnet import Chain
    from finest.tasks.client import TaskServer
    from finest.validator.loop.judge import Judge
    from finest.validator.loop.lines import Report
    from finest.validator.loop.options import ValidateOptions
    from finest.validator.loop.periodic import Round
    from finest.validator.loop.publishing import Publishing
    from finest.validator.loop.queue import Queue
    from finest.validator.telemetry import Telemetry

READ_CHAIN_BLOCKS = 5
"""Blocks between reads of the chain: a minute of the main network. A line stays until its miner's next one, which
usually takes far longer."""
FULL_SCAN_S = 3600.0
"""Interval between looks through all finished tasks, which also find lines that no new line replaced on the chain."""
SOON_S = 60.0
"""`once` waits for lines that are due within this time."""
POLL_QUEUE_S = 0.2
"""Interval at which `once` checks whether other threads have judged the remaining lines."""
SETTLE_BLOCKS = 600
"""Blocks after an outage of the task server, or after the start, in which no line is too old: two hours of the main
network. Miners report within minutes, and the lines are read again every hour."""
REPORT_S = 5.0
PERMANENT_REFUSALS = ("not-found", "not-finished", "invalid-request")
"""Refusals that concern only one verdict, so that the others are still reported. Any other refusal concerns this
validator, and reporting is retried later."""
NO_PERMIT_WAIT_S = 600.0
STOP_S = 5.0


class Validator:
    """Runs the chores of one hotkey in one work folder."""

    def __init__(
        self, options: ValidateOptions, chain: Chain, server: TaskServer, queue: Queue, judge: Judge,
        telemetry: Telemetry, stop: threading.Event, say: Callable[[str], None],
        publishing: Publishing | None = None, contact: Contact | None = None,
    ) -> None:  # fmt: skip
        self._contact = contact or Contact()
        self._options, self._chain, self._server, self._queue, self._judge = options, chain, server, queue, judge
        self._telemetry, self._stop, self._say, self._publishing = telemetry, stop, say, publishing
        self._disclosure = Disclosure(chain)
        self._full_scan_at_s = 0.0
        """Time of the next look through finished tasks, on the monotonic clock."""
        self._availability = Availability(queue, say)
        self._revealed = Revealed(server, queue, say)
        self._chores: list[Chore] = []

    def run(self, more: Mapping[str, Round] | None = None) -> None:
        """Work until `stop` is set, with the chores in `more` besides its own."""
        rounds: dict[str, Round] = {"watch": self._find_new_lines, "report": self._report}
        rounds["availability"] = lambda: self._availability.round(self._chain.view().block)
        rounds["canaries"] = lambda: self._revealed.round(self._chain.view().block)
        rounds |= {f"judge {number + 1}": self._judge.next for number in range(self._options.parallel)}
        rounds["judge merges"] = lambda: self._judge.next(apart=True)
        if self._options.sets_weights:
            rounds["weigh"] = self._set_weights_when_due
        self._chores = [Chore(name, work, self._stop, self._say) for name, work in rounds.items()]
        run([*self._chores, *(Chore(*one, self._stop, self._say) for one in (more or {}).items())], self._stop, STOP_S)

    def all_ran_once(self) -> bool:
        """Return whether each of its own chores has completed a round."""
        return all(chore.rounds for chore in self._chores)

    def once(self) -> None:
        """Judge everything committed so far, report it and set weights; raises errors that make this impossible.

        It waits for a line whose block is not final yet; a line without evidence stays in the queue.
        """
        self._find_new_lines()
        kinds = [True, *[False] * self._options.parallel]
        with ThreadPoolExecutor(len(kinds), "judge") as pool:
            for judge in [pool.submit(self._judge_all, apart=apart) for apart in kinds]:
                judge.result()
        if not self._stop.is_set():
            self._report(now=True)
            self._revealed.round(self._chain.view().block)
        while self._options.sets_weights and not self._stop.is_set() and self._is_rate_limited():
            pass

    def _judge_all(self, *, apart: bool) -> None:
        while not self._stop.is_set() and (due_s := self._queue.next_due_s()) is not None:
            wait_s = due_s - time.time()
            if wait_s > SOON_S:
                break
            self._stop.wait(max(0.0, wait_s))
            if self._judge.next(apart=apart):
                self._stop.wait(POLL_QUEUE_S)

    def _find_new_lines(self) -> float:
        now_s, due_s = time.monotonic(), self._full_scan_at_s
        self._full_scan_at_s = (
            now_s  # if this look fails, the next one scans everything again, so that nothing is missed for good
        )
        try:
            found = find_new_lines(self._chain, self._server, self._queue, full=now_s >= due_s)
        except TaskServerUnavailable:
            self._contact.lost()
            raise
        self._contact.made(self._chain.view().block)
        self._expire_lines()
        self._full_scan_at_s = now_s + FULL_SCAN_S if now_s >= due_s else due_s
        if found.new:
            self._say(f"{counted(found.new, 'new submission')} to judge; {found.lines} lines are on the chain")
        return READ_CHAIN_BLOCKS * self._chain.view().block_time_s

    def _expire_lines(self) -> None:
        block = self._chain.view().block
        if self._contact.blocks(block) < SETTLE_BLOCKS:
            return  # what was committed in an outage of the task server may still be reported
        if expired := self._queue.expire(block - PAID_BLOCKS, block):
            self._say(
                f"{counted(expired, 'submission')} waited for a day and left the queue unjudged: "
                "raise --parallel if this happens again"
            )

    def _seal(self) -> None:
        """Name the evidence of new verdicts, without the verdicts, on servers with canaries."""
        for report in self._queue.unsealed():
            try:
                self._server.seal(report.task_id, report.evidence_sha256 or "")
            except Refused as no:
                if no.name not in PERMANENT_REFUSALS:
                    return
            self._queue.sealed(report)

    def _report(self, *, now: bool = False) -> float:
        self._seal()
        if not self._queue.unreported():
            return REPORT_S
        until_block = self._disclosure.until_block() if self._options.sets_weights else None
        if self._publishing is not None:
            self._publishing.round(until_block, now=now)
        for report in self._queue.unreported(until_block):
            if self._stop.is_set():
                break
            if report.may_be_published and self._publishing is not None and self._publishing.holds_back:
                continue
            try:
                self._server.report(report.task_id, _score(report))
            except Refused as no:
                self._say(f"The task server does not take the verdict on task {report.task_id}: {no}")
                if no.name not in PERMANENT_REFUSALS:
                    return NO_PERMIT_WAIT_S
            self._queue.reported(report)
        return REPORT_S

    def _is_rate_limited(self) -> bool:
        try:
            self._set_weights()
        except RateLimited as error:
            wait_s = error.retry_after_blocks * self._chain.view().block_time_s
            self._say(f"{error}; waiting {duration(wait_s)}")
            self._stop.wait(wait_s)
            return True
        return False

    def _set_weights_when_due(self) -> float:
        try:
            return self._set_weights()
        except RateLimited as error:
            return max(1, error.retry_after_blocks) * self._chain.view().block_time_s

    def _set_weights(self) -> float:
        """Set the weights and return the seconds until they are due again; raises RateLimited if it is too early."""
        view = self._chain.view(max_age_s=0)
        registrations = {neuron.hotkey: neuron.registration_block for neuron in view.neurons}
        block = common_block(view.block, view.tempo_blocks)
        found = weights(self._queue.past(block - MAX_AGE_BLOCKS), block, registrations)
        epoch_s = view.tempo_blocks * view.block_time_s
        if not found:
            self._say("No hotkey has a score, so no weights are set")
            return min(epoch_s, NO_PERMIT_WAIT_S)
        found = with_payments(found, self._revealed.points, stakes_of(view))
        try:
            receipt = self._chain.set_weights(found)
        except (NotRegistered, NoPermit) as error:
            self._say(f"The weights could not be set: {error}")
            return NO_PERMIT_WAIT_S
        self._telemetry.weights(found)
        self._say(f"Weights of {counted(len(found), 'hotkey')} set in block {receipt.block}: {_shares(found)}")
        return epoch_s


def _score(report: Report) -> ScoreRequest:
    note = "".join(char if char.isprintable() else " " for char in report.why)[:NOTE_CHARS]
    tokens = None if report.tokens is None else int(report.tokens)
    return ScoreRequest(
        verdict=report.verdict, score=report.total, tokens=tokens, evidence_sha256=report.evidence_sha256,
        evidence=report.evidence, note=note,
    )  # fmt: skip


def _shares(found: dict[str, float]) -> str:
    whole = sum(found.values())
    most = sorted(found.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{hotkey[:8]} {weight / whole:.1%}" for hotkey, weight in most)
