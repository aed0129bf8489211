"""A round on the devnet's chain, through the real client: seals, openings, entries, and weights of mechanism 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("bittensor")

from finest.chain.recipe_lines import decode_seal
from finest.contest import entries as entries_module
from finest.contest import sealing
from finest.contest.calendar import Calendar
from finest.contest.chore import RecipeWeights
from finest.contest.entries import collected
from finest.contest.sealing import blocks_to_opening, open_sealed, read_sealed, seal
from finest.contest.standing import FULL_BPB, Standing, Win, first_standing, write_standing
from finest.contest.submission import read_submission
from finest.dataset.hub import Revision
from finest.devnet.chain.server import ChainServer
from finest.errors import ChainError, UsageError
from tests.chain.on_devnet import MakeKey
from tests.contest.made import folder_of, recipe_text

if TYPE_CHECKING:
    from finest.chain.subnet import Chain

SHA = "4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c"
OpenChain = Callable[..., "Chain"]


def test_a_recipe_is_sealed_opened_and_entered(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is public before the round is closed; who copies a seal, or seals after seeing, has no entry."""
    alice, thief = open_chain(make_key()), open_chain(make_key())
    folder = folder_of(tmp_path / "better", recipe_text())
    submission = read_submission(str(folder))
    monkeypatch.setattr(entries_module, "read_submission", lambda _: submission)
    monkeypatch.setattr(sealing, "publish", lambda _, repo, say: Revision(repo, SHA))
    calendar = Calendar(round_blocks=100, opening_blocks=30)
    while calendar.close(calendar.number_at(server.advance())) - alice.block() < 60:
        server.advance(20)
    state = seal(alice, calendar, submission, 20, "alice/better", tmp_path / "a.json")
    assert (tmp_path / "a.json").stat().st_mode & 0o077 == 0
    assert seal(alice, calendar, submission, 20, "alice/better", tmp_path / "a.json") == state
    number = state.number
    assert number is not None
    texts = alice.texts(server.advance(3) - 1)
    copied = texts[alice.hotkey.address].text
    assert decode_seal(copied) is not None
    assert SHA not in copied
    thief.commit(copied)
    assert blocks_to_opening(alice, calendar, state) > 0
    with pytest.raises(ChainError, match="not final yet"):
        alice.texts(calendar.close(number))
    server.advance(calendar.close(number) + 1 - alice.block())
    assert blocks_to_opening(alice, calendar, state) == 0
    opened = open_sealed(alice, state, submission, tmp_path / "a.json", lambda _: None)
    assert opened.opened == f"alice/better@{SHA}"
    line = alice.texts(server.advance(3) - 1)[alice.hotkey.address].text
    thief.commit(line)
    server.advance(calendar.seed(number) + 3 - alice.block())
    said: list[str] = []
    entry, *others = collected(alice, calendar, number, first_standing(), said.append)
    assert (entry.place, entry.track, entry.hotkey, entry.block) == (
        f"alice/better@{SHA}", 20, alice.hotkey.address, state.block,
    )  # fmt: skip
    assert not others
    assert said == [f"{thief.hotkey.address}: alice/better@{SHA} is not what was sealed"]
    assert collected(alice, calendar, number + 1 - 1, first_standing(), said.append) == (entry,)
    server.advance(calendar.opened(number) + 1 - alice.block())
    late = read_sealed(tmp_path / "a.json")
    assert late is not None
    with pytest.raises(UsageError, match="submit again"):
        blocks_to_opening(alice, calendar, late)


def test_weights_of_the_second_mechanism_follow_the_wins(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain, tmp_path: Path
) -> None:
    """The winner's share by its gain; the rest to the owner; mechanism 0 keeps its own; a winner who left is burned."""
    said: list[str] = []
    validator, winner = open_chain(make_key(permit=True)), open_chain(make_key())
    chore = RecipeWeights(tmp_path / "standing.json", validator, said.append)
    assert chore.round() > 0
    assert "no second mechanism" in said[-1]
    server.set_hyperparameter("MechanismCountCurrent", 2)
    server.set_hyperparameter("WeightsSetRateLimit", 3)
    try:
        server.advance(5)
        address, owner = winner.hotkey.address, validator.view().owner_hotkey
        win = Win(track=20, hotkey=address, block=1, certain_bpb=FULL_BPB / 2)
        gone = Win(track=60, hotkey="5" + "C" * 47, block=1, certain_bpb=FULL_BPB)
        write_standing(tmp_path / "standing.json", Standing(wins=(win, gone)))
        chore.round()
        found = validator.weights(validator.hotkey.address, mechanism=1)
        assert found == pytest.approx({address: 1 / 6, owner: 5 / 6}, abs=1e-3)
        assert validator.weights(validator.hotkey.address) == {}
        assert "83.3% are burned" in said[-1]
        assert chore.round() > 0, "too early again: it waits"
    finally:
        server.set_hyperparameter("WeightsSetRateLimit", 100)
        server.set_hyperparameter("MechanismCountCurrent", 1)
