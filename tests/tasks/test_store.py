"""The store: its tables, its database, imports, finishes, scores, nonces; on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event

from finest.database import Database
from finest.errors import FinestError, TaskServerUnavailable, UsageError
from finest.tasks import store as store_module
from finest.tasks import tables
from finest.tasks.migrate import TABLES
from finest.tasks.models import Rules, ScoreRequest, TaskState
from finest.tasks.problems import Problem
from finest.tasks.store import Store
from tests.tasks.postgres import Cluster
from tests.tasks.samples import CRAWL, look, paths, published

A, B = "5Alice", "5Bob"
PASS = ScoreRequest(verdict="pass", score=0.75)


def refused(problem: pytest.ExceptionInfo[Problem]) -> str:
    return problem.value.name


def indexes(connection: sa.Connection) -> set[tuple[str, str]]:
    """Every index with its definition, conditions and all, as the database has them."""
    lists = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }
    rows = connection.exec_driver_sql(lists[connection.dialect.name])
    return {(name, " ".join(sql.split())) for name, sql in rows if "alembic" not in name}


@pytest.mark.parametrize("tables", [""])
def test_migrations_give_the_tables(database_url: str) -> None:
    """The tables after all migrations are those of tables.py, with their indexes' conditions."""
    database = Database.open(database_url, TABLES)

    def compare(connection: sa.Connection) -> set[tuple[str, str]]:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        return indexes(connection)

    def make_anew(connection: sa.Connection) -> set[tuple[str, str]]:
        tables.metadata.drop_all(connection)
        tables.metadata.create_all(connection)
        return indexes(connection)

    migrated = database.read(compare)
    assert migrated == database.write(make_anew)
    database.close()


def test_tables_of_this_version_are_not_migrated(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting on them needs no Alembic, and changes nothing."""
    monkeypatch.setattr("alembic.command.upgrade", None)
    Store.open(database_url, Rules()).close()


@pytest.mark.parametrize("tables", [""])
def test_servers_may_start_at_once(database_url: str) -> None:
    """Eight stores opened at the same moment on an empty database all work."""
    failures: list[BaseException] = []

    def start() -> None:
        try:
            store = Store.open(database_url, Rules())
            store.add_warcs(CRAWL, paths(3))
            store.close()
        except BaseException as error:
            failures.append(error)

    together([start] * 8)
    assert failures == []
    store = Store.open(database_url, Rules())
    assert store.statistics(1).crawls[0].warcs == 3
    store.close()


def together(acts: list[object]) -> None:
    threads = [threading.Thread(target=act) for act in acts]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "redis://:secret@h",
     "postgresql://u:half@secret@127.0.0.1:1/d"],
)  # fmt: skip
def test_a_wrong_address_is_one_line(url: str) -> None:
    """The error for a text that is no address of a database does not quote it."""
    with pytest.raises(UsageError) as error:
        Store.open(url, Rules())
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:secret@127.0.0.1:1/d", "postgresql://127.0.0.1:1/d?user=u&password=secret",
     "sqlite:////nowhere/at/all.db"],
)  # fmt: skip
def test_an_unreachable_database_is_one_line(url: str) -> None:
    """A database that cannot be reached is named, its password is not."""
    with pytest.raises(TaskServerUnavailable) as error:
        Store.open(url, Rules())
    assert "secret" not in str(error.value) and "\n" not in str(error.value)
    assert "DATABASE_URL" in str(error.value)


def test_a_refused_password_is_not_said(cluster: Cluster) -> None:
    """PostgreSQL's own refusal is one line too."""
    url = cluster.url("nowhere").replace("finest@", "finest:secret@")
    with pytest.raises(FinestError) as error:
        Store.open(url, Rules())
    assert "secret" not in str(error.value) and "nowhere" in str(error.value)


def test_a_database_of_a_newer_version_is_left_alone(database_url: str) -> None:
    """Tables with a migration that this version does not know are not touched."""
    database = Database.open(database_url, TABLES)
    database.write(lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(UsageError, match="newer version"):
        Store.open(database_url, Rules())


def test_a_restarted_database_is_met_again(postgres_url: str) -> None:
    """When PostgreSQL has closed all connections, the next request makes a new one, and nobody sees a failure."""
    store = Store.open(postgres_url, Rules())
    store.add_warcs(CRAWL, paths(2))
    task = store.lease(A, 1, 100)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert store.lease(A, 1, 101).id == task.id
    store.close()


def test_imports_are_idempotent(store: Store) -> None:
    """Paths are known once, in the order in which they came."""
    assert store.add_warcs(CRAWL, paths(5)) == 5
    assert store.add_warcs(CRAWL, iter(paths(7))) == 2
    assert [path for (path,) in look(store, sa.select(tables.warcs.c.path).order_by(tables.warcs.c.id))] == paths(7)


def test_a_task_from_lease_to_score(store: Store) -> None:
    """The whole way of a task, and every step of it in the events."""
    store.add_warcs(CRAWL, paths(4))
    task = store.lease(A, 2, 100)
    assert (task.state, len(task.warcs), task.expires_block) == (TaskState.LEASED, 2, 1900)
    assert store.renew(A, task.id, 200).expires_block == 2000
    done = store.finish(A, task.id, **published(), block=300)
    assert done == store.finish(A, task.id, **published(), block=300)
    assert (done.state, done.closed_block, done.commitment) == (TaskState.FINISHED, 300, published()["commitment"])
    assert store.task_by_commitment(A, published()["commitment"], 300) == done
    scored = store.report(B, task.id, PASS, 310)
    assert scored == store.report(B, task.id, PASS, 310) == store.task(task.id, 310)
    assert [score.model_dump(include={"validator", "verdict", "score"}) for score in scored.scores] == [
        {"validator": B, "verdict": "pass", "score": 0.75}
    ]
    told = tables.events.c
    assert look(store, sa.select(told.block, told.hotkey, told.what).order_by(told.id)) == [
        (0, "", "imported"), (100, A, "leased"), (200, A, "renewed"), (300, A, "finished"), (310, B, "scored"),
    ]  # fmt: skip


def test_a_finished_task_never_changes(store: Store) -> None:
    """A finished task takes no other result; a result finishes one task; a renewal of it changes nothing."""
    store.add_warcs(CRAWL, paths(8))
    task = store.lease(A, 4, 100)
    done = store.finish(A, task.id, **published(), block=110)
    with pytest.raises(Problem) as problem:
        store.finish(A, task.id, **published(2), block=120)
    assert refused(problem) == "already-finished"
    with pytest.raises(Problem) as problem:
        store.release(A, task.id, 120)
    assert refused(problem) == "already-finished"
    other = store.lease(A, 4, 120)
    with pytest.raises(Problem) as problem:
        store.finish(A, other.id, **published(), block=130)
    assert refused(problem) == "already-finished"
    assert store.renew(A, task.id, 110) == done
    assert store.lease(A, 4, 140).id == other.id


def test_a_released_task_is_closed(store: Store) -> None:
    """Released WARCs are open at once; the task is closed to its miner, and a release said again is the same."""
    store.add_warcs(CRAWL, paths(2))
    task = store.lease(A, 2, 100)
    released = store.release(A, task.id, 101)
    assert released == store.release(A, task.id, 101)
    assert released.state == TaskState.RELEASED
    for act in (lambda: store.renew(A, task.id, 102), lambda: store.finish(A, task.id, **published(), block=102)):
        with pytest.raises(Problem) as problem:
            act()
        assert refused(problem) == "task-closed"
    assert store.lease(B, 2, 102).warcs == task.warcs


def test_a_task_belongs_to_its_miner(store: Store) -> None:
    """Nobody renews, finishes or releases another's task, nor one that is not there."""
    store.add_warcs(CRAWL, paths(2))
    task = store.lease(A, 1, 100)
    for task_id, name in ((task.id, "not-yours"), ("0" * 32, "not-found"), ("\x00", "not-found"), ("x", "not-found")):
        with pytest.raises(Problem, match=name):
            store.renew(B, task_id, 101)
        with pytest.raises(Problem, match=name):
            store.finish(B, task_id, **published(), block=101)
        with pytest.raises(Problem, match=name):
            store.release(B, task_id, 101)
        with pytest.raises(Problem, match=name):
            store.lease(B, 1, 101, besides=task_id)
    with pytest.raises(Problem) as problem:
        store.report(B, task.id, PASS, 101)
    assert refused(problem) == "not-finished"


def test_worth_leads_and_not_how_much_was_finished(store: Store) -> None:
    """Whoever finishes most and cheats is below whoever did little well."""
    store.add_warcs(CRAWL, paths(5))
    for number, (hotkey, warcs, score) in enumerate([(A, 4, 0.0), (B, 1, 0.5)]):
        task = store.lease(hotkey, warcs, 100)
        store.finish(hotkey, task.id, **published(number), block=101)
        verdict = ScoreRequest(verdict="pass" if score else "fail", score=score, tokens=1000 if score else 0)
        store.report("5V", task.id, verdict, 102)
    assert [leader.hotkey for leader in store.leaderboard(10)] == [B, A]


def test_the_last_score_of_each_validator_counts(store: Store) -> None:
    """Scores are kept all; sums are made over the last of each validator, without those that saw no evidence.

    WARCs that a fail has opened stay open when somebody passes them afterwards.
    """
    store.add_warcs(CRAWL, paths(8))
    ids = []
    for number in range(2):
        task = store.lease(A, 4, 100)
        store.finish(A, task.id, **published(number), block=100 + number)
        ids.append(task.id)
    store.finish(B, store.add_warcs(CRAWL, paths(1, first=8)) and store.lease(B, 4, 100).id, **published(3), block=109)
    store.report("5V", ids[0], PASS, 110)
    store.report("5V", ids[0], ScoreRequest(verdict="fail", score=0.0, note="rows invented"), 111)
    store.report("5W", ids[0], ScoreRequest(verdict="pass", score=1.0), 111)
    store.report("5V", ids[1], ScoreRequest(verdict="no_evidence", score=0.0), 112)
    (first, second) = store.leaderboard(10)
    assert first.model_dump() == {
        "hotkey": A, "paid_tokens": 0, "finished_tasks": 2, "finished_warcs": 8, "mean_score": 0.5,
        "last_finished_block": 101,
    }  # fmt: skip
    assert (second.hotkey, second.mean_score) == (B, None)
    told = look(store, sa.select(tables.events.c.detail).where(tables.events.c.what == "scored"))
    assert [detail["verdict"] for (detail,) in told] == ["pass", "fail", "pass", "no_evidence"]
    statistics = store.statistics(120)
    assert statistics.scores == {"fail": 1, "pass": 1, "no_evidence": 1}
    assert statistics.tasks == {TaskState.FINISHED: 3} and statistics.miners == 2
    assert [crawl.model_dump() for crawl in statistics.crawls] == [
        {
            "crawl": CRAWL,
            "kind": "crawl",
            "language": None,
            "recipe": None,
            "price": 1.0,
            "warcs": 9,
            "open": 4,
            "leased": 0,
            "finished": 5,
        }
    ]


def test_pages_of_tasks(store: Store) -> None:
    """Tasks come newest first, each once, however they are paged and filtered."""
    store.add_warcs(CRAWL, paths(6))
    ids = [store.lease(f"5Miner{number}", 1, 100).id for number in range(6)][::-1]
    store.release("5Miner0", ids[-1], 101)
    seen, after = [], None
    while True:
        page = store.tasks(102, after=after, limit=4)
        seen += [task.id for task in page.tasks]
        after = page.next
        if after is None:
            break
    assert seen == sorted(ids, reverse=True)
    assert {task.id for task in store.tasks(102, state=TaskState.LEASED).tasks} == set(ids[:-1])
    assert [task.id for task in store.tasks(102, hotkey="5Miner3").tasks] == [ids[2]]
    with pytest.raises(Problem) as problem:
        store.tasks(102, after="\x00")
    assert refused(problem) == "invalid-request"


def test_a_nonce_is_new_once(database_url: str) -> None:
    """A nonce seen by one server process is known to all; of old ones the newest of each hotkey stays as a mark."""
    one, other = Store.open(database_url, Rules()), Store.open(database_url, Rules())
    assert one.accept_nonce(A, 1, 10_000.0)
    assert not other.accept_nonce(A, 1, 10_001.0)
    assert other.accept_nonce(A, 3, 10_001.0)
    assert other.accept_nonce(B, 1, 10_001.0)
    assert one.accept_nonce(A, 4, 20_000.0)
    rows = look(one, sa.select(tables.nonces.c.hotkey, tables.nonces.c.nonce_ns, tables.nonces.c.seen_s))
    assert sorted(rows) == [(A, 3, 0.0), (A, 4, 20_000.0), (B, 1, 0.0)]
    assert one.accept_nonce(A, 5, 30_000.0)
    assert sorted(row[1] for row in look(one, sa.select(tables.nonces))) == [1, 4, 5]
    one.close()
    other.close()


@pytest.mark.parametrize("step_s", [-86_400.0, -3000.0, -60.0, 60.0, 3000.0, 86_400.0])
def test_a_replay_after_the_clock_was_set(store: Store, step_s: float) -> None:
    """A signature that was accepted is accepted no more, however the clock is set and set back; a new one always is."""
    at = [1_000_000.0, 1_000_010.0]
    for now_s in at:
        assert store.accept_nonce(A, int(now_s * 1e9), now_s)
    set_s = at[1] + step_s
    assert store.accept_nonce(B, int(set_s * 1e9), set_s)  # which purges by the clock as it is now
    back_s = at[1] + 20
    for now_s in (set_s + 1, back_s):
        assert not any(store.accept_nonce(A, int(one * 1e9), now_s) for one in at)
    assert store.accept_nonce(A, int(back_s * 1e9), back_s)


def test_a_clock_that_was_ahead_for_hours(store: Store) -> None:
    """Set right by less than an hour, it keeps nobody out: every nonce of that hour is known by itself."""
    began_s = 1_000_000.0
    for minute in range(300):
        now_s = began_s + 60 * minute
        assert store.accept_nonce(A, int(now_s * 1e9), now_s)
    right_s = now_s - 3000.5
    assert store.accept_nonce(A, int(right_s * 1e9), right_s)
    assert not store.accept_nonce(A, int((now_s - 3000) * 1e9), right_s)


def full_disk(folder: Path) -> Iterator[Path]:
    """A disk of one megabyte of memory."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_unhealthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room on SQLite's disk is said before it is full, and a write that fails is said, too."""
    with contextmanager(full_disk)(tmp_path) as disk:
        store = Store.open(f"sqlite:///{disk}/tasks.db", Rules())
        assert "the database's disk is full: 0 MiB are left" in store.check()
        monkeypatch.setattr(store_module, "MIN_FREE_BYTES", 0)
        assert store.check() == ""
        with suppress(OSError), (disk / "rest").open("wb", buffering=0) as rest:
            while rest.write(b"x" * 4096):
                pass
        said = ""
        for _ in range(200):  # until SQLite's log has no room left of its own
            said = said or store.check()
        assert said == "the database's disk is full"
        (disk / "rest").unlink()
        assert store.check() == ""
        store.close()


def test_a_read_only_database_is_unhealthy(tmp_path: Path) -> None:
    """It answers whoever reads, and can lease nothing."""
    store = Store.open(f"sqlite:///{tmp_path}/tasks.db", Rules())
    assert store.check() == ""
    event.listen(store._database._engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON"))
    store._database._engine.dispose()
    assert store.check() == "the database is read-only"
    store.close()


def test_a_nonce_is_new_to_one_of_many(store: Store) -> None:
    """If sixteen requests send the same nonce at the same moment, one of them is new."""
    answers: list[bool] = []
    together([lambda: answers.append(store.accept_nonce(A, 7, 1000.0))] * 16)
    assert sorted(answers) == [False] * 15 + [True]
