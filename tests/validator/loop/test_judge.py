"""The next line's verdict: whose turn it is, what is said, and what is never anybody's fault."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from finest.dataset.merge_inputs import MergeInput, MergeLease
from finest.dataset.page_choice import PageChoice
from finest.errors import TaskServerError, TaskServerUnavailable
from finest.tasks.models import Task
from finest.validator.evidence import read_evidence
from finest.validator.loop.assignment import RetryLater
from finest.validator.loop.judge import IDLE_S, LONG_MERGE_ROWS, _RunningVerdict
from finest.validator.loop.lines import Entry
from finest.validator.loop.verdict import VerdictResult
from finest.validator.models import Evidence
from finest.validator.subject import assignment_of
from tests.miner.world import task

from .lines import ALICE, BOB, CAROL, SOON_S, following, line, seen, settled, warc
from .world import AGAIN_S, World, evidence


def test_a_line_that_cannot_be_looked_at_keeps_nobody_waiting(world: World) -> None:
    """Its round fails; the next one is another's, and the line itself is looked at again later, untried."""
    world.queue.add([seen(ALICE), seen(BOB, 7)])
    run_verdict = list[str]()

    def found(entry: Entry) -> Any:
        if entry.hotkey == ALICE:
            raise TaskServerUnavailable("the task server does not answer")
        run_verdict.append(entry.hotkey)
        return RetryLater(10_000, "later")

    world.found = found
    judge = world.judge()
    with pytest.raises(TaskServerUnavailable):
        judge.next()
    judge.next()
    assert run_verdict == [BOB]
    assert world.queue.next() is None
    left = following(world.queue, now_s=SOON_S)
    assert (left.hotkey, left.tries, left.why) == (ALICE, 0, "the task server does not answer")


def test_judges_never_have_the_same_line(world: World) -> None:
    """Eight at a time, two hundred lines of three hotkeys: each is given one verdict."""
    lines = [seen(hotkey, number) for number in range(67) for hotkey in (ALICE, BOB, CAROL)]
    world.queue.add(lines)
    judge, given, now = world.judge(), Counter[int](), list[int]()

    def give(entry: Entry) -> None:
        assert entry.id not in now
        now.append(entry.id)
        time.sleep(0.001)
        given[entry.id] += 1
        now.remove(entry.id)
        world.queue.record_verdict(entry, settled())

    judge._give_verdict = give  # type: ignore[method-assign]
    judges = [threading.Thread(target=lambda: [None for _ in iter(judge.next, IDLE_S)]) for _ in range(8)]
    for thread in judges:
        thread.start()
    for thread in judges:
        thread.join()
    assert (len(given), set(given.values())) == (len(lines), {1})
    assert world.queue.counts().waiting == 0


def test_a_failure_of_ours_is_tried_again_and_then_left(world: World) -> None:
    """After the last wait it is left without evidence, and that is reported: nobody's fault, nobody's pay."""
    world.queue.add([seen()])
    judge = world.judge()
    for number, wait_s in enumerate(AGAIN_S):
        entry = following(world.queue, now_s=SOON_S)
        assert entry.tries == number
        judge._give_verdict(entry)
        due_s = world.queue.next_due_s()
        assert due_s is not None
        assert abs(due_s - time.time() - wait_s) < 20
    judge._give_verdict(following(world.queue, now_s=SOON_S))
    assert world.queue.counts().verdicts == {"no_evidence": 1}
    (report,) = world.queue.unreported()
    assert (report.verdict, report.total, "status 1" in report.why) == ("no_evidence", 0.0, True)
    assert world.queue.past(0)[0].forged is False


def test_what_is_gone_must_be_gone_twice(world: World) -> None:
    """What the Hub says is not there is asked for again, also where another try came to nothing before."""
    world.queue.add([seen()])
    judge = world.judge()
    answers = ["audit", "revision", "revision"]
    world.verdict = lambda job: evidence(job, (one := answers.pop(0)), "fail" if one == "revision" else "no_evidence")
    for waits in (1, 1, 0):
        judge._give_verdict(following(world.queue, now_s=SOON_S))
        assert world.queue.counts().waiting == waits
    assert world.queue.counts().verdicts == {"fail": 1}
    assert world.queue.past(0)[0].forged is False


def test_a_stop_gives_no_verdict(world: World) -> None:
    """What was cut off is no try: it is judged when the validator starts again."""
    world.queue.add([seen()])

    def cut_off(_: Any) -> VerdictResult:
        world.stop.set()
        return VerdictResult(None, "stopped", 1.0)

    world.verdict = cut_off
    world.judge().next()
    entry = following(world.queue)
    assert (entry.tries, entry.why) == (0, "")
    assert not (world.work / "evidence").exists()


def test_a_verdict_is_kept_with_its_record(world: World) -> None:
    """Signed, under a name that the line has; a lie is known as one."""
    world.queue.add([seen()])
    world.verdict = lambda job: evidence(job, "manifest", "fail")
    entry, judge = following(world.queue), world.judge()
    judge.next()
    record = read_evidence(judge.evidence_file(entry.hotkey, entry.line))
    assert (record.verdict, record.signature, record.subject.submission.line) == ("fail", "00" * 64, line(0))
    (past,) = world.queue.past(0)
    assert (past.verdict, past.forged, past.warcs) == ("fail", False, 2)


@pytest.mark.parametrize("outcome", ["fail", "no_evidence"])
def test_a_strangers_words_are_one_line_of_the_log(world: World, outcome: str) -> None:
    """An id with a line's end and an escape in it writes no line of its own, and takes none back."""
    world.queue.add([seen()])
    world.verdict = lambda job: evidence(job, "audit", outcome, "row 1 (\x1b[2J\n2026-11-23 12:00:00  Weights set)")
    world.judge().next()
    (said,) = (line for line in world.said if "Weights set" in line)
    assert said.isprintable() and "\ufffd[2J 2026" in said


def test_a_lie_is_remembered_as_one(world: World) -> None:
    """Forged rows: every check of admission has passed, and the verdict is a fail."""
    world.queue.add([seen()])

    def lied(job: Any) -> VerdictResult:
        base: Evidence = evidence(job, "recipe", "pass").evidence  # type: ignore[assignment]
        return VerdictResult(base.model_copy(update={"verdict": "fail", "why": "4 of 9 rows are forged"}), "", 1.0)

    world.verdict = lied
    world.judge().next()
    assert world.queue.past(0)[0].forged is True


def test_a_copy_waits_for_what_it_may_be_a_copy_of(world: World) -> None:
    """Side by side neither would know the other: the later line of the same WARCs waits, one of others does not."""
    world.queue.add([seen(ALICE, 1), seen(BOB, 2), seen(CAROL, 3)])
    begun, may_end, run_verdict = threading.Event(), threading.Event(), list[str]()

    def found(entry: Entry) -> Any:
        subject, task = world.subject(entry)
        return subject, task.model_copy(update={"warcs": (warc(9),)}) if entry.hotkey == CAROL else task

    def verdict(job: Any) -> VerdictResult:
        if job.subject.submission.hotkey == ALICE:
            begun.set()
            assert may_end.wait(30)
        run_verdict.append(job.subject.submission.hotkey)
        return evidence(job, "manifest", "fail")

    world.found, world.verdict = found, verdict
    judge = world.judge()
    first = threading.Thread(target=judge.next)
    first.start()
    assert begun.wait(30)
    assert (judge.next(), judge.next(), judge.next()) == (0.0, 0.0, IDLE_S)
    assert run_verdict == [CAROL]
    may_end.set()
    first.join()
    bob = following(world.queue, now_s=SOON_S)
    assert (bob.hotkey, bob.tries) == (BOB, 0)
    assert run_verdict == [CAROL, ALICE]
    judge._give_verdict(bob)
    assert run_verdict == [CAROL, ALICE, BOB]


def test_who_came_first_waits_for_no_copy(world: World) -> None:
    """Of lines whose WARCs are not known yet, the earlier one goes on."""
    world.queue.add([seen(ALICE, 1), seen(BOB, 2)])
    judge = world.judge()
    bob = next(one for one in (world.queue.next(), world.queue.next({1})) if one and one.hotkey == BOB)
    judge._at_work = {1: _RunningVerdict(1), bob.id: _RunningVerdict(bob.block)}
    assert judge._may_be_copy_of_running(bob, [warc(0)])
    judge._at_work[1] = _RunningVerdict(bob.block + 1)
    assert not judge._may_be_copy_of_running(bob, [warc(0)])


def test_packets_and_merges_are_judged_without_whole_warcs(world: World) -> None:
    """Their verdicts get no WARC; of a merge every dataset is a pinned revision on the Hub, and no file of ours."""
    packet = PageChoice(where="true", root="ab" * 32, pages=7)
    places = [f"alice/web@{number:040x}/tasks/t{number}" for number in range(2)]
    inputs = [MergeInput(place=place, root=f"{number:064x}", rows=1, tokens=9) for number, place in enumerate(places)]
    merge = MergeLease.of(inputs)
    local = MergeLease.of([inputs[0], inputs[1].model_copy(update={"place": "/etc"})])
    jobs = list[Any]()
    world.verdict = lambda job: jobs.append(job) or evidence(job, "manifest", "fail")  # type: ignore[func-returns-value]
    for number, changes in enumerate((
        {"kind": "packets", "packet": packet, "warcs": [f"packets/CC-MAIN-2025-26/{packet.root}"]},
        {"kind": "merge", "merge": merge, "warcs": [merge.item("CC-MAIN-2025-26")]},
        {"kind": "merge", "merge": local, "warcs": [local.item("CC-MAIN-2025-26")]},
    )):  # fmt: skip
        leased = task(id=f"t{number}", **changes)
        told = world.subject(seen(ALICE, number))[0]
        subject = told.model_copy(update={"task": assignment_of(leased)})
        world.found = lambda _, found=(subject, leased): found  # type: ignore[misc]
        world.queue.add([seen(ALICE, number)])
        if changes.get("merge") is local:
            with pytest.raises(TaskServerError, match="'/etc' is no revision on the Hub"):
                world.judge().next()
        else:
            world.judge().next()
    assert [(job.warcs, job.heldout, job.subject.task.packet, job.subject.task.merge) for job in jobs] == [
        ((), (), packet, None), ((), (), None, merge),
    ]  # fmt: skip


def long_merge() -> Task:
    """A leased merge of so many rows that it is judged beside other lines."""
    merge = MergeLease.of(
        MergeInput(place=f"alice/web@{number:040x}/tasks/t", root=f"{number:064x}", rows=LONG_MERGE_ROWS, tokens=9)
        for number in range(2)
    )
    return task(kind="merge", merge=merge, warcs=[merge.item("CC-MAIN-2025-26")])


def test_merges_that_take_an_hour_hold_nobody_up(world: World) -> None:
    """However many are forged, they wait for each other alone: one is judged at a time, beside all other lines."""
    leased, small = long_merge(), world.subject

    def found(entry: Entry) -> Any:
        told, _ = small(entry)
        if entry.hotkey != ALICE:
            return small(entry)
        return told.model_copy(update={"task": assignment_of(leased)}), leased

    judged, begun, over = list[str](), threading.Event(), threading.Event()

    def verdict(job: Any) -> VerdictResult:
        if job.merged_rows:
            begun.set()
            assert over.wait(60)
        judged.append(job.subject.submission.hotkey)
        return evidence(job, "manifest", "fail")

    world.found, world.verdict = found, verdict
    world.queue.add([*(seen(ALICE, number) for number in range(5)), seen(BOB, 7), seen(CAROL, 8)])
    judge = world.judge()
    assert [judge.next() for _ in range(2)] == [0.0, 0.0]  # the first look finds out what they are
    slow = threading.Thread(target=lambda: judge.next(apart=True))
    slow.start()
    assert begun.wait(60)
    while judge.next() != IDLE_S:
        pass
    assert judged == [BOB, CAROL]
    over.set()
    slow.join()
    assert judged == [BOB, CAROL, ALICE] and world.queue.counts().waiting == 4
    while judge.next(apart=True) != IDLE_S:
        pass
    assert world.queue.counts().waiting == 0


def test_once_judges_the_long_merges_too(world: World) -> None:
    leased = long_merge()
    told = world.subject(seen(ALICE))[0].model_copy(update={"task": assignment_of(leased)})
    world.found = lambda _: (told, leased)
    world.verdict = lambda job: evidence(job, "manifest", "fail")
    world.queue.add([seen()])
    validator = world.validator()
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(validator._judge_all, apart=apart) for apart in (True, False)]:
            one.result(60)
    assert world.queue.counts().verdicts == {"fail": 1}
