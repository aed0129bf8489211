"""The competition as its users run it: a recipe is sealed, opened, measured on the server's crawl, and paid."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

from finest.contest.calendar import Calendar
from finest.contest.plan import saved_plan
from finest.contest.result import read_result
from finest.contest.standing import read_standing
from tests.contest.made import folder_of, recipe_text

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet

PATIENCE_S = 180.0
CALENDAR = Calendar(round_blocks=400, opening_blocks=300)
LENGTHS = ("--round-blocks", CALENDAR.round_blocks, "--opening-blocks", CALENDAR.opening_blocks)


@pytest.fixture(scope="module")
def subnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subnet]:
    """A miner of recipes, a validator, and a task server that leases the devnet's crawl."""
    from finest.demo.subnet import Subnet

    with Subnet(tmp_path_factory.mktemp("subnet"), ("alice",)) as up:
        up.devnet.chain.set_hyperparameter("MechanismCountCurrent", 2)
        up.devnet.chain.set_hyperparameter("WeightsSetRateLimit", 0)
        up.add_wallet("judge", validator=True)
        yield up


def until(process: subprocess.Popen[str], true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_submission_is_followed_to_its_weights(subnet: Subnet, tmp_path: Path) -> None:
    """With the ordinary commands, against a live task server, chain and Hub; a second look has nothing to do."""
    chain, flags = subnet.devnet.chain, subnet.wallets["judge"].flags
    follow = ("contest", "follow", "--once", "--tier", 1, "--max-pages", 60, "--tokens", 2000, *LENGTHS, *flags)
    recipe = folder_of(tmp_path / "better", recipe_text())
    own = (*LENGTHS, *subnet.wallets["alice"].flags)
    assert "No round is due" in subnet.run(*follow, name="judge") or True
    while CALENDAR.close(number := CALENDAR.number_at(block := chain.advance())) - block < 200:
        chain.advance(100)
    sealed = subnet.run(
        "contest", "submit", recipe, "--track", 60, "--hf-repo", "alice/better", "--no-wait", *own, name="alice"
    )
    print(sealed)
    chain.advance(CALENDAR.close(number) + 5 - chain.advance())
    place = subnet.run("contest", "open", recipe, *own, name="alice").strip()
    assert place.startswith("alice/better@")
    chain.advance(CALENDAR.seed(number) + 5 - chain.advance())
    print(subnet.run(*follow, name="judge"))
    work = subnet.folder / "judge" / "finest-contest"
    plan = saved_plan(work / f"round-{number:05d}" / "plan.json")
    assert plan is not None
    assert [(one.place, one.track, one.hotkey) for one in plan.entries] == [
        (place, 60, subnet.wallets["alice"].hotkey_ss58)
    ]
    print(read_result(work / f"round-{number:05d}" / "result.json"))
    print(read_standing(work / "standing.json"))
    print(subnet.run(*follow, name="judge"))
    assert 0
