"""Entries of a round from what stood on the chain, as pure functions of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.chain.recipe_lines import Opening, Text, decode_opening, decode_seal, new_salt, sealed
from finest.contest import entries as module
from finest.contest.calendar import Calendar
from finest.contest.entries import MAX_NEW, drawn_warcs, limited, opened_entries, planned
from finest.contest.plan import Entry
from finest.contest.submission import read_submission
from finest.errors import VerifyError

from .made import folder_of, recipe_text

SHA = "4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c"
CALENDAR = Calendar(round_blocks=100, opening_blocks=20)


def text(hotkey: str, block: int, line: str, coldkey: str | None = None) -> Text:
    return Text(hotkey, coldkey or hotkey, block, line)


def test_lines_are_read_as_they_were_written() -> None:
    """And nothing else is a line."""
    seal, opening = sealed("5a", 20, "d", new_salt()), Opening("alice/better", SHA, new_salt())
    assert decode_seal(seal.line) == seal
    assert decode_opening(opening.line) == opening
    assert len(Opening("a" * 25 + "/" + "b" * 24, SHA, new_salt()).line) <= 128
    for line in ("", None, seal.line + "0", seal.line.upper(), opening.line + " ", "fdr1:0#" + "0" * 64, 7):
        assert decode_seal(line) is None
        assert decode_opening(line) is None


def test_a_seal_is_its_hotkeys_and_its_tracks() -> None:
    """The same recipe and salt under another hotkey or in another track is another seal."""
    salt = new_salt()
    seals = {sealed(hotkey, track, "d", salt).sha256 for hotkey in ("5a", "5b") for track in (5, 20)}
    assert len(seals) == 4


def test_only_what_was_sealed_in_time_and_opened_is_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither last round's seal, nor one without an opening, nor another content; one bad entry costs itself only."""
    submission = read_submission(str(folder_of(tmp_path, recipe_text())))
    broken = "bob/broken"

    def read(place: str) -> object:
        if place.startswith(broken):
            raise VerifyError("no recipe")
        return submission

    monkeypatch.setattr(module, "read_submission", read)
    salt, seals, openings = new_salt(), {}, {}
    for hotkey, block, digest, repo in (
        ("in", 150, submission.digest, "alice/better"), ("early", 99, submission.digest, "alice/better"),
        ("other", 151, "another", "alice/better"), ("broken", 152, submission.digest, broken),
        ("closed", 153, submission.digest, ""),
    ):  # fmt: skip
        seals[hotkey] = text(hotkey, block, sealed(hotkey, 20, digest, salt).line)
        if repo:
            openings[hotkey] = text(hotkey, 210, Opening(repo, SHA, salt).line)
    seals["foreign"] = text("foreign", 160, f"fd1:alice/web@{SHA}#{'0' * 32}")
    said: list[str] = []
    found = opened_entries(seals, openings, CALENDAR.number_at, 1, said.append)
    assert [(one.hotkey, one.block, one.track) for one in found] == [("in", 150, 20)]
    assert sorted(line.partition(":")[0] for line in said) == ["broken", "closed", "other"]


def test_many_hotkeys_of_one_owner_have_one_entry_in_a_track() -> None:
    """The earliest; of very many owners the seed draws some, the same for everybody."""
    entries = [Entry(place=f"a/{number}@{SHA}", track=20, hotkey=f"h{number}", block=number) for number in range(100)]
    seals = {one.hotkey: text(one.hotkey, one.block, "", "one owner") for one in entries}
    assert limited(entries, "0xab", seals) == entries[:1]
    drawn = limited(entries, "0xab", {})
    assert len(drawn) == MAX_NEW
    assert drawn == limited(entries, "0xab", {})
    assert drawn != limited(entries, "0xcd", {})


def test_pages_are_drawn_by_a_later_block() -> None:
    """From the whole list, in any order of it; no WARC is in the pool and in the held-out text."""
    paths = [f"crawl-data/{number}.warc.gz" for number in range(100)]
    pool, heldout = drawn_warcs(paths, "0xab")
    assert (len(pool), len(heldout), len({*pool, *heldout})) == (10, 4, 14)
    assert drawn_warcs(paths[::-1], "0xab") == (pool, heldout)
    assert drawn_warcs(paths, "0xcd") != (pool, heldout)
    assert [len(part) for part in drawn_warcs(paths[:2], "0xab")] == [1, 1]
    assert planned(3, "0xab", 399, paths, (), 1).warcs == pool


def test_a_round_takes_seals_then_openings_then_draws() -> None:
    """And it is ready when its seed block has passed."""
    assert [CALENDAR.number_at(block) for block in (0, 99, 100)] == [0, 0, 1]
    assert (CALENDAR.close(1), CALENDAR.opened(1), CALENDAR.seed(1)) == (199, 219, 229)
    assert [CALENDAR.newest_ready(block) for block in (128, 129, 228, 229, 329)] == [None, 0, 0, 1, 2]
