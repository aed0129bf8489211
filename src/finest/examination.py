"""Run checks in parallel, each with a deadline; a check that needs another one waits for it."""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic

from finest.errors import FinestError
from finest.findings import Check, Finding, State, Subject, failure, skipped

log = logging.getLogger(__name__)

Found = Callable[[Check[Any], Finding], None]
_WELL = (State.OK, State.WARNING)
_SECRET = re.compile(r"(?<=://)[^/@\s]+@|\bhf_[A-Za-z0-9]{8,}")
"""User information in a URL, or a token of the Hub: removed from every message before it is shown."""


def examine(
    checks: Sequence[Check[Subject]], subject: Subject, found: Found = lambda *_: None, *, at_once: int | None = None
) -> dict[str, Finding]:
    """Return every check's finding, by name, in the order of `checks`; `found` is called with each as it arrives.

    At most `at_once` checks run at the same time (None: no limit); with 1 they run and are reported in their order. A
    check that does not end by its deadline fails; its thread is abandoned and ends with the process.
    """
    round_ = _Round(checks, subject, found, at_once or len(checks))
    while round_.waiting or round_.running:
        round_.start_what_can()
        round_.hear()
    return {check.name: round_.findings[check.name] for check in checks}


class _Round(Generic[Subject]):
    """One examination, driven by one thread; the checks' own threads only report."""

    def __init__(self, checks: Sequence[Check[Subject]], subject: Subject, found: Found, at_once: int) -> None:
        self.waiting = {check.name: check for check in checks}
        self.running: dict[str, tuple[Check[Subject], float]] = {}
        self.findings: dict[str, Finding] = {}
        self._names = set(self.waiting)
        self._subject, self._found, self._at_once = subject, found, at_once
        self._reports: queue.SimpleQueue[tuple[str, Finding]] = queue.SimpleQueue()

    def start_what_can(self) -> None:
        """Start checks whose requirements have passed; skip checks whose requirements failed."""
        settled = -1
        while settled != len(self.findings):  # skipping a check may unblock others
            settled = len(self.findings)
            for check in list(self.waiting.values()):
                if len(self.running) >= self._at_once:
                    return
                needs = [name for name in check.needs if name in self._names]
                ill = [name for name in needs if name in self.findings and self.findings[name].state not in _WELL]
                if ill:
                    del self.waiting[check.name]
                    self._settle(check, skipped(f"needs {ill[0]}"))
                elif all(name in self.findings for name in needs):
                    del self.waiting[check.name]
                    self._start(check)

    def hear(self) -> None:
        """Record the next report, or the checks that passed their deadline."""
        if not self.running:
            return
        first = min(end for _, end in self.running.values())
        try:
            name, finding = self._reports.get(timeout=max(0.0, first - time.monotonic()))
        except queue.Empty:
            for check, end in list(self.running.values()):
                if end <= time.monotonic():
                    del self.running[check.name]
                    self._settle(check, failure(f"no answer within {check.deadline_s:.0f} s", check.hint))
        else:
            if name in self.running:  # otherwise it is late and has been recorded as failed
                check, _ = self.running.pop(name)
                self._settle(check, finding)

    def _start(self, check: Check[Subject]) -> None:
        self.running[check.name] = check, time.monotonic() + check.deadline_s
        threading.Thread(target=self._look, args=(check,), name=f"check: {check.name}", daemon=True).start()

    def _settle(self, check: Check[Subject], finding: Finding) -> None:
        mend = finding.mend and _SECRET.sub("", finding.mend)
        finding = Finding(finding.state, _SECRET.sub("", finding.line), mend)
        self.findings[check.name] = finding
        self._found(check, finding)

    def _look(self, check: Check[Subject]) -> None:
        try:
            finding = check.look(self._subject)
        except FinestError as error:
            finding = failure(str(error), check.hint)
        except Exception as error:  # outermost handler of the thread: the other checks continue
            log.debug("check %s", check.name, exc_info=True)
            # its text is not shown, since it may quote an address with a password
            finding = failure(
                f"the check itself failed ({type(error).__name__})",
                "report it, with what the same command prints with --json",
            )
        self._reports.put((check.name, finding))
