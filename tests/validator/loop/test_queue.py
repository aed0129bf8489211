"""The queue on SQLite and PostgreSQL: a line counts once, and leaves with a verdict alone."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from finest.errors import FinestError
from finest.tasks.models import MAX_PRICE
from finest.validator.loop import queue_statements
from finest.validator.loop.lines import TOKENS_A_WARC, Counts
from finest.validator.loop.queue import DAY_S, WHY_CHARS, Queue
from finest.validator.loop.queue_statements import USUAL_WARCS
from finest.validator.loop.weights import CLAIMED

from .lines import ALICE, BOB, CAROL, CRAWL, HASH, SOON_S, following, line, seen, settled, warc


def test_a_line_counts_once(queue: Queue) -> None:
    """Whoever tells of it again, and whatever became of it; another hotkey's same line is another."""
    first, again, stolen = seen(), seen(block=300, standing=False), seen(BOB)
    assert queue.add([first, again, stolen]) == [first, stolen]
    entry = following(queue)
    assert (entry.line, entry.block, entry.standing, entry.tries) == (line(0), 100, True, 0)
    queue.record_verdict(entry, settled())
    assert queue.add([first, again]) == []
    assert queue.counts() == Counts(1, {"pass": 1})


def test_several_that_look_at_once_add_a_line_once(queue: Queue, database_url: str) -> None:
    """Two processes, so to say, that see the same hundred lines at the same moment."""
    lines = [seen(number=number) for number in range(100)]
    queues = [queue, Queue.open(database_url)]
    found: list[int] = []
    threads = [threading.Thread(target=lambda one=one: found.append(len(one.add(lines)))) for one in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queues[1].close()
    assert sum(found) == queue.counts().waiting == 100


def test_slow_submissions_delay_nobody_else(queue: Queue) -> None:
    """The oldest line comes first, until its hotkey's verdicts take more than twice as long as the others'."""
    queue.add([seen(ALICE, 0), seen(BOB, 1)])
    queue.record_verdict(following(queue), settled(cpu_s=3.0))
    assert following(queue).hotkey == BOB
    queue.record_verdict(following(queue), settled(cpu_s=2.0))
    queue.add([seen(ALICE, number) for number in range(2, 4)])
    queue.add([seen(BOB, 4)])
    assert following(queue).line == line(2)
    queue.record_verdict(following(queue), settled(cpu_s=8.0))
    assert following(queue).hotkey == BOB


def test_all_tries_cost(queue: Queue) -> None:
    """CPU seconds of verdicts that could not be given are added to those of the one that was."""
    queue.add([seen(ALICE), seen(BOB, 7)])
    entry = following(queue)
    for _ in range(3):
        queue.retry_later(entry, 0.0, "no answer", cpu_s=1.0)
    queue.record_verdict(entry, settled(cpu_s=0.5))
    queue.record_verdict(following(queue), settled(cpu_s=1.0))
    queue.add([seen(ALICE, 1), seen(BOB, 8)])
    assert following(queue).hotkey == BOB


def test_yesterday_is_forgotten(queue: Queue) -> None:
    """What a hotkey cost a day ago does not count."""
    queue.add([seen(ALICE, 0), seen(BOB, 3)])
    queue.record_verdict(following(queue), settled(cpu_s=100.0))
    queue.record_verdict(following(queue), settled(cpu_s=1.0))
    queue.add([seen(ALICE, 1), seen(BOB, 2)])
    assert following(queue).hotkey == BOB
    assert following(queue, now_s=time.time() + DAY_S + 1).hotkey == ALICE


@pytest.mark.parametrize("apart", [False, True])
def test_the_next_line_is_found_without_reading_all_lines(tmp_path: Path, apart: bool) -> None:
    """SQLite reads the lines of a day and those that wait, each by its index."""
    path = tmp_path / "queue.db"
    Queue.open(f"sqlite:///{path}").close()
    statement = str(queue_statements.NEXT[apart].compile(dialect=sqlite.dialect()))
    with closing(sqlite3.connect(path)) as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {statement}", [1] * statement.count("?")).fetchall()
    steps = [step for *_, step in plan if "validator_submissions" in step]
    assert len(steps) == 2
    assert all(step.startswith("SEARCH") for step in steps), steps


def test_a_long_verdict_makes_no_hotkey_slow(queue: Queue) -> None:
    """A line that is judged apart is nobody else's next one, and its CPU time delays no other line of its hotkey."""
    queue.add([seen(ALICE, 0), seen(ALICE, 2), seen(BOB, 1)])
    queue.set_apart(following(queue))
    assert [following(queue).hotkey, following(queue, now_s=SOON_S).block] == [BOB, 101]
    long = queue.next(apart=True)
    assert long is not None and (long.hotkey, long.block) == (ALICE, 100)
    queue.record_verdict(following(queue), settled(cpu_s=1.0))
    queue.record_verdict(long, settled(cpu_s=4_000.0))
    queue.add([seen(BOB, 3)])
    assert following(queue).hotkey == ALICE
    assert queue.next(apart=True) is None


def test_what_is_put_off_waits(queue: Queue) -> None:
    """Until it is due; only what was really tried counts as a try."""
    queue.add([seen()], now_s=0.0)
    entry = following(queue)
    queue.retry_later(entry, 60.0, "its block is not final", tried=False)
    assert queue.next() is None
    again = following(queue, now_s=SOON_S)
    assert (again.tries, again.why) == (0, "its block is not final")
    due_s = queue.next_due_s()
    assert due_s is not None
    assert 0 < due_s - time.time() <= 60
    queue.retry_later(again, 0.0, "the Hub is away")
    assert (following(queue).tries, following(queue).why) == (1, "the Hub is away")


def test_it_leaves_with_a_verdict_alone(queue: Queue) -> None:
    """However often it is put off; after its verdict nothing is due."""
    queue.add([seen()])
    for number in range(10):
        queue.retry_later(following(queue, now_s=SOON_S), 1e6, f"try {number}")
    assert queue.counts() == Counts(1, {})
    queue.record_verdict(following(queue, now_s=SOON_S), settled(verdict="no_evidence", total=0.0))
    assert queue.next(now_s=SOON_S) is None
    assert queue.next_due_s() is None
    assert queue.counts() == Counts(0, {"no_evidence": 1})


def test_what_is_busy_is_given_to_nobody_else(queue: Queue) -> None:
    """As long as its number is named."""
    queue.add([seen(ALICE, 0), seen(ALICE, 1)])
    first = following(queue)
    second = following(queue, first.id)
    assert second.id != first.id
    assert queue.next({first.id, second.id}) is None
    assert following(queue) == first


def test_verdicts_are_told_until_they_are_heard(queue: Queue) -> None:
    """The oldest first; of what is no task's the task server hears nothing."""
    queue.add([seen(ALICE, 0), seen(BOB, 1), seen(CAROL, 2)])
    for task_id, block in (("t1", 300), (None, 250), ("t2", 200)):
        queue.record_verdict(following(queue), settled(task_id=task_id, block=block))
    reports = queue.unreported()
    assert [(one.task_id, one.verdict, one.total, one.evidence_sha256, one.why) for one in reports] == [
        ("t2", "pass", 0.9, HASH, "so"), ("t1", "pass", 0.9, HASH, "so"),
    ]  # fmt: skip
    queue.reported(reports[0])
    assert [one.task_id for one in queue.unreported()] == ["t1"]


def test_an_adopted_dataset_that_is_gone_has_no_evidence(queue: Queue) -> None:
    """Nobody here judged it: an empty hash would be refused, and no verdict after it would ever be reported."""
    queue.add([seen()])
    queue.record_verdict(following(queue), replace(settled(task_id="t1"), evidence_sha256=""), own=False)
    (line,) = queue.paid_lines(0)
    queue.forfeit(line, "it is gone")
    (report,) = queue.unreported()
    assert (report.verdict, report.evidence_sha256) == ("fail", None)


def test_who_commits_much_waits_no_longer_than_who_commits_little(queue: Queue) -> None:
    """A validator that cannot keep up judged small hotkeys first, and large ones were paid 0.78 for equal work."""
    queue.add([seen(BOB if number % 5 == 4 else ALICE, number, block=100 + number) for number in reversed(range(10))])
    blocks = []
    for _ in range(10):
        entry = following(queue)
        blocks.append(entry.block)
        queue.record_verdict(entry, settled(cpu_s=60.0))
    assert blocks == list(range(100, 110))


def test_the_size_of_a_task_is_known_before_its_line_is_drawn(queue: Queue) -> None:
    """Every draw depends on it. The task server names it, also for a line that the chain showed first."""
    assert len(queue.add([seen(ALICE, 0)])) == 1
    assert queue.sizes(0, 200) == {ALICE: {USUAL_WARCS: 1}}
    assert queue.add([seen(ALICE, 0, size=16, standing=False)]) == []
    assert len(queue.add([seen(ALICE, 1, size=64)])) == 1
    assert queue.sizes(0, 200) == {ALICE: {16: 1, 64: 1}}


def test_what_is_forfeit_weighs_as_much_as_it_was_paid_for(queue: Queue) -> None:
    """A task that was drawn stands for others like it; one that was left out, for itself."""
    queue.add([seen(ALICE, 0), seen(ALICE, 1)])
    drawn = following(queue)
    queue.set_share(drawn, 0.25, 1)
    queue.record_verdict(drawn, settled())
    queue.leave_out(following(queue), 0.25, "t2", (warc(1),), 200)
    for paid in queue.paid_lines(0):
        queue.forfeit(paid, "it is gone")
    assert [(past.verdict, past.work) for past in queue.past(0)] == [("fail", 4.0), ("fail", 1.0)]


def test_words_of_strangers_are_kept_as_they_can_be(queue: Queue) -> None:
    """A row's id may hold what PostgreSQL does not take: its miner would never have a verdict."""
    queue.add([seen()])
    queue.retry_later(following(queue), 0.0, "row 1 (a\x00b)")
    queue.record_verdict(following(queue), settled(why="row 1 (a\x00b)" + "x" * 2000))
    (report,) = queue.unreported()
    assert report.why.startswith("row 1 (a\ufffdb)xxx")
    assert len(report.why) == WHY_CHARS + 1


def test_everything_survives_a_restart(queue: Queue, database_url: str) -> None:
    """What waits, what was judged, and what nobody has heard yet."""
    queue.add([seen(ALICE, 0), seen(BOB, 1)])
    queue.record_verdict(following(queue), settled())
    queue.retry_later(following(queue), 1e6, "later")
    before = (queue.counts(), queue.past(0), queue.unreported(), queue.next(now_s=SOON_S), queue.next_due_s())
    queue.close()
    again = Queue.open(database_url)
    assert (again.counts(), again.past(0), again.unreported(), again.next(now_s=SOON_S), again.next_due_s()) == before
    assert again.add([seen(ALICE, 0), seen(BOB, 1)]) == []
    again.close()


def test_the_past_is_in_the_order_of_the_commitments(queue: Queue) -> None:
    """Not of the verdicts; older ones are left out, and so is what waits."""
    queue.add([seen(ALICE, number) for number in range(4)])
    queue.record_verdict(following(queue), settled(block=900, warcs=(warc(0), warc(1))))
    second = following(queue)
    third = following(queue, second.id)
    queue.record_verdict(third, settled(block=800, verdict="fail", total=0.0, forged=True))
    queue.record_verdict(second, settled(block=1000))
    found = [(past.block, past.judged_block, past.verdict, past.forged, past.warcs) for past in queue.past(0)]
    assert found == [(100, 900, "pass", False, 2), (101, 1000, "pass", False, 1), (102, 800, "fail", True, 1)]
    assert [past.block for past in queue.past(900)] == [100, 101]
    assert queue.last_block() == 1000


def test_an_empty_queue_answers(queue: Queue) -> None:
    """Nothing to do, nothing to tell, block 0."""
    assert (queue.next(), queue.next_due_s(), queue.unreported(), queue.past(0)) == (None, None, [], [])
    assert (queue.last_block(), queue.counts(), queue.add([])) == (0, Counts(0, {}), [])


def test_warcs_that_were_judged_are_known_by_crawl(queue: Queue) -> None:
    """Those of other crawls are not read; `_` and `%` in a name are themselves."""
    queue.add([seen(ALICE, number) for number in range(2)])
    queue.record_verdict(following(queue), settled(warcs=(warc(0), warc(1), warc(2, "CC-MAIN-2024-10"))))
    queue.record_verdict(following(queue), settled(warcs=(), task_id=None))
    assert queue.assigned(CRAWL) == {warc(0), warc(1)}
    assert queue.assigned("CC-MAIN-2024-10") == {warc(2, "CC-MAIN-2024-10")}
    assert queue.assigned("CC-MAIN-202_-%") == set()


def test_what_was_drawn_and_has_no_verdict_yet_is_without_evidence(queue: Queue) -> None:
    """Until it has one; what was never tried is not among the verdicts."""
    queue.add([seen(ALICE, 0), seen(ALICE, 1)])
    first = following(queue)
    queue.set_share(first, 0.5, 3)
    assert queue.past(0) == []
    queue.retry_later(first, 1e6, "over the budget")
    (past,) = queue.past(0)
    assert (past.verdict, past.warcs, past.share, past.value) == ("no_evidence", 3, 0.5, 0.0)


def test_lines_that_can_no_longer_be_paid_leave_unjudged(queue: Queue) -> None:
    """They cost those that can be paid their turn; what was tried already keeps its tries."""
    queue.add([seen(ALICE, 0), seen(ALICE, 1), seen(BOB, 50)])
    tried = following(queue)
    queue.retry_later(tried, 0.0, "the Hub is away")
    assert queue.expire(140, 7340) == 1
    assert queue.counts() == Counts(2, {CLAIMED: 1})
    assert [(past.verdict, past.warcs) for past in queue.past(0)] == [(CLAIMED, 0)]
    assert queue.unreported() == []


def test_a_database_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its verdicts are paid by the usual tokens of their WARCs."""
    url = f"sqlite:///{tmp_path / 'validator.db'}"
    queue = Queue.open(url)
    queue.add([seen(ALICE, 0), seen(ALICE, 1)])
    queue.record_verdict(following(queue), settled(warcs=(warc(0), warc(1))))
    queue.close()
    with sqlite3.connect(tmp_path / "validator.db") as file:
        file.execute("DROP INDEX ix_validator_block")
        for name in ("size", "tokens", "share"):
            file.execute(f"ALTER TABLE validator_submissions DROP COLUMN {name}")
    file.close()
    again = Queue.open(url)
    (past,) = again.past(0)
    assert (past.warcs, past.tokens, past.share) == (2, 2 * TOKENS_A_WARC, 1.0)
    assert again.sizes(0, 10_000) == {ALICE: {USUAL_WARCS: 2}}
    again.record_verdict(following(again), settled())
    again.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "postgresql://finest:secret@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_had_is_said_in_one_line(url: str) -> None:
    """With the flag that names it, and without the password."""
    with pytest.raises(FinestError, match="--database") as raised:
        Queue.open(url)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    """Not a traceback of SQLite's."""
    path = tmp_path / "validator.db"
    path.write_bytes(b"this is no database, whatever it is called\n" * 100)
    with pytest.raises(FinestError, match="not a database"):
        Queue.open(f"sqlite:///{path}")


def test_a_verdict_is_paid_at_the_price_of_its_work(queue: Queue) -> None:
    """A price multiplies the verified tokens that weights count, up to a limit; reported tokens stay as counted."""
    for number, price in enumerate((1.0, 2.5, 0.5, 1e9, -3.0)):
        queue.add([seen(number=number)])
        queue.record_verdict(following(queue), settled(tokens=1000.0, price=price))
    assert [past.tokens for past in queue.past(0)] == [1000.0, 2500.0, 500.0, MAX_PRICE * 1000.0, 0.0]
    assert {report.tokens for report in queue.unreported()} == {1000.0}
