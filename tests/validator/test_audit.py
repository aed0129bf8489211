"""The validator's audit as its user runs it: a subnet on this machine, honest miners and attackers on its Hub."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finest.validator.audit import audit
from finest.validator.evidence import pages_counted, rows_counted
from tests.deep import sampled

from .forged import half
from .made import PLAN, Published, forge, invented, tampered

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet


@pytest.mark.parametrize("seed", sampled(range(8)))
def test_an_honest_miner_passes(honest: Published, seed: int) -> None:
    """Whatever is drawn: no row forged, no page missing, nothing twice. `bench.attacks` has 100 seeds on real pages."""
    evidence = audit(honest.subject(seed), PLAN, honest.context())
    assert evidence.verdict == "pass", evidence.why
    assert (rows_counted(evidence.rows)[1], pages_counted(evidence.windows)[1]) == (0, 0)
    assert evidence.uniqueness
    assert evidence.uniqueness.unique_tokens == honest.manifest.token_count


@pytest.mark.nightly
def test_a_verdict_is_cheap(honest: Published) -> None:
    """Far below 10 CPU minutes and 2 GB, here some seconds and hundreds of megabytes."""
    context = honest.context()
    audit(honest.subject(), PLAN, context)
    assert context.budget.used_s < 60
    assert context.budget.peak_bytes < 2 * 1024**3


@pytest.fixture(scope="module")
def subnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subnet]:
    pytest.importorskip("bittensor")
    pytest.importorskip("nanio")
    from finest.demo.subnet import Subnet

    with Subnet(tmp_path_factory.mktemp("subnet"), ("alice", "mallory")) as up:
        up.add_wallet("judge", validator=True)
        miner = up.mine("alice", "--once", "--warcs", "2", "--cpus_per_task", "1")
        said, _ = miner.communicate(timeout=300)
        assert miner.returncode == 0, said
        yield up


def run(subnet: Subnet, *arguments: object, name: str = "judge") -> tuple[int, str]:
    """Status and output of `finest ARGUMENTS`."""
    process = subnet.start(name, *arguments)
    said, _ = process.communicate(timeout=300)
    assert "Traceback" not in said, said
    return process.returncode, said


def audited(subnet: Subnet, *more: object) -> tuple[int, str]:
    """The audit of Alice's task; she is asked for once the beacon's block is final."""
    (task,) = subnet.tasks()
    place = f"{task.repo}@{task.revision}"
    for _ in range(10):
        status, said = run(subnet, "audit", place, "--task", task.id, *subnet.wallets["judge"].flags, *more)
        if "is not final" not in said:
            break
    return status, said


@pytest.mark.nightly
def test_a_finished_task_passes_and_is_replayed(subnet: Subnet, tmp_path: Path) -> None:
    """Lease, line, seed from a block, WARCs of the crawl, signature; and the same again for anybody."""
    record = tmp_path / "verdict.json"
    status, said = audited(subnet, "--evidence", record)
    assert (status, "pass: " in said) == (0, True), said
    evidence = json.loads(record.read_bytes())
    beacon, told = evidence["subject"]["beacon"], evidence["subject"]["submission"]
    assert beacon["block"] == max(told["committed_block"], evidence["subject"]["task"]["closed_block"]) + 5
    assert {check["outcome"] for check in evidence["admission"]} == {"pass"}
    status, said = run(subnet, "audit", "--replay", record, name="mallory")
    assert (status, "same result: pass" in said) == (0, True), said
    assert_changes_are_found_out(subnet, evidence, tmp_path / "changed.json")


def assert_changes_are_found_out(subnet: Subnet, evidence: dict[str, Any], path: Path) -> None:
    """A changed record is nobody's word; without its signature it is not what an audit gives."""
    evidence["rows"][0]["outcome"] = "forged"
    path.write_text(json.dumps(evidence))
    status, said = run(subnet, "audit", "--replay", path, name="mallory")
    assert (status, "the signature is not by" in said) == (7, True), said
    path.write_text(json.dumps(evidence | {"signature": None}))
    status, said = run(subnet, "audit", "--replay", path, name="mallory")
    assert (status, "rows[0]" in said) == (7, True), said


def published(subnet: Subnet, folder: Path, name: str) -> str:
    """Where Mallory published a folder."""
    status, said = run(subnet, "publish", folder, "--hf_repo", name, name="mallory")
    assert status == 0, said
    return f"mallory/{name}@{said.split()[-1]}"


def attacked(subnet: Subnet, made: Published, name: str) -> tuple[int, str]:
    """The audit of what Mallory published as made of the task's WARCs, on the Hub and the crawl."""
    paths = [argument for warc in made.warcs for argument in ("--warc", _key(warc))]
    return run(subnet, "audit", published(subnet, made.folder, name), *paths, "--seed", "5a" * 32)


def _key(warc: Path) -> str:
    return "crawl-data/" + str(warc).partition("crawl-data/")[2]


@pytest.mark.nightly
def test_an_honest_dataset_on_the_hub_passes(subnet: Subnet, honest: Published) -> None:
    """The devnet's Hub and crawl, read by range."""
    status, said = attacked(subnet, honest, "honest")
    assert (status, "45 of 45 rows are what they should be" in said) == (0, True), said


@pytest.mark.nightly
def test_invented_rows_on_the_hub_are_caught(subnet: Subnet, honest: Published, tmp_path: Path) -> None:
    """30 % of them, with honest hashes, sizes and root."""
    status, said = attacked(subnet, forge(honest, tmp_path / "f", 0.3, invented), "invented")
    assert (status, "rows are forged" in said) == (7, True), said


@pytest.mark.nightly
def test_half_of_the_rows_on_the_hub_is_caught(subnet: Subnet, honest: Published, tmp_path: Path) -> None:
    """What is missing is in no window's dataset."""
    status, said = attacked(subnet, half(honest, tmp_path / "half"), "half")
    assert (status, "pages are missing" in said) == (7, True), said


@pytest.mark.nightly
def test_another_miners_dataset_on_the_hub_is_caught(subnet: Subnet, others: Published, honest: Published) -> None:
    """It is made of other WARCs."""
    status, said = attacked(subnet, Published(others.folder, honest.warcs), "copied")
    assert (status, "is no WARC of the task" in said) == (7, True), said


@pytest.mark.nightly
def test_a_deleted_repository_fails(subnet: Subnet, honest: Published, tmp_path: Path) -> None:
    """What the line promises is not there, says the Hub itself: nobody takes back what is about to fail."""
    place = published(subnet, tampered(honest, tmp_path / "gone", honest.rows()).folder, "gone")
    delete = "import sys, huggingface_hub as h; h.HfApi().delete_repo(sys.argv[1], repo_type='dataset')"
    asked = [sys.executable, "-c", delete, place.partition("@")[0]]
    subprocess.run(asked, env=subnet.environment("mallory"), check=True, timeout=300)
    status, said = run(subnet, "audit", place, "--warc", _key(honest.warcs[0]))
    assert (status, "not admissible (revision)" in said) == (7, True), said


@pytest.mark.nightly
def test_a_crawl_that_is_down_is_no_evidence(subnet: Subnet, honest: Published) -> None:
    """WARCs that cannot be read here are not the miner's fault; a later audit has a status of its own to wait for."""
    place = published(subnet, honest.folder, "honest")
    paths = [argument for warc in honest.warcs for argument in ("--warc", _key(warc))]
    process = subnet.start("judge", "audit", place, *paths, FINEST_CC_BUCKET="nowhere")
    said, _ = process.communicate(timeout=300)
    assert (process.returncode, "no evidence: audit" in said) == (75, True), said
