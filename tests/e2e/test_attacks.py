"""Attacks on the subnet: real submissions through task server, Hub and chain, scored by `finest validate --once`."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

from finest.validator.evidence import read_evidence, scored
from finest.validator.models import Evidence
from tests.validator.made import write_crawl

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet

ROOT = Path(__file__).parents[2]
LEASE_BLOCKS = 2_000
"""Eight minutes on the devnet's chain, so that no attacker's lease ends before it has attacked; then they are over."""
HONEST = "alice"
pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.nightly,
]  # tests/validator has the attacks every day, without a subnet

AUDIT = ("--rows", "48", "--windows", "10", "--tokens", "20000")
"""All rows of these datasets, and windows enough to see a half that is missing."""


@dataclass(frozen=True)
class Outcome:
    """What became of everybody: by name."""

    subnet: Subnet
    told: dict[str, dict[str, Any]]
    """What the attackers saw."""
    evidence: dict[str, Evidence]
    weights: dict[str, int]
    leaders: dict[str, float | None]
    """Mean scores, as the task server's leaderboard has them."""
    first_look: str
    """What the validator said of the repository that was deleted, before it looked again."""

    def total(self, name: str) -> float:
        found = self.evidence[name].total
        return found if found is not None else 0.0

    def factor(self, name: str) -> Any:
        return scored(self.evidence[name])

    def is_found_out(self, name: str, why: str) -> bool:
        """A fail for that reason, worth nothing anywhere."""
        evidence = self.evidence[name]
        assert (evidence.verdict, why in evidence.why) == ("fail", True), evidence.why
        return self.total(name) == 0 and name not in self.weights and self.leaders[name] == 0

    def is_paid_less(self, name: str) -> bool:
        """A pass that is worth less than the honest miner's, everywhere."""
        assert self.evidence[name].verdict == "pass", self.evidence[name].why
        own, honest = self.leaders[name], self.leaders[HONEST]
        assert own is not None and honest is not None
        return (
            self.total(name) < self.total(HONEST) and self.weights.get(name, 0) < self.weights[HONEST] and own < honest
        )

    def is_unheard(self, name: str) -> bool:
        """Nothing of it is paid for, and the leaderboard does not know it."""
        return name not in self.weights and name not in self.leaders


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    from finest.demo.subnet import Subnet

    from .attacks import ATTACKS, REDUNDANCY, WARCS

    folder = tmp_path_factory.mktemp("subnet")
    crawl = tmp_path_factory.mktemp("crawl")
    first = crawl / "first.paths"
    first.write_text("".join(f"{path.relative_to(crawl)}\n" for path in write_crawl(crawl)[:WARCS]))
    rules = ("--redundancy", str(REDUNDANCY), "--lease-blocks", str(LEASE_BLOCKS))
    with Subnet(folder, (HONEST, *ATTACKS), rules=rules, work=first) as subnet:
        subnet.devnet.chain.set_hyperparameter("WeightsSetRateLimit", 0)
        subnet.add_wallet("judge", validator=True)
        miner = subnet.mine(HONEST, "--once", "--warcs", "2", "--cpus_per_task", "1")
        said, _ = miner.communicate(timeout=1800)
        assert miner.returncode == 0, said
        told = attacked(subnet, crawl)
        first_look = validated(subnet, blocks=LEASE_BLOCKS)
        look_again(subnet)
        validated(subnet)
        yield Outcome(subnet, told, evidence_of(subnet), weights_of(subnet), leaders_of(subnet), first_look)


def attacked(subnet: Subnet, crawl: Path) -> dict[str, dict[str, Any]]:
    """Every attack, and what the attackers tell of it."""
    (dataset,) = (subnet.folder / HONEST / "finest-work" / "tasks").glob("*/dataset")
    work = subnet.folder / "attackers"
    work.mkdir()
    plan = {"wallets": str(subnet.folder / "wallets"), "tokens": subnet.devnet.tokens, "work": str(work)}
    environment = subnet.environment("attackers")
    environment["PYTHONPATH"] = ":".join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.attacks", str(dataset), str(crawl)], input=json.dumps(plan), text=True,
        capture_output=True, env=environment, cwd=work, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["name"]: line for line in lines}


def validated(subnet: Subnet, blocks: int = 0) -> str:
    """What `finest validate --once` says; so many blocks pass after it has found the lines.

    A line without a task waits until the validator has had contact with the task server for the length of a lease.
    """
    process = subnet.start("judge", "validate", "--once", "--parallel", "2", *AUDIT, *subnet.wallets["judge"].flags)
    while blocks and not found_lines(subnet) and process.poll() is None:
        time.sleep(0.2)
    subnet.devnet.chain.advance(blocks)
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0 and "Traceback" not in said, said
    return str(said)


def found_lines(subnet: Subnet) -> bool:
    """Whether the validator's queue has lines; the file may not be there yet, or have no tables."""
    try:
        with closing(sqlite3.connect(f"file:{queue_file(subnet)}?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT count(*) FROM validator_submissions").fetchone()[0])
    except sqlite3.OperationalError:
        return False


def look_again(subnet: Subnet) -> None:
    """The ten minutes after which the validator looks a second time are over."""
    with closing(sqlite3.connect(queue_file(subnet))) as database, database:
        database.execute("UPDATE validator_submissions SET due_s = 0 WHERE verdict IS NULL")


def queue_file(subnet: Subnet) -> Path:
    return subnet.folder / "judge" / "finest-validator" / "validator.db"


def names(subnet: Subnet) -> dict[str, str]:
    return {wallet.hotkey_ss58: name for name, wallet in subnet.wallets.items()}


def evidence_of(subnet: Subnet) -> dict[str, Evidence]:
    found = map(read_evidence, (subnet.folder / "judge" / "finest-validator" / "evidence").glob("*.json"))
    return {names(subnet)[str(one.subject.submission.hotkey)]: one for one in found}


def weights_of(subnet: Subnet) -> dict[str, int]:
    """The judge's weights on the chain, by miner."""
    import bittensor as bt

    async def ask() -> Any:
        async with bt.Subtensor(subnet.devnet.chain.endpoint) as client:
            return await client.query(("SubtensorModule", "Weights"), [63, subnet.wallets["judge"].uid])

    uids = {wallet.uid: name for name, wallet in subnet.wallets.items()}
    return {uids[uid]: weight for uid, weight in asyncio.run(ask())}


def leaders_of(subnet: Subnet) -> dict[str, float | None]:
    answer = requests.get(f"{subnet.api_url}/v1/leaderboard", params={"limit": "100"}, timeout=60)
    return {names(subnet)[leader["hotkey"]]: leader["mean_score"] for leader in answer.json()}


def test_the_honest_miner_passes(outcome: Outcome) -> None:
    """Every row true, no page missing; of those that are paid only who has its very rows is not below it."""
    evidence = outcome.evidence[HONEST]
    assert evidence.verdict == "pass", evidence.why
    assert outcome.total(HONEST) > 0.8
    as_good = {name for name, weight in outcome.weights.items() if weight >= outcome.weights[HONEST]}
    assert as_good <= {HONEST, "copied", "pushed"}


def test_thirty_percent_of_invented_rows_are_caught(outcome: Outcome) -> None:
    """With honest hashes, sizes and root."""
    assert outcome.is_found_out("third-invented", "rows are forged")


@pytest.mark.parametrize(("name", "rows"), [("one-invented", 1), ("two-invented", 2)])
def test_few_invented_rows_cost_honesty(outcome: Outcome, name: str, rows: int) -> None:
    """One or two of 45 are no proof of a lie; each percent costs a tenth."""
    assert outcome.is_paid_less(name)
    assert outcome.factor(name).honesty == pytest.approx(1 - 10 * rows / 45)


def test_raw_text_declared_as_fineweb_is_caught(outcome: Outcome) -> None:
    """What a page shows is not what the recipe makes of it."""
    assert outcome.is_found_out("raw", "4 of 4 rows are forged")


def test_boilerplate_padding_is_caught(outcome: Outcome) -> None:
    """Declared as `fineweb` it is not what the recipe makes of the page."""
    assert outcome.is_found_out("padded", "rows are forged")


def test_boilerplate_padding_under_another_recipe_is_paid_less(outcome: Outcome) -> None:
    """It stands on the page and is no lie, but teaches less."""
    assert outcome.is_paid_less("padded-openly")
    assert outcome.factor("padded-openly").quality < outcome.factor(HONEST).quality


def test_every_row_twice_is_caught(outcome: Outcome) -> None:
    """The second ones have no record."""
    assert outcome.is_found_out("twice", "no such record")


def test_another_miners_dataset_is_caught(outcome: Outcome) -> None:
    """It is made of other WARCs."""
    assert outcome.is_found_out("others", "is no WARC of the task")


def test_the_same_warc_copied_under_another_hotkey_is_seen(outcome: Outcome) -> None:
    """Where several miners get one WARC, honest ones have the same rows: who had them first is said, and no more."""
    evidence = outcome.evidence["copied"]
    assert evidence.verdict == "pass" and evidence.uniqueness, evidence.why
    (copy,) = evidence.uniqueness.copies
    assert copy.hotkey == outcome.subnet.wallets[HONEST].hotkey_ss58
    assert (copy.hits, copy.same_warcs) == (copy.of, True)
    assert outcome.total("copied") == pytest.approx(outcome.total(HONEST), rel=0.1)


def test_only_the_best_half_is_caught(outcome: Outcome) -> None:
    """What is missing is in no window's dataset."""
    assert outcome.is_found_out("half", "pages are missing")


def test_other_language_is_worth_nothing(outcome: Outcome) -> None:
    """It holds none of the pages that are asked for, which fails whatever its recipe."""
    assert outcome.is_found_out("foreign", "recall 0.00")


def test_evaluation_text_leaked_in_is_caught(outcome: Outcome) -> None:
    """Even what fits into the words that each row may have from elsewhere: all rows together may not."""
    assert outcome.is_found_out("leaked", "are taken from their pages")


def test_rows_without_their_texts_are_caught(outcome: Outcome) -> None:
    """A quarter of the texts under a recipe of one's own is no refinement."""
    assert outcome.is_found_out("hollow", "of the text of their pages, at least half is expected")


def test_a_dataset_changed_after_the_commitment_is_caught(outcome: Outcome) -> None:
    """Its rows are not those of the root on the chain."""
    assert outcome.is_found_out("changed", "root")


def test_a_repository_that_changes_later_is_read_as_it_was(outcome: Outcome) -> None:
    """The line's revision is read; the task is finished, and the other dataset refused."""
    assert outcome.told["pushed"]["refused"] == "already-finished"
    assert (
        outcome.evidence["pushed"].subject.submission.revision == outcome.told["pushed"]["line"].partition("@")[2][:40]
    )
    assert outcome.evidence["pushed"].verdict == "pass"


def test_a_commitment_before_the_lease_is_refused(outcome: Outcome) -> None:
    """By the task server; and by the validator, to whom no task is finished with that line."""
    told = outcome.told["early"]
    assert told["block"] < told["leased"] and told["refused"] == "commitment-missing"
    assert outcome.evidence["early"].why == "lease: no task was finished with this line"
    assert outcome.total("early") == 0 and outcome.is_unheard("early")


def test_a_deleted_repository_is_caught(outcome: Outcome) -> None:
    """At the second look: the first might be the Hub's mistake."""
    assert "deleted/web" in outcome.first_look
    assert "no verdict yet (not admissible (revision)" in outcome.first_look
    assert outcome.is_found_out("deleted", "not admissible (revision)")


def test_a_parquet_bomb_is_caught(outcome: Outcome) -> None:
    """A few kilobytes that would be gigabytes are refused in a process of bounded means."""
    assert outcome.is_found_out("bomb", "unpacks to more than its reader may hold")


def test_a_line_of_garbage_is_passed_over(outcome: Outcome) -> None:
    """Our own client does not write it, the task server does not take it, the validator does not see it."""
    told = outcome.told["garbage"]
    assert told["line"].startswith("fd1:..") and told["refused"] == "commitment-missing"
    assert "garbage" not in outcome.evidence and outcome.is_unheard("garbage")


def test_another_miners_task_is_refused(outcome: Outcome) -> None:
    """By the task server; the line that stands for nothing is worth nothing."""
    assert outcome.told["thief"]["refused"] == "not-yours"
    assert outcome.evidence["thief"].why == "lease: no task was finished with this line"
    assert outcome.is_unheard("thief")


def test_nobody_is_left_without_a_verdict(outcome: Outcome) -> None:
    """One line of each, judged; only garbage is no line."""
    from .attacks import ATTACKS

    assert set(outcome.evidence) == {HONEST, *ATTACKS} - {"garbage"}
