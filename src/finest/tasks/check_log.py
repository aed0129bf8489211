"""`finest tasks verify`: check a task server's public log, which needs neither an account nor trust in the server.

It recomputes the hash of every entry, replays what happened to each task, checks that no WARC was leased to more
miners at a time than the lease itself states, recomputes which WARCs each lease gets (check_assignments.py), and opens
the seals of canaries. It remembers the head that it saw, and the next check fails if the log no longer leads there:
then the server has rewritten its history.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.errors import VerifyError
from finest.tasks.canaries import day_of, opened
from finest.tasks.check_assignments import CheckedAssignments
from finest.tasks.event_log import FIRST_HEAD, head_after
from finest.tasks.models import MAX_WARCS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from finest.tasks.check_assignments import Lists
    from finest.tasks.models import EventKind, LogEntry

_AFTER: Mapping[EventKind, tuple[str, ...]] = {
    "leased": ("",), "renewed": ("leased",), "finished": ("leased",), "released": ("leased",), "expired": ("leased",),
    "sealed": ("finished",), "scored": ("finished",), "reopened": ("finished",), "imported": (),
    "revealed": ("leased", "finished", "released", "expired"), "removed": (),
}  # fmt: skip
"""The states of a task in which each event may happen; "" is the state of a task that has no event yet."""
MAX_TEXT = 80
"""Characters of a seal and of a key, at most."""
_ENDS: tuple[EventKind, ...] = ("released", "expired", "reopened")
"""Events after which the WARCs of a task may be leased again."""
_BY_MINER: tuple[EventKind, ...] = ("renewed", "finished", "released", "expired", "revealed")
"""Events that name the task's own miner."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest entry of a log when it was seen before."""

    number: int = 0
    head: str = FIRST_HEAD
    where: str = "at an earlier check"
    beacons_until: int = 0
    """The last entry whose beacon was compared with the chain."""


@dataclass(slots=True)
class LogSummary:
    """The content of a log whose hashes were checked."""

    entries: int = 0
    head: str = FIRST_HEAD
    block: int = 0
    events: Counter[str] = field(default_factory=Counter)
    without_warcs: int = 0
    """Leases by earlier versions, whose entries do not name their WARCs."""
    keys: dict[int, str] = field(default_factory=dict)
    """The revealed keys of canaries, by day."""
    recomputed: int = 0
    """Leases whose WARCs are those that the rule gives."""
    beacons: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Hash that the log states for each block of a beacon, and the first entry that does."""


@dataclass(slots=True)
class _Task:
    hotkey: str
    state: str
    warcs: tuple[tuple[str, str], ...]
    """The name of the work, which is empty for a whole crawl, and the path of each WARC."""
    seal: str = ""
    canary: str = ""
    holds: bool = True


_Holders = defaultdict[tuple[str, str], set[str]]
"""The tasks that hold each WARC of each work."""


def read_seen(path: Path) -> Seen:
    """Return what an earlier check remembered in `path`; raises VerifyError if the file is damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Seen(int(data["number"]), str(data["head"]), beacons_until=int(data.get("beacons_until", 0)))
    except FileNotFoundError:
        return Seen()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerifyError(f"{path} is damaged ({type(error).__name__}); remove it to check the log from anew") from None


def write_seen(path: Path, summary: LogSummary, beacons_until: int = 0) -> None:
    """Remember the head of a checked log for the next check, and which beacons were compared with the chain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = {"number": summary.entries, "head": summary.head, "beacons_until": beacons_until}
    write_whole(path, json.dumps(seen).encode())


def check_log(entries: Iterable[LogEntry], *witnesses: Seen, lists: Lists | None = None) -> LogSummary:
    """Check a whole log, from its first entry; raises VerifyError with the first entry that is wrong.

    `witnesses` are heads that were seen before: by an earlier check, or on the chain. `lists` returns the list of a
    crawl or other work; without it, assignments are not recomputed. Memory grows with the number of tasks, of
    leased WARCs, and of WARCs in lists that were worked on.
    """
    summary = LogSummary()
    assignments = CheckedAssignments(lists) if lists else None
    tasks: dict[str, _Task] = {}
    holders: _Holders = defaultdict(set)
    for entry in entries:
        _check_hash(entry, summary)
        if entry.what == "imported":
            if assignments:
                assignments.imported(entry)
        elif entry.what == "removed":
            if assignments:
                assignments.removed(entry, _warcs(entry))
        else:
            _check_task(entry, tasks.get(entry.task_id or ""))
            _replay(entry, tasks, holders, summary, assignments)
        summary.entries, summary.head, summary.block = entry.number, entry.head, max(summary.block, entry.block)
        summary.events[entry.what] += 1
        for seen in witnesses:
            if entry.number == seen.number and entry.head != seen.head:
                raise VerifyError(
                    f"entry {entry.number} of the log ends in {entry.head[:16]}..., {seen.where} in "
                    f"{seen.head[:16]}...: the server has rewritten its history before that entry"
                )
    _check_seals(tasks, summary)
    for seen in witnesses:
        if summary.entries < seen.number:
            raise VerifyError(
                f"the log has {summary.entries} entries, {seen.where} it had {seen.number}: entries were removed, or "
                "the server restored an older database"
            )
    if assignments:
        summary.recomputed, summary.beacons = assignments.recomputed, assignments.beacons
    return summary


def _check_hash(entry: LogEntry, before: LogSummary) -> None:
    if entry.number != before.entries + 1:
        raise VerifyError(f"entry {entry.number} of the log follows entry {before.entries}")
    try:
        expected = head_after(before.head, entry.model_dump())
    except UnicodeEncodeError:
        raise VerifyError(f"entry {entry.number} of the log is no valid text") from None
    if entry.head != expected:
        raise VerifyError(f"entry {entry.number} of the log does not have the hash of its content")


def _check_task(entry: LogEntry, task: _Task | None) -> None:
    state = task.state if task else ""
    if state not in _AFTER[entry.what]:
        raise _wrong(entry, f"is {entry.what} while it is {state or 'unknown'}")
    if task and entry.what in _BY_MINER and entry.hotkey != task.hotkey:
        raise _wrong(entry, f"is {entry.what} by {entry.hotkey}, and belongs to {task.hotkey}")
    if entry.what == "expired" and entry.block <= _number(entry, "expires_block", 0):
        raise _wrong(entry, f"expired at block {entry.block}, before its end")


def _replay(
    entry: LogEntry, tasks: dict[str, _Task], holders: _Holders, summary: LogSummary,
    assignments: CheckedAssignments | None,
) -> None:  # fmt: skip
    task_id = entry.task_id or ""
    if entry.what == "leased":
        warcs = _warcs(entry)
        summary.without_warcs += not warcs
        tasks[task_id] = _Task(entry.hotkey, "leased", warcs, _text(entry, "seal"))
        for warc in warcs:
            _hold(entry, warc[1], holders[warc], tasks)
        if assignments:
            assignments.leased(entry, warcs)
        return
    task = tasks[task_id]
    if entry.what == "revealed":
        _open_seal(entry, task, summary)
    if entry.what in ("finished", "released", "expired"):
        task.state = entry.what
    if entry.what in _ENDS and task.holds:
        task.holds = False
        for warc in task.warcs:
            holders[warc].discard(task_id)
        if assignments:
            assignments.ended(entry, task.hotkey, task.warcs)


def _hold(entry: LogEntry, warc: str, holders: set[str], tasks: Mapping[str, _Task]) -> None:
    """Note that a task holds a WARC; raises VerifyError if too many tasks hold it, or another one of this miner."""
    if any(tasks[other].hotkey == entry.hotkey for other in holders):
        raise _wrong(entry, f"has {warc}, which another task of the same miner holds")
    if len(holders) >= _number(entry, "redundancy", 1):
        raise _wrong(entry, f"has {warc}, which task {min(holders)} holds")
    holders.add(entry.task_id or "")


def _open_seal(entry: LogEntry, task: _Task, summary: LogSummary) -> None:
    """Note the kind and the key of a canary; raises VerifyError if its seal says something else."""
    kind, key = _text(entry, "kind"), _text(entry, "key")
    day = day_of(task.seal)
    if day is None or not kind or task.canary or opened(task.seal, key, entry.task_id or "") != kind:
        raise _wrong(entry, f"is revealed as a {kind[:10]} canary, which its seal does not say")
    if summary.keys.setdefault(day, key) != key:
        raise _wrong(entry, "is revealed with another key than other canaries of its day")
    task.canary = kind


def _check_seals(tasks: Mapping[str, _Task], summary: LogSummary) -> None:
    """Raise VerifyError if a key opens the seal of a task as a canary that was not revealed with the others."""
    for task_id, task in tasks.items():
        day = day_of(task.seal)
        key = None if day is None else summary.keys.get(day)
        if key is not None and opened(task.seal, key, task_id) != task.canary:
            raise VerifyError(f"task {task_id} was sealed as something else than the server revealed")


def _text(entry: LogEntry, name: str) -> str:
    value = entry.detail.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _wrong(entry, f"has the {name} {str(value)[:40]!r}")
    return value


def _number(entry: LogEntry, name: str, default: int) -> int:
    value = entry.detail.get(name, default)
    if type(value) is not int:
        raise _wrong(entry, f"has the {name} {str(value)[:40]!r}")
    return value


def _warcs(entry: LogEntry) -> tuple[tuple[str, str], ...]:
    work = str(entry.detail.get("work") or "")
    found = entry.detail.get("warcs", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found) or len(found) > MAX_WARCS:
        raise _wrong(entry, "has a list of WARCs that no server writes")
    return tuple((work, path) for path in found)


def _wrong(entry: LogEntry, what: str) -> VerifyError:
    return VerifyError(f"entry {entry.number} of the log: task {entry.task_id} {what}")
