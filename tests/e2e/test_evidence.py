"""Evidence in public, and canaries: a validator publishes what it found, and anybody repeats it with one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

from finest.tasks.canaries import Canaries, day_of, read

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from finest.demo.subnet import Subnet

pytestmark = pytest.mark.nightly
PATIENCE_S = 500.0
QUICK = ("--rows", "128", "--windows", "4", "--tokens", "10000")


@pytest.fixture(scope="module")
def subnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subnet]:
    """Alice has finished three tasks and the operator's bird one, all of one WARC; the judge has judged them."""
    from finest.demo.subnet import Subnet, stop

    with Subnet(tmp_path_factory.mktemp("subnet"), ("alice", "bird")) as up:
        up.devnet.chain.set_hyperparameter("WeightsSetRateLimit", 0)
        up.add_wallet("judge", validator=True)
        plan = up.folder / "canaries.json"
        up.run("tasks", "canaries", plan, up.wallets["bird"].hotkey_ss58, "--share", "0.25")
        stop(up._processes[-1])
        up._rules = ("--canaries", str(plan))
        up.serve()
        for name, more in (("alice", ()), ("alice", ()), ("alice", ()), ("bird", ("--canaries", str(plan)))):
            ended(up.mine(name, "--once", "--warcs", "1", "--cpus_per_task", "1", *more))
        token = up.devnet.tokens["alice"]
        ended(up.validate("judge", "--once", *QUICK, "--evidence-repo", "verdicts", HF_TOKEN=token))
        yield up


def ended(process: subprocess.Popen[str], status: int = 0) -> str:
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status and "Traceback" not in said, said
    return said


def plan_of(subnet: Subnet) -> Canaries:
    return read(Path(subnet.folder) / "canaries.json")


def test_a_canary_is_judged_as_what_it_is(subnet: Subnet) -> None:
    """The verdict follows from the rows alone; nothing that the server shows tells it from Alice's tasks."""
    plan, bird = plan_of(subnet), subnet.wallets["bird"].hotkey_ss58
    assert len(subnet.tasks()) == 4
    for task in subnet.tasks():
        assert task.seal and task.canary is None
        kind = plan.kind(task.hotkey, task.id, day_of(task.seal) or 0)
        assert (kind == "") == (task.hotkey != bird)
        (score,) = task.scores
        assert score.verdict == ("fail" if kind == "bad" else "pass"), score


def test_anybody_replays_what_is_published(subnet: Subnet) -> None:
    """From the task to the place of its evidence, from there to the same result; the page links it."""
    task = subnet.tasks()[-1]
    (score,) = task.scores
    assert score.evidence and score.evidence.startswith("alice/verdicts@")
    assert len({one.scores[0].evidence for one in subnet.tasks()}) == 1
    said = subnet.run("tasks", "evidence", task.id, name="bird")
    assert f"--replay '{score.evidence}' --task {task.id}" in said
    said = subnet.run("audit", "--replay", score.evidence, "--task", task.id, name="bird")
    assert said == f"1/1 task {task.id}, pass: same\n"
    said = subnet.run("audit", "--replay", score.evidence, name="bird")
    assert said.count(": same\n") == 4
    root = score.evidence.partition("#")[2]
    assert f"/evidence/{root[:2]}/{root}.json" in subnet.page()
    said = ended(subnet.start("bird", "audit", "--replay", score.evidence[:-4] + "0000"), 7)
    assert "has no such batch" in said
