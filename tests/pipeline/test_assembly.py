"""The dataset by shards: the same rows and verdicts as in one piece, and a kill costs one shard."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from finest.dataset.check_files import check_files
from finest.dataset.manifest import Manifest, read_manifest
from finest.dataset.open import open_dataset
from finest.pipeline import assemble as assembly
from finest.pipeline.assembly import shards, winners
from finest.pipeline.ledger import Ledger
from finest.pipeline.options import RunOptions
from finest.pipeline.plan import finish
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.select import select
from finest.pipeline.shared_tasks import SharedTasks
from finest.pipeline.verify import verify
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from tests.deep import sampled
from tests.validator.made import NOWHERE
from tests.validator.repeated import response, write_warc

SOURCES = 5


@pytest.fixture(scope="module")
def warcs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five WARCs of two crawls; each begins with pages of the one before, and repeats a record in a gzip member."""
    paths, folder = [], tmp_path_factory.mktemp("crawls")
    for number in range(SOURCES):
        name = ("CC-MAIN-2025-18", "CC-MAIN-2025-13")[number % 2]
        pages = [response(n, key=100 * number + n, good=n % 5 > 0) for n in range(4 * number, 4 * number + 6)]
        members = [[page] for page in pages[:-1]] + [[pages[-1], pages[-1]]]
        paths.append(write_warc(folder / f"{name}-{number}.warc.gz", members))
    return paths


@pytest.fixture(scope="module")
def whole(warcs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset in one shard for each crawl."""
    out = tmp_path_factory.mktemp("whole") / "out"
    made(warcs, out)
    return out


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of one source, and files of ids of two."""
    monkeypatch.setattr(shards, "SERIES_SOURCES", 1)
    monkeypatch.setattr(winners, "RANGE_SOURCES", 2)


def options(warcs: list[Path], out: Path, workers: int = 1, **changes: Any) -> RunOptions:
    found: dict[str, Any] = {
        "specs": tuple(map(str, warcs)), "out": out, "recipe": load_recipe("fineweb"), "cache": default_cache(),
        "common_crawl": NOWHERE, "workers": workers,
    }  # fmt: skip
    return RunOptions(**(found | changes))


def made(warcs: list[Path], out: Path, workers: int = 1, **changes: Any) -> Manifest:
    refine(options(warcs, out, workers, **changes), Progress(quiet=True))
    return read_manifest(out)


def content(out: Path, folder: str) -> list[dict[str, Any]]:
    """All rows or verdicts, in the order of their files."""
    manifest = read_manifest(out)
    files = manifest.shards if folder == "data" else manifest.verdicts
    return [line for file in files for line in pq.read_table(out / file.path).to_pylist()]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("workers", sampled([2, 1]))
def test_shards_hold_what_one_piece_holds(warcs: list[Path], whole: Path, tmp_path: Path, workers: int) -> None:
    """Rows, verdicts, their order, the winners of duplicates in other shards, and all totals; every check passes."""
    found, one = made(warcs, tmp_path / "out", workers), read_manifest(whole)
    assert len(one.roots) == 2 and len(found.roots) == len(found.verdicts) == SOURCES
    assert list(found.roots)[:2] == ["data/CC-MAIN-2025-13/000", "data/CC-MAIN-2025-13/001"]
    for folder in ("data", "verdicts"):
        assert content(tmp_path / "out", folder) == content(whole, folder)
    assert one.reasons["duplicate"] > SOURCES
    changed = {"shards", "verdicts", "roots", "root"}
    assert found.model_dump(exclude=changed) == one.model_dump(exclude=changed)
    check_files(tmp_path / "out", found)
    assert verify(tmp_path / "out", default_cache(), NOWHERE, sample=100, seed=1).is_verified
    assert not (tmp_path / "out" / "ledger" / "assembly").exists() and not (tmp_path / "out" / "sources").exists()


@pytest.mark.usefixtures("small")
def test_processes_that_share_the_work_make_the_same(
    warcs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes on one ledger, as tasks of a cluster: the dataset is that of one, and no file of theirs is left."""
    one = made(warcs, tmp_path / "one")
    with monkeypatch.context() as patched:
        patched.setattr("finest.pipeline.plan.assemble", lambda *_: sys.exit(0))
        with pytest.raises(SystemExit):
            made(warcs, tmp_path / "out")
    monkeypatch.setattr("finest.pipeline.shared_tasks.LOOK_S", 0.05)
    ledger, manifest = Ledger.read(tmp_path / "out"), tmp_path / "out" / "manifest.json"

    def make(name: str) -> None:
        tasks = SharedTasks(1, tmp_path / name, Progress(quiet=True), tmp_path / "claims", manifest.exists)
        finish(ledger, options(warcs, tmp_path / "out"), tasks)

    processes = [multiprocessing.get_context("fork").Process(target=make, args=(name,)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert 0 in [process.exitcode for process in processes]
    assert read_manifest(tmp_path / "out").model_dump() == one.model_dump()
    check_files(tmp_path / "out", read_manifest(tmp_path / "out"))
    assert not (tmp_path / "out" / "ledger" / "assembly").exists()


@pytest.mark.usefixtures("small")
def test_a_selection_of_a_run_is_that_of_its_dataset(warcs: list[Path], whole: Path, tmp_path: Path) -> None:
    """`refine --where` and `select` give the same files and name the same parent, also in several shards."""
    made(warcs, tmp_path / "all")
    where = f"token_count > {sorted(row['token_count'] for row in content(whole, 'data'))[5]}"
    found = made(warcs, tmp_path / "some", where=where)
    selected = select(str(tmp_path / "all"), where, tmp_path / "selected")
    assert 0 < found.rows < read_manifest(tmp_path / "all").rows
    assert found.model_dump(exclude={"created_by"}) == selected.model_dump(exclude={"created_by"})


@pytest.mark.usefixtures("small")
def test_a_kill_costs_one_shard(
    warcs: list[Path], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before is used; a shard that was not renamed is written again, the others are not."""
    written: list[str] = []
    write_shard = assembly.write_shard

    def killed(*arguments: Any) -> Any:
        written.append(arguments[2].folder)
        if len(written) == 3:
            (arguments[4].parent / f".{arguments[4].name}.aa.tmp").mkdir()
            raise KeyboardInterrupt
        return write_shard(*arguments)

    monkeypatch.setattr(assembly, "write_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        made(warcs, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    made(warcs, tmp_path / "out")
    assert written[2] == written[3] and len(written) == SOURCES + 1 and len(set(written)) == SOURCES
    assert content(tmp_path / "out", "data") == content(whole, "data")


@pytest.mark.usefixtures("small")
def test_a_kill_while_files_are_moved_loses_nothing(
    warcs: list[Path], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Some files are in place, others are not, and a file of an earlier dataset is there too."""
    moved, replace = 0, Path.replace

    def killed(path: Path, target: Path) -> Path:
        nonlocal moved
        moved += path.suffix == ".parquet" and "assembly" in path.parts
        if moved == 4:
            raise KeyboardInterrupt
        return replace(path, target)

    stray = tmp_path / "out" / "data" / "CC-MAIN-2025-13" / "009_00000.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            made(warcs, tmp_path / "out")
    stray.write_bytes(b"")
    made(warcs, tmp_path / "out")
    assert content(tmp_path / "out", "verdicts") == content(whole, "verdicts")
    assert not stray.exists()


@pytest.mark.usefixtures("small")
def test_the_sources_of_a_large_run_lie_in_files(
    warcs: list[Path], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Each shard has its own; the dataset has the same sources, and no other file."""
    monkeypatch.setattr("finest.dataset.sources.MAX_INLINE_SOURCES", SOURCES - 1)
    found = made(warcs, tmp_path / "out")
    assert not found.sources and len(found.source_files) == SOURCES
    with open_dataset(str(tmp_path / "out")) as dataset:
        names = [source.name for source in dataset.sources()]
        assert sorted(names) == sorted(source.name for source in read_manifest(whole).sources)
        assert found.source_totals == read_manifest(whole).source_totals
    check_files(tmp_path / "out", found)
