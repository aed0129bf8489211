"""Fixtures that several test folders share."""

from __future__ import annotations

import functools
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from datatrove.utils import _import_utils
from hypothesis import settings

from tests.deep import NIGHTLY, examples
from tests.in_memory import use_memory

if TYPE_CHECKING:
    from tests.tasks.postgres import Cluster

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs deaf to Ctrl-C, and so would be the commands that the tests send it to.
    signal.signal(signal.SIGINT, signal.default_int_handler)

use_memory()
# An example may take as long as a machine with other work needs for it. Thirty of them find what changes of every day
# break; a nightly run tries more.
settings.register_profile("tests", deadline=None, max_examples=examples(30, 200))
settings.load_profile("tests")
# Workers of the tests share the processors: a library that takes all of them for itself makes every other one wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")
pytest_plugins = ["tests.chain.on_devnet", "tests.cluster.real_slurm", "tests.cluster.two_nodes"]
# DataTrove's steps ask for packages by name, and read the metadata of all that are installed for each: 0.2 s.
_installed = functools.cache(lambda: frozenset((one.name or "").lower() for one in metadata.distributions()))
_import_utils._is_distribution_available = lambda name: name in _installed()
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
_SLOW = {"chain", "devnet", "e2e", "neural"}
"""Folders of tests that start servers, run whole commands or need PyTorch."""
_SERVING = {"test_hub", "test_model_files", "test_open", "test_publish"}
_LONGEST = (
    "e2e/test_slurm_failures.py", "e2e/test_slurm.py", "e2e/test_attacks.py", "e2e/test_validate.py",
    "e2e/test_refine.py", "quality/test_ranks.py", "neural/test_continued.py",
)  # fmt: skip
"""Files of a minute and more: with one of them last, a worker would be left alone at the end."""


@pytest.fixture(scope="session", autouse=True)
def _no_setting_of_the_tests() -> None:
    """Keep the suite's own switch from commands, which refuse a setting that they do not know."""
    os.environ.pop("FINEST_NIGHTLY", None)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of WARCs of real pages that lies beside a checkout; tests that need it are skipped without it."""
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS}")
    return CORPUS


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of files that are built once per machine: the default one, or the folder in FINEST_CACHE."""
    from finest.settings import default_cache

    return Path(os.environ.get("FINEST_CACHE") or default_cache())


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of our own; tests that need it are skipped where PostgreSQL is not installed."""
    from tests.tasks.postgres import Cluster, binaries

    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def tables() -> str:
    """The owner of the tables in `database_url`: "tasks" (a task server), "queue" (a validator) or "" (no tables)."""
    return ""


@pytest.fixture
def sqlite_url(tmp_path: Path, tables: str) -> str:
    """A SQLite database that is not there yet, or one with `tables` and nothing in them."""
    from tests import prepared

    path = tmp_path / "state.db"
    return prepared.sqlite(tables, path) if tables else f"sqlite:///{path}"


@pytest.fixture
def postgres_url(cluster: Cluster, tables: str) -> str:
    """A PostgreSQL database that is empty, or has `tables` and nothing in them."""
    from tests import prepared

    return prepared.postgres(tables, cluster) if tables else cluster.fresh()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tables: str) -> str:
    """A database of each kind, with `tables` or empty."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Keep the garbage collector from looking, again and again, through thousands of modules and tests that stay."""
    gc.disable()
    _import_in_turn(session.config)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)  # the default looks 28 times as often: 3 % of the CPU time of all tests
        gc.enable()


def _import_in_turn(config: pytest.Config) -> None:
    """Have each worker of a whole run import another part of the tests first, and find the other parts in the cache.

    In a fresh checkout pytest takes 8 s of CPU time to rewrite all assertions, which each worker would do for itself.
    """
    workers = getattr(config, "workerinput", None)
    if workers is None or config.args != ["tests"] or config.option.markexpr or sys.dont_write_bytecode:
        return
    paths = sorted(Path("tests").rglob("test_*.py"))
    first = len(paths) * int(workers["workerid"].removeprefix("gw")) // workers["workercount"]
    for path in paths[first:] + paths[:first]:
        with suppress(Exception, pytest.skip.Exception):  # pytest imports it again, and reports it
            importlib.import_module(".".join(path.with_suffix("").parts))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Everyday tests do not wait for imports of what is not among them."""
    return True if collection_path.name in _SLOW and "not slow" in config.option.markexpr else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for the night. Mark what is slow, and put it first, the longest files before all.

    Quick tests fill what is left at the end. Tests that start servers or whole commands are no everyday tests: `make
    test-fast` leaves them out. Those that use a real Slurm wait for most of their time, and so come early.
    """
    if not NIGHTLY and "nightly" not in config.option.markexpr:
        later = [item for item in items if item.get_closest_marker("nightly")]
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=later)
    for item in items:
        path, uses = Path(item.path), getattr(item, "fixturenames", ())
        if "clusters" in uses:
            item.add_marker(pytest.mark.slurm)
        if "clusters" in uses or path.parent.name in _SLOW or path.stem in _SERVING:
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("corpus")}
    items.sort(key=lambda item: (_place(item.path), item.get_closest_marker("slurm") is None, item.path not in slow))


def _place(path: Path) -> int:
    """Where a file stands among the longest; the others come after them."""
    name = f"{path.parent.name}/{path.name}"
    return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Collect the garbage of all tests now: collected while a plugin is compiled, it would break the compiler of
    CPython 3.11 (https://github.com/python/cpython/issues/106905), and with it the report.
    """
    gc.collect()
