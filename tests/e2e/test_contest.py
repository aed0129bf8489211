"""The competition as its users run it: a recipe is sealed, opened, measured on the server's crawl, and weighed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

from finest.contest.calendar import Calendar
from finest.contest.plan import saved_plan
from finest.contest.result import read_result
from finest.contest.standing import read_standing
from finest.devnet.crawl import CRAWL, WARCS, warc_key
from tests.contest.made import folder_of, recipe_text

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet

PATIENCE_S = 120.0
CALENDAR = Calendar(round_blocks=400, opening_blocks=300)
LENGTHS = ("--round-blocks", CALENDAR.round_blocks, "--opening-blocks", CALENDAR.opening_blocks)
QUICK = ("--once", "--tier", 1)
"""A round of some seconds: the devnet's crawl has 225 pages beside those for held-out text, too few to train on."""

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def subnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subnet]:
    """A miner of recipes, a validator, and a task server whose best paid work is a language of the crawl."""
    from finest.demo.subnet import Subnet

    with Subnet(tmp_path_factory.mktemp("subnet"), ("alice",)) as up:
        up.devnet.chain.set_hyperparameter("MechanismCountCurrent", 2)
        up.devnet.chain.set_hyperparameter("WeightsSetRateLimit", 0)
        up.add_wallet("judge", validator=True)
        up.run("tasks", "add", CRAWL, "--language", "eng_Latn", "--recipe", "finest", "--price", 2)
        yield up


def test_a_recipe_is_followed_from_its_seal_to_the_weights(subnet: Subnet, tmp_path: Path) -> None:
    """By the ordinary commands, against a live task server, chain and Hub; a second look has nothing to do."""
    chain, recipe = subnet.devnet.chain, folder_of(tmp_path / "better", recipe_text())
    own = (recipe, *LENGTHS, *subnet.wallets["alice"].flags)
    follow = ("contest", "follow", *QUICK, *LENGTHS, *subnet.wallets["judge"].flags)
    while CALENDAR.close(number := CALENDAR.number_at(block := chain.advance())) - block < 200:
        chain.advance(100)
    subnet.run("contest", "submit", "--track", 60, "--hf-repo", "alice/better", "--no-wait", *own, name="alice")
    chain.advance(CALENDAR.close(number) + 5 - chain.advance())
    place = subnet.run("contest", "open", *own, name="alice").strip()
    chain.advance(CALENDAR.seed(number) + 5 - chain.advance())
    subnet.run(*follow, name="judge")
    work = subnet.folder / "judge" / "finest-contest"
    plan, result = (work / f"round-{number:05d}" / name for name in ("plan.json", "result.json"))
    decided = saved_plan(plan)
    assert decided is not None
    (entry,) = [one for one in decided.entries if not one.incumbent]
    assert (entry.place, entry.track, entry.hotkey) == (place, 60, subnet.wallets["alice"].hotkey_ss58)
    assert sorted((*decided.warcs, *decided.heldout)) == [warc_key(one) for one in range(WARCS)]
    found = read_result(result)
    assert {window.source for window in found.windows} == {f"s3://commoncrawl/{path}" for path in decided.warcs}
    measured = {one.recipe: one for one in found.entries}
    assert measured["better"].pages > measured["fineweb"].pages > 40
    assert min(one.tokens for one in measured.values()) > 10_000
    assert all("the pool is too small" in one.refused for one in measured.values())
    assert read_standing(work / "standing.json").number == number
    before = (plan.read_bytes(), result.read_bytes())
    subnet.run(*follow, name="judge")
    assert (plan.read_bytes(), result.read_bytes()) == before
    judge = subnet.validate("judge", "--contest", work)
    deadline = time.monotonic() + PATIENCE_S
    while not _weights_of_mechanism_1(subnet):
        assert judge.poll() is None, judge.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _weights_of_mechanism_1(subnet: Subnet) -> dict[str, float]:
    from finest.chain.options import ChainOptions
    from finest.chain.subnet import Chain

    with Chain(ChainOptions.resolve(subnet.environment("judge"))) as chain:
        return chain.weights(subnet.wallets["judge"].hotkey_ss58, mechanism=1)
