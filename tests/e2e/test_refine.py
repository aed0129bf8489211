"""`finest refine` and its companions on the sample, from the shell to the last hash."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
from bench.recipes import UNGATED
from click.testing import CliRunner

from finest.cli import cli
from finest.dataset.check_files import check_files
from finest.dataset.manifest import read_manifest
from tests.deep import examples
from tests.e2e.command import SAMPLE, beginnings, children, finest, manifest, root, start

KILLS = int(os.environ.get("KILLS", examples(1, 5)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, refined with one worker."""
    out = tmp_path_factory.mktemp("e2e") / "dataset"
    finest("refine", SAMPLE, "--out", out, "--workers", 1)
    return out


@pytest.fixture(scope="module")
def sliced(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four WARCs: enough slices to stop between."""
    return beginnings(tmp_path_factory.mktemp("crawl"), 4)


class Whole(NamedTuple):
    """A run that nobody disturbs."""

    root: str
    took_s: float


@pytest.fixture(scope="module")
def whole(sliced: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    out = tmp_path_factory.mktemp("whole") / "dataset"
    began = time.monotonic()
    finest("refine", *sliced, "--out", out, "--workers", 2)
    return Whole(root(out), time.monotonic() - began)


@pytest.mark.nightly
def test_a_dataset_holds_what_its_manifest_says(dataset: Path) -> None:
    """Rows, verdicts and reasons add up, and every page has one verdict."""
    said = manifest(dataset)
    rows = pq.read_table(dataset / "data").to_pylist()
    verdicts = pq.read_table(dataset / "verdicts").to_pylist()
    assert len(rows) == said["rows"] == said["reasons"]["kept"] > 20
    assert {v["id"] for v in verdicts if v["reason"] == "kept"} == {row["id"] for row in rows}
    assert len(verdicts) == sum(said["reasons"].values())
    assert said["losses"]
    kept_ids = {row["id"] for row in rows}
    losers = [v["duplicate_of"] for v in verdicts if v["reason"] == "duplicate"]
    assert losers and set(losers) <= kept_ids


def test_verify_proves_it(dataset: Path) -> None:
    """Pages, in a nightly run all of them, judged again from their WARC records give the stored verdicts and rows."""
    done = finest("verify", dataset, "--sample", examples(40, 10_000))
    assert "verified" in done.stdout
    assert "pages judged again" in done.stdout


@pytest.mark.nightly
def test_verify_catches_an_altered_shard(dataset: Path, tmp_path: Path) -> None:
    """One byte changed in a shard is named, with its file."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    shard = next((copy / "data").rglob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    done = finest("verify", copy, check=False)
    assert done.returncode == 7
    assert shard.name in done.stderr


def test_the_same_command_again_changes_nothing(dataset: Path) -> None:
    """A finished run is only read."""
    before = (dataset / "manifest.json").read_bytes()
    done = finest("refine", SAMPLE, "--out", dataset)
    assert "already finished" in done.stderr
    assert (dataset / "manifest.json").read_bytes() == before


def test_status_report_and_why(dataset: Path) -> None:
    """The companions of a run answer from its folder."""
    state = json.loads(finest("status", dataset, "--json").stdout)
    assert state["state"] == "finished"
    assert state["losses"]
    assert "finished" in CliRunner().invoke(cli, ["status", str(dataset)]).output
    assert CliRunner().invoke(cli, ["report", str(dataset)]).exit_code == 0
    assert "<svg" in (dataset / "report.html").read_text() or "<table" in (dataset / "report.html").read_text()
    dropped = next(v for v in pq.read_table(dataset / "verdicts").to_pylist() if v["reason"].startswith("repetition"))
    assert dropped["reason"] in CliRunner().invoke(cli, ["why", dropped["url"], "--in", str(dataset)]).output
    answer = json.loads(CliRunner().invoke(cli, ["why", dropped["id"], "--in", str(dataset), "--json"]).stdout)[0]
    assert answer["reason"] == dropped["reason"]
    assert any(check["failed"] and check["reason"] == dropped["reason"] for check in answer["checks"])


@pytest.mark.nightly
def test_workers_do_not_matter(sliced: list[Path], whole: Whole, tmp_path: Path) -> None:
    """One worker and three give the same root."""
    finest("refine", *sliced, "--out", tmp_path / "three", "--workers", 3)
    assert root(tmp_path / "three") == whole.root


@pytest.mark.nightly
def test_datatroves_own_steps_give_the_same_root(tmp_path: Path) -> None:
    """`--engine datatrove` and the recipe without its gate: the same rows to the last hash."""
    (tmp_path / "ungated.toml").write_text(UNGATED)
    finest("refine", SAMPLE, "--out", tmp_path / "ours", "--recipe", tmp_path / "ungated.toml")
    finest("refine", SAMPLE, "--out", tmp_path / "theirs", "--engine", "datatrove")
    ours, theirs = manifest(tmp_path / "ours"), manifest(tmp_path / "theirs")
    assert ours["reasons"] == theirs["reasons"]
    assert ours["root"] == theirs["root"]


@pytest.mark.slow
def test_a_run_killed_at_random_moments(sliced: list[Path], whole: Whole, tmp_path: Path) -> None:
    """kill -9 of the run at any moment loses nothing and doubles nothing."""
    rng = random.Random("run")
    out = tmp_path / "killed"
    for _ in range(KILLS):
        process = start("refine", *sliced, "--out", out, "--workers", 2)
        time.sleep(rng.uniform(0.4, 1) * whole.took_s)  # before that, Python starts
        process.kill()
        process.wait(timeout=300)
    finest("refine", *sliced, "--out", out, "--workers", 1)
    assert root(out) == whole.root
    check_files(out, read_manifest(out))


@pytest.mark.slow
@pytest.mark.parametrize("run", range(KILLS // 2))
@pytest.mark.nightly
def test_a_worker_killed_at_a_random_moment(run: int, sliced: list[Path], whole: Whole, tmp_path: Path) -> None:
    """Nor does kill -9 of a worker: the same run goes on without it."""
    rng = random.Random(run)
    out = tmp_path / "killed"
    process = start("refine", *sliced, "--out", out, "--workers", 2)
    done = rng.randrange(3)  # of four slices
    wait_for(lambda: len(children(process.pid)) == 2 and len([*out.glob("ledger/packs/*/*")]) >= done, process)
    time.sleep(rng.uniform(0, 0.2))
    os.kill(rng.choice(children(process.pid)), signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert root(out) == whole.root
    finest("verify", out, "--sample", 0)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(sliced: list[Path], whole: Whole, tmp_path: Path) -> None:
    """Ctrl-C says how to go on, and the same command does."""
    out = tmp_path / "stopped"
    process = start("refine", *sliced, "--out", out, "--workers", 1)
    wait_for(lambda: any(out.glob("ledger/packs/*/*")), process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert json.loads(finest("status", out, "--json").stdout)["state"] == "stopped"
    finest("refine", *sliced, "--out", out)
    assert root(out) == whole.root


@pytest.mark.nightly
def test_two_runs_in_one_folder(sliced: list[Path], tmp_path: Path) -> None:
    """The second is refused, in one line."""
    out = tmp_path / "shared"
    first = start("refine", *sliced, "--out", out, "--workers", 1)
    try:
        wait_for(lambda: (out / "ledger" / "lock").exists() and (out / "ledger" / "lock").read_text(), first)
        os.kill(first.pid, signal.SIGSTOP)
        second = finest("refine", *sliced, "--out", out, check=False)
        assert second.returncode == 5
        assert "in use by another run" in second.stderr
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()


def wait_for(condition: object, process: object) -> None:
    """Wait until the condition holds, as long as the process lives."""
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()  # type: ignore[attr-defined]
        time.sleep(0.02)
