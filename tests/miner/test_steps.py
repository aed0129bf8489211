"""The real steps: the refinery under a lease, WARCs read ahead, room on disk."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from finest.chain.commitments import CommitReceipt
from finest.cli.views.hub import Upload
from finest.cluster.commands import slurm
from finest.cluster.layout import Folder
from finest.errors import LeaseLost, NeedsPerson, RunError, SourceError, TaskServerUnavailable
from finest.executors.slurm.request import SlurmRequest
from finest.miner import disk
from finest.miner import lease as leases
from finest.miner.disk import check_free_space, folder_bytes, warc_bytes
from finest.miner.journal import Journal
from finest.miner.lease import Lease
from finest.miner.prefetch import prefetch_warcs
from finest.miner.status_file import StatusFile, read_status
from finest.miner.steps import Display, MineOptions, Steps
from finest.pipeline.ledger import Ledger
from finest.recipe.recipe import Recipe, load_recipe
from finest.settings import default_cache
from finest.tasks.canaries import Canaries
from finest.tasks.models import TaskState
from finest.tasks.transport import Refused
from finest.warc.source import CommonCrawl
from tests.cluster.waiting import submit
from tests.e2e.command import SAMPLE
from tests.faulty_server import Fault, FaultyServer
from tests.miner.test_journal import DONE
from tests.miner.world import LINE, WARC, TaskServerOf, refused, task

PATH = WARC.format(0)
SOON_S = 200.0
"""Far less than what is interrupted takes, however busy the machine is."""


class ChainOf:
    """Remembers what was committed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def commit(self, line: str) -> CommitReceipt:
        self.lines.append(line)
        return CommitReceipt(line, 50, sent=True)


class Bench:
    """Real steps in a folder, on WARCs from a server on loopback."""

    def __init__(self, work: Path, address: str) -> None:
        work.mkdir(exist_ok=True)
        self.said: list[str] = []
        self.server, self.chain, self.now = TaskServerOf(task()), ChainOf(), StatusFile(work, 1)
        self.options = MineOptions(
            hf_repo="alice/rows", work=work, recipe=load_recipe("fineweb"), cache=default_cache(), netuid=63,
            common_crawl=CommonCrawl(https_base=address),
        )  # fmt: skip
        self.journal = Journal.begin(work, task(), 63)
        self.steps = Steps(
            self.options, self.server, self.chain, self.now, Display(Console(quiet=True), self.said.append, Upload)
        )  # fmt: skip

    def lease(self) -> Lease:
        return Lease(self.server, task(), 0.1, self.options.work, self.said.append)


@pytest.fixture
def crawl(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Common Crawl on loopback, without credentials for S3."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FaultyServer({f"/{PATH}": SAMPLE.read_bytes()}) as server:
        yield server


@pytest.mark.slow
@pytest.mark.nightly
def test_warcs_read_ahead_give_the_same_root(tmp_path: Path, crawl: FaultyServer) -> None:
    """From a local copy the rows are called what they are called from Common Crawl; the copy goes when it is used."""
    remote, local = Bench(tmp_path / "remote", crawl.base), Bench(tmp_path / "local", crawl.base)
    with remote.lease() as lease:
        straight = remote.steps.refined(remote.journal, lease)
    assert prefetch_warcs(local.journal, local.options.common_crawl, threading.Event()) == 1
    asked = len(crawl.state.seen)
    with local.lease() as lease:
        ahead = local.steps.refined(local.journal, lease)
    assert len(crawl.state.seen) == asked
    assert ahead.root == straight.root and ahead.rows == straight.rows > 0
    assert Ledger.read(local.journal.dataset).plan.sources[0].name == f"s3://commoncrawl/{PATH}"
    assert not local.journal.warcs.exists()


def test_a_task_is_refined_with_the_recipe_that_it_asks_for(tmp_path: Path) -> None:
    """Or with the miner's own if it asks for none; a recipe of another version ends the task and not the miner."""
    options = replace(Bench(tmp_path, "").options, more_recipes=(load_recipe("finest"),))
    assert [recipe.name for recipe in options.recipes] == ["fineweb", "finest"]
    for asked, name in ((None, "fineweb"), *((recipe.hash, recipe.name) for recipe in options.recipes)):
        assert options.recipe_of(task(recipe_hash=asked)).name == name
    with pytest.raises(RunError, match="asks for another version of the recipe finest"):
        options.recipe_of(task(recipe_hash="ab" * 32, recipe="finest"))


def test_a_task_that_asks_for_none_is_refined_with_the_reference(tmp_path: Path) -> None:
    """The one in force at the block of its lease, if the operator named no recipe."""
    asked: list[int] = []

    def at(block: int) -> Recipe:
        asked.append(block)
        return load_recipe("finest")

    options = replace(Bench(tmp_path, "").options, references=SimpleNamespace(at=at, known=tuple))
    assert options.recipe_of(task(leased_block=77)).name == "finest" and asked == [77]
    listed = replace(options, references=SimpleNamespace(at=at, known=lambda: (load_recipe("finest"),)))
    finest = load_recipe("finest").hash
    assert listed.recipe_of(task(recipe_hash=finest)).hash == finest in [one.hash for one in listed.recipes]
    assert options.recipe_of(task(recipe_hash=options.recipe.hash)).name == "fineweb"


def test_reading_ahead_resumes_and_ends_when_told(tmp_path: Path, crawl: FaultyServer) -> None:
    """A broken connection costs nothing; what is not whole is not there."""
    bench = Bench(tmp_path / "work", crawl.base)
    over = threading.Event()
    over.set()
    assert prefetch_warcs(bench.journal, bench.options.common_crawl, over) == 0
    assert folder_bytes(bench.journal.warcs) == 0
    crawl.state.faults = [Fault("fin", after=1000)]
    assert prefetch_warcs(bench.journal, bench.options.common_crawl, threading.Event()) == 1
    assert (bench.journal.warcs / PATH).read_bytes() == SAMPLE.read_bytes()


def test_reading_ahead_leaves_room(tmp_path: Path, crawl: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk would get short, the refinery streams."""
    bench = Bench(tmp_path / "work", crawl.base)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1 << 20})())
    assert prefetch_warcs(bench.journal, bench.options.common_crawl, threading.Event()) == 0
    assert folder_bytes(bench.journal.warcs) == 0


@pytest.mark.slow
def test_a_lost_lease_ends_the_refinery_soon(
    tmp_path: Path, crawl: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers are gone, its finished slices are kept."""
    monkeypatch.setattr(leases, "MIN_WAIT_S", 0.05)
    bench = Bench(tmp_path / "work", crawl.base)
    lease = bench.lease()
    lost_at = 0.0

    def lose() -> None:
        nonlocal lost_at
        lost_at = time.monotonic()
        lease._mark_lost("somebody else has it")

    threading.Timer(0.3, lose).start()
    monkeypatch.setattr("finest.pipeline.steps.judge", lambda *_: time.sleep(600))
    with pytest.raises(LeaseLost, match="somebody else has it"):
        bench.steps.refined(bench.journal, lease)
    assert time.monotonic() - lost_at < SOON_S


@pytest.mark.slow
def test_a_lost_lease_ends_a_refinery_that_waits_for_the_server(
    tmp_path: Path, crawl: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause of its workers holds nothing up."""
    monkeypatch.setattr(leases, "MIN_WAIT_S", 0.05)
    crawl.state.faults = [Fault("none"), Fault("status", headers=(("Retry-After", "3600"),))]
    bench = Bench(tmp_path / "work", crawl.base)
    lease = bench.lease()
    lost_at = 0.0

    def lose() -> None:
        nonlocal lost_at
        while not any("refuses requests (HTTP 503)" in line for line in bench.said):
            time.sleep(0.05)
        lost_at = time.monotonic()
        lease._mark_lost("somebody else has it")

    threading.Thread(target=lose, daemon=True).start()
    with pytest.raises(LeaseLost, match="somebody else has it"):
        bench.steps.refined(bench.journal, lease)
    assert time.monotonic() - lost_at < SOON_S and len(crawl.state.seen) == 2


@pytest.mark.slow
def test_a_task_begun_with_another_limit_is_begun_anew(tmp_path: Path, crawl: FaultyServer) -> None:
    """A recipe or limit that changed between two starts is no error, and no mixture."""
    bench = Bench(tmp_path / "work", crawl.base)
    with bench.lease() as lease:
        whole = bench.steps.refined(bench.journal, lease)
        object.__setattr__(bench.options, "limit", 3)
        part = bench.steps.refined(bench.journal, lease)
    assert part.pages == 3 < whole.pages and any("starts again from the beginning" in line for line in bench.said)


def test_no_commitment_without_a_lease(tmp_path: Path) -> None:
    """The lease is renewed first; a task that ended otherwise is not committed."""
    bench = Bench(tmp_path, "")
    bench.journal.update(refined=DONE["refined"], published=DONE["published"])
    assert bench.steps.committed(bench.journal, bench.lease()).line == LINE
    bench.server.trouble["renew"] = [refused("lease-expired")]
    with pytest.raises(LeaseLost):
        bench.steps.committed(bench.journal, bench.lease())
    bench.server.known["t1"] = task(state=TaskState.FINISHED, commitment="fd1:other/rows@...")
    with pytest.raises(LeaseLost, match="another commitment"):
        bench.steps.committed(bench.journal, bench.lease())
    assert bench.chain.lines == [LINE] and bench.server.calls["renew"] == 3


def test_a_task_is_committed_while_the_server_is_away(tmp_path: Path) -> None:
    """It is reported when the server is back; the chain shows when it was ready."""
    bench = Bench(tmp_path, "")
    bench.journal.update(refined=DONE["refined"], published=DONE["published"])
    bench.server.down = True
    assert bench.steps.committed(bench.journal, bench.lease()).line == LINE
    assert bench.chain.lines == [LINE] and "is committed now and reported later" in bench.said[-1]
    with pytest.raises(TaskServerUnavailable):
        bench.steps.finished(bench.journal, bench.lease())


def test_a_commitment_that_the_server_misses_is_made_to_stand(tmp_path: Path) -> None:
    """Something else may have been committed with the key meanwhile; where ours stands, `commit` sends nothing."""
    bench = Bench(tmp_path, "")
    bench.journal.update(**{step: DONE[step] for step in ("refined", "published", "committed")})
    bench.server.trouble["finish"] = [refused("commitment-missing")]
    with pytest.raises(Refused, match="commitment-missing"):
        bench.steps.finished(bench.journal, bench.lease())
    assert bench.chain.lines == [LINE]
    assert bench.steps.finished(bench.journal, bench.lease()).block == 99


def test_a_disk_too_small_is_seen_before_the_start(
    tmp_path: Path, crawl: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much, where, and what could go; nothing is begun."""
    bench = Bench(tmp_path / "work", crawl.base)
    of_warcs = warc_bytes(bench.journal, bench.options.common_crawl)
    assert of_warcs == SAMPLE.stat().st_size
    check_free_space(bench.journal, of_warcs, tmp_path, [], bench.said.append)
    assert "1 WARC of" in bench.said[-1] and "take up to" in bench.said[-1]
    old = Journal.begin(tmp_path, task("t0"), 63)
    old.update(**DONE)
    (old.folder / "large").write_bytes(b"x" * 2_000_000)
    monkeypatch.setattr(disk, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(NeedsPerson, match=r"too little\. Free some space \(.*/tasks/t0: 2"):
        check_free_space(bench.journal, of_warcs, tmp_path, [old], bench.said.append)


def test_a_warc_that_is_not_there_is_the_tasks_fault(tmp_path: Path, crawl: FaultyServer) -> None:
    """SourceError, with the address."""
    crawl.state.files.clear()
    bench = Bench(tmp_path / "work", crawl.base)
    with bench.lease() as lease, pytest.raises(SourceError, match="not found"):
        bench.steps.refined(bench.journal, lease)


def test_now_says_what_is_done_and_how_long_it_takes(tmp_path: Path) -> None:
    """For the dashboard and for Ctrl-C; a file that is no such thing is none."""
    now = StatusFile(tmp_path, 4)
    now.set("refining task t1", task="t1")
    now.doing = type(now.doing)(**{name: getattr(now.doing, name) for name in now.doing.__slots__} | {"at": 0.0})
    now.keep_alive(lambda: 125.0)
    seen = read_status(tmp_path)
    assert seen is not None and seen.line() == "refining task t1, about 2 min 5 s left" and seen.workers == 4
    (tmp_path / "now.json").write_text("{")
    assert read_status(tmp_path) is None


def test_a_lost_lease_cancels_this_runs_slurm_jobs(tmp_path: Path, crawl: FaultyServer, slurm_cluster: Folder) -> None:
    """And no others; the same step on Slurm gives the root of the local one."""
    local, bench = Bench(tmp_path / "local", crawl.base), Bench(tmp_path / "work", crawl.base)
    request = SlurmRequest(memory_per_cpu_gb=1, sbatch=(("begin", "now+1hour"),))
    bench.steps._options = replace(bench.options, slurm=request)
    lease = bench.lease()
    other = submit("true", "--begin=now+1hour")
    threading.Timer(4, lambda: lease._mark_lost("somebody else has it")).start()
    with lease, pytest.raises(LeaseLost):
        bench.steps.refined(bench.journal, lease)
    assert slurm("squeue", "-h", "-o", "%F").split() == [str(other)]
    bench.steps._options = replace(bench.options, slurm=SlurmRequest(memory_per_cpu_gb=1))
    with bench.lease() as lease, local.lease() as local_lease:
        ours = bench.steps.refined(bench.journal, lease)
        assert ours.root == local.steps.refined(local.journal, local_lease).root


def test_a_canary_is_falsified_by_the_plan_that_the_server_has(tmp_path: Path) -> None:
    """Half of the tasks of the operator's hotkey; a server with another plan could never reveal it."""
    bench = Bench(tmp_path, "https://127.0.0.1:1")
    assert bench.steps._false_share(bench.journal) == 0.0
    plan = Canaries(secret="5e" * 32, share=0.07, hotkeys=(task().hotkey,))
    steps = Steps(
        replace(bench.options, canaries=plan), bench.server, bench.chain, bench.now,
        Display(Console(quiet=True), bench.said.append, Upload),
    )  # fmt: skip
    for block in range(0, 20 * 7200, 7200):
        sealed = task().model_copy(update={"seal": plan.seal(task().hotkey, "t1", block)})
        bench.journal.update(task=sealed)
        assert (steps._false_share(bench.journal) > 0) == (plan.kind(task().hotkey, "t1", block // 7200) == "bad")
    other = Canaries(secret="6e" * 32, share=0.07, hotkeys=plan.hotkeys)
    for seal in (None, other.seal(task().hotkey, "t1", 0), plan.seal("5" + "Z" * 47, "t1", 0)):
        bench.journal.update(task=task().model_copy(update={"seal": seal}))
        with pytest.raises(NeedsPerson, match="sealed with another plan"):
            steps._false_share(bench.journal)
