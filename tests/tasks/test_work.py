"""Work never ends with a crawl: languages and refinements with a price, leased by price and then by age."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from finest.database import Database
from finest.errors import UsageError
from finest.tasks import migrate
from finest.tasks.check_log import check_log
from finest.tasks.models import LeaseRequest, ReferenceRecipe, Rules, ScoreRequest, Task
from finest.tasks.problems import Problem
from finest.tasks.reference import in_force
from finest.tasks.store import Store
from finest.tasks.work import NewWork
from tests.tasks.samples import CRAWL, paths, published

A, B, C = "5Alice", "5Bob", "5Carol"
OLD, NEW = "a" * 64, "b" * 64
OTHER = "CC-MAIN-2024-10"
GERMAN = NewWork(CRAWL, "fineweb-2", NEW, "deu_Latn")
AGAIN = NewWork(CRAWL, "finest", OLD)


def finished(store: Store, hotkey: str, task: Task, number: int) -> Task:
    return store.finish(hotkey, task.id, **published(number), block=101)


def passed(store: Store, task: Task, validator: str, tokens: int, score: float = 0.5) -> None:
    store.report(validator, task.id, ScoreRequest(verdict="pass", score=score, tokens=tokens), 102)


def test_the_highest_price_first_then_the_oldest(store: Store) -> None:
    """Whatever was added last; among equal prices the older work comes first."""
    store.add_warcs(CRAWL, paths(2))
    store.add_warcs(OTHER, paths(2, OTHER))
    store.add_work(GERMAN, 2.0)
    assert [one.crawl for one in store.crawls()] == [GERMAN.name, CRAWL, OTHER]
    store.set_price(OTHER, 3.0)
    got = [store.lease(f"5M{number}", 2, 100, recipes=[NEW]) for number in range(3)]
    assert [(task.crawl, task.kind, task.language, task.price) for task in got] == [
        (OTHER, "crawl", None, 3.0), (CRAWL, "language", "deu_Latn", 2.0), (CRAWL, "crawl", None, 1.0),
    ]  # fmt: skip
    assert got[1].warcs == got[2].warcs and (got[1].recipe, got[1].recipe_hash) == ("fineweb-2", NEW)
    with pytest.raises(Problem, match="every WARC"):
        store.lease("5Late", 1, 100, recipes=[NEW])


def test_work_with_a_recipe_goes_to_miners_that_have_it(store: Store) -> None:
    """Another miner gets the next work, and no lease that it could only fail."""
    store.add_warcs(CRAWL, paths(1))
    store.add_work(GERMAN, 5.0)
    assert store.lease(A, 1, 100, recipes=[OLD]).kind == "crawl"
    with pytest.raises(Problem, match="every WARC"):
        store.lease(B, 1, 100)
    assert store.lease(B, 1, 100, recipes=[OLD, NEW]).kind == "language"


def test_a_crawl_is_asked_for_with_all_its_work(store: Store) -> None:
    """By the crawl's name or by the work's own."""
    store.add_warcs(CRAWL, paths(1))
    store.add_warcs(OTHER, paths(1, OTHER))
    store.set_price(OTHER, 9.0)
    store.add_work(GERMAN, 2.0)
    LeaseRequest(crawl=GERMAN.name)
    assert store.lease(A, 1, 100, crawl=CRAWL, recipes=[NEW]).language == "deu_Latn"
    assert store.lease(B, 1, 100, crawl=CRAWL, recipes=[NEW]).kind == "crawl"
    with pytest.raises(Problem, match="every WARC"):
        store.lease(C, 1, 100, crawl=GERMAN.name, recipes=[NEW])


def test_a_refinement_is_of_what_is_finished(store: Store) -> None:
    """A task that is finished later was refined with the new recipe already, so it is not paid twice."""
    store.add_warcs(CRAWL, paths(3))
    with pytest.raises(UsageError, match="nothing of"):
        store.add_work(AGAIN, 1.0)
    done = finished(store, A, store.lease(A, 2, 100), 1)
    assert store.add_work(AGAIN, 4.0) == 2
    assert finished(store, B, store.lease(B, 3, 100, recipes=[OLD]), 2).warcs == done.warcs
    finished(store, A, store.lease(A, 1, 100), 3)
    assert store.add_work(AGAIN, 4.0) == 0
    refinement = next(one for one in store.crawls() if one.kind == "refinement")
    assert (refinement.warcs, refinement.finished) == (2, 2)


@pytest.mark.parametrize("price", [0.0, -1.0, 10.5, float("nan"), float("inf")])
def test_prices_are_bounded(store: Store, price: float) -> None:
    """A mistyped price does not give one task the whole pay."""
    store.add_warcs(CRAWL, paths(1))
    for setting in (lambda: store.set_price(CRAWL, price), lambda: store.add_work(GERMAN, price)):
        with pytest.raises(UsageError, match="a price is above 0"):
            setting()


def test_a_task_keeps_its_price(store: Store) -> None:
    """An operator that lowers the price of work cannot lower the pay of what is leased already."""
    store.add_warcs(CRAWL, paths(2))
    store.set_price(CRAWL, 2.0)
    task = store.lease(A, 1, 100)
    store.set_price(CRAWL, 0.5)
    assert store.task(task.id, 100).price == 2.0
    assert store.lease(B, 1, 100).price == 0.5


def test_the_leaderboard_ranks_by_tokens_paid(store: Store) -> None:
    """Score x verified tokens x price, and not WARCs: whoever splits its work or claims many WARCs gains nothing."""
    store.add_warcs(CRAWL, paths(7))
    for number, (hotkey, warcs, tokens, price) in enumerate([(A, 5, 1000, 1.0), (B, 1, 900, 2.0), (C, 1, 900, 1.0)]):
        store.set_price(CRAWL, price)
        passed(store, finished(store, hotkey, store.lease(hotkey, warcs, 100), number), "5V", tokens)
    leaders = store.leaderboard(10)
    assert [(one.hotkey, one.paid_tokens, one.finished_warcs) for one in leaders] == [
        (B, 900, 1),
        (A, 500, 5),
        (C, 450, 1),
    ]


def test_no_single_validator_raises_a_rank(store: Store) -> None:
    """Not even with a claim of 10^15 tokens: the lower median of the verdicts counts."""
    store.add_warcs(CRAWL, paths(2))
    alone = finished(store, A, store.lease(A, 1, 100), 1)
    passed(store, alone, "5V", 1000)
    passed(store, alone, "5Friend", 10**15, 1.0)
    assert store.leaderboard(1)[0].paid_tokens == 500
    store.report("5W", alone.id, ScoreRequest(verdict="fail", score=0.0), 103)
    assert store.leaderboard(1)[0].paid_tokens == 500


@pytest.mark.parametrize("rules", [Rules(redundancy=1)])
def test_the_log_tells_work_on_the_same_warcs_apart(store: Store) -> None:
    """A WARC of two works may be leased twice, once for each; the entry of each lease states its price."""
    store.add_warcs(CRAWL, paths(1))
    store.add_work(GERMAN, 2.0)
    for hotkey in (A, B):
        store.lease(hotkey, 1, 100, recipes=[NEW])
    entries = store.log(0, 10).entries
    assert check_log(entries).events == {"imported": 2, "leased": 2}
    leases = [entry.detail for entry in entries if entry.what == "leased"]
    assert [(one.get("work"), one["price"]) for one in leases] == [(GERMAN.name, 2.0), (None, 1.0)]


def test_work_and_references_share_one_list_of_recipes(store: Store) -> None:
    """A recipe is listed once, with its source; work that names it does not make it the reference of its language."""
    store.add_warcs(CRAWL, paths(1))
    store.add_recipe(ReferenceRecipe(name="better", hash="c" * 64, source="alice/better@" + "1" * 40, since_block=50))
    store.add_work(GERMAN, 1.0)
    store.add_work(replace(GERMAN, recipe="best", recipe_hash="d" * 64, source="bob/best@" + "2" * 40), 1.0)
    store.add_work(replace(GERMAN, recipe="better", recipe_hash="c" * 64, language="nob_Latn"), 2.0)
    listed = store.recipes()
    assert [(one.name, one.source, one.language, one.since_block) for one in listed] == [
        ("better", "alice/better@" + "1" * 40, "eng_Latn", 50), ("fineweb-2", "fineweb-2", "deu_Latn", None),
        ("best", "bob/best@" + "2" * 40, "deu_Latn", None),
    ]  # fmt: skip
    assert in_force(listed, 100, "deu_Latn") is None
    english = in_force(listed, 100, "eng_Latn")
    assert english is not None and english.name == "better"
    task = store.lease(A, 1, 100, recipes=["c" * 64])
    assert (task.recipe, task.recipe_hash, task.language) == ("better", "c" * 64, "nob_Latn")
    assert store.add_recipe(ReferenceRecipe(name="best", hash="d" * 64, source="best", since_block=60))


@pytest.mark.parametrize("tables", [""])
def test_recipes_of_earlier_work_enter_the_list(database_url: str) -> None:
    """Each once, by its hash; those that were references already stay so, and tasks name what they named."""
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))

    def prepare(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        connection.exec_driver_sql(
            "INSERT INTO recipes (name, recipe_hash, source, language, since_block) "
            f"VALUES ('finest', '{OLD}', 'finest', 'eng_Latn', 7)"
        )
        for number, (kind, language, recipe) in enumerate(
            [("crawl", "NULL", "NULL, NULL"), ("refinement", "NULL", f"'finest', '{OLD}'")]
            + [("language", f"'{code}'", f"'fineweb-2', '{NEW}'") for code in ("deu_Latn", "de")]
        ):  # fmt: skip
            name = CRAWL if kind == "crawl" else f"{CRAWL}.{number}"
            connection.exec_driver_sql(
                "INSERT INTO crawls (name, kind, crawl, language, recipe, recipe_hash) "
                f"VALUES ('{name}', '{kind}', '{CRAWL}', {language}, {recipe})"
            )

    Database.open(database_url, replace(migrate.TABLES, prepare=prepare)).close()
    store = Store.open(database_url, Rules())
    assert [(one.name, one.hash, one.language, one.since_block) for one in store.recipes()] == [
        ("finest", OLD, "eng_Latn", 7), ("fineweb-2", NEW, "deu_Latn", None),
    ]  # fmt: skip
    assert [one.recipe for one in store.crawls()] == [None, "finest", "fineweb-2", "fineweb-2"]
    store.close()


@pytest.mark.parametrize("tables", [""])
def test_an_older_database_keeps_its_claims(database_url: str) -> None:
    """The migration makes the table of WARCs anew on SQLite, and loses neither a lease nor what was finished."""
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))

    def prepare(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        leased = f"'{'1' * 32}', 100, 100, 'leased', 0, 1, 100, 1900"
        for table, columns, values in (
            ("crawls", "id, name, warcs", f"100, '{CRAWL}', 2"),
            ("miners", "id, hotkey, last_block", "100, '5Alice', 100"),
            ("warcs", "id, crawl_id, path, claims, open", f"100, 100, '{paths(2)[0]}', 1, false"),
            ("warcs", "id, crawl_id, path", f"101, 100, '{paths(2)[1]}'"),
            ("tasks", "id, miner_id, crawl_id, state, slot, warcs, leased_block, expires_block", leased),
            ("claims", "task_id, warc_id, miner_id", f"'{'1' * 32}', 100, 100"),
        ):
            connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({values})")

    Database.open(database_url, replace(migrate.TABLES, prepare=prepare)).close()
    store = Store.open(database_url, Rules())
    task = store.task("1" * 32, 100)
    assert (task.warcs, task.price, task.kind) == (paths(1), 1.0, "crawl")
    assert store.lease(B, 2, 100).warcs == paths(2)[1:]
    assert store.add_work(GERMAN, 1.0) == 2
    store.close()


@pytest.mark.parametrize("tables", [""])
def test_other_work_of_an_older_database_has_a_list_in_the_log(database_url: str) -> None:
    """The migration gives each work its places and its root; leases from then on are drawn."""
    config, here = Config(), [*paths(3), *paths(2)]
    config.set_main_option("script_location", str(migrate._MIGRATIONS))

    def prepare(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        columns = "id, name, kind, crawl, language, recipe, recipe_hash, price, warcs"
        german = f"'{GERMAN.name}', 'language', '{CRAWL}', 'deu_Latn', 'fineweb-2', '{NEW}', 2.0, 2"
        connection.exec_driver_sql(f"INSERT INTO crawls (id, name, warcs) VALUES (100, '{CRAWL}', 3)")
        connection.exec_driver_sql(f"INSERT INTO crawls ({columns}) VALUES (101, {german})")
        for number, path in enumerate(here):
            values = f"{100 + number}, {100 if number < 3 else 101}, '{path}'"
            connection.exec_driver_sql(f"INSERT INTO warcs (id, crawl_id, path) VALUES ({values})")

    Database.open(database_url, replace(migrate.TABLES, prepare=prepare)).close()
    store = Store.open(database_url, Rules())
    assert store.lease(A, 1, 100, recipes=[NEW]).kind == "language"
    assert store.lease(B, 2, 100).kind == "crawl"
    log = store.log(0, 10).entries
    assert [entry.detail.get("work") for entry in log] == [None, GERMAN.name, GERMAN.name, None]
    assert check_log(log, lists=lambda name: store.warcs_of(name, 0, 10).paths).recomputed == 2
    store.close()
