"""A round from the pages to its result, on the shipped sample: same pages, same tokens, resumable, recomputable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.contest import pool as pool_module
from finest.contest import round as round_module
from finest.contest.heldout import preferred, without_near
from finest.contest.plan import Entry, Plan, read_plan
from finest.contest.refine import Judged, TimedJudge
from finest.contest.result import Result
from finest.contest.round import RESULT_NAME, run_round
from finest.errors import RunError, UsageError
from finest.recipe.recipe import canonical_json, load_recipe
from finest.sample.build import SAMPLE
from finest.validator.quality.heldout import anchors
from finest.warc.source import Source, inspect

from .made import folder_of, recipe_text

LONG = "min_doc_words = 300"
"""Keeps about 60 % of the tokens that fineweb keeps of the sample."""


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [inspect(str(SAMPLE), "sample.warc.gz")]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Entry, ...]:
    """One that fits its track, the same with a comment, one that keeps too much, and one that is broken."""
    folder = tmp_path_factory.mktemp("entries")
    text = recipe_text(base="fineweb").replace("min_doc_words = 50", LONG)
    places = [
        folder_of(folder / "long", text),
        folder_of(folder / "again", "# mine\n" + text.replace('name = "better"', 'name = "mine"')),
        folder_of(folder / "all", recipe_text()),
        folder_of(folder / "broken", recipe_text("\n[evil]\n")),
    ]
    return tuple(
        Entry(place=str(place), track=60, hotkey=f"h{number}", block=number) for number, place in enumerate(places)
    )


@pytest.fixture(scope="module")
def plan(entries: tuple[Entry, ...]) -> Plan:
    return Plan(seed="ab", warcs=(str(SAMPLE),), tier=1, tokens=5000, seeds=2, entries=entries)


@pytest.fixture(scope="module")
def done(
    plan: Plan, sources: list[Source], cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("round")
    return run_round(plan, folder / "out", sources, (), cache, progress=lambda *_: None), folder / "out"


def test_every_entry_is_measured_or_told_why_not(done: tuple[Result, Path]) -> None:
    """The incumbent is added; what is wrong with an entry costs itself only."""
    result, _ = done
    long, again, everything, broken, held = result.entries
    assert held.entry.incumbent
    assert held.recipe == "fineweb"
    assert (long.refused, again.refused) == ("", "")
    assert "track 60 is for 48.0% to 75.0%" in everything.refused
    assert "stages of other packages are not run here" in broken.refused
    assert [len(one.bits) for one in result.entries] == [2, 2, 0, 0, 2]
    assert {len(row) for one in result.entries for row in one.bits} == {len(result.documents)}
    assert 0.48 < long.tokens / result.reference_tokens < 0.75
    assert long.bits != held.bits


def test_a_copy_has_the_same_texts(done: tuple[Result, Path]) -> None:
    """Whatever comment and name it has; the result says what two entries have in common."""
    result, _ = done
    long, again, *_, held = result.entries
    assert (long.recipe_hash, long.texts_sha256, long.bits) == (again.recipe_hash, again.texts_sha256, again.bits)
    assert long.digest != again.digest
    alike = {(both.earlier, both.later): (both.texts, both.pages) for both in result.similar}
    assert alike[0, 1] == (1000, 1000)
    assert 400 < alike[0, 4][1] < 800
    assert held.texts_sha256 != long.texts_sha256


def test_a_stopped_round_continues(
    done: tuple[Result, Path], plan: Plan, sources: list[Source], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is not done again, and gives the same bytes."""
    result, folder = done
    (folder / RESULT_NAME).unlink()
    fit = next((folder / "fits").glob("*.json"))
    fit.unlink()
    monkeypatch.setattr(TimedJudge, "judged", lambda *_: pytest.fail("judged again"))
    again = run_round(plan, folder, sources, (), cache, progress=lambda *_: None)
    assert again.to_json() == result.to_json() == (folder / RESULT_NAME).read_bytes()
    with pytest.raises(UsageError, match="belongs to another round"):
        run_round(plan.model_copy(update={"seed": "cd"}), folder, sources, (), cache, progress=lambda *_: None)


def test_the_result_is_canonical_and_decides_anywhere(done: tuple[Result, Path], tmp_path: Path) -> None:
    """By the command: the copy is named, the state is written once."""
    _, folder = done
    data = (folder / RESULT_NAME).read_bytes()
    assert canonical_json(json.loads(data)) + b"\n" == data
    arguments = ["contest", "decide", str(folder / RESULT_NAME), "--state", str(tmp_path / "standing.json")]
    shown = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert "a copy of" in shown.stdout
    standing = json.loads((tmp_path / "standing.json").read_bytes())
    assert list(standing["known"].values()).count("h0") == 1
    with pytest.raises(UsageError, match="decided before"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_a_slow_recipe_leaves_the_round(
    plan: Plan, sources: list[Source], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute a page: it is stopped within the window, and the others are measured."""
    recipe = load_recipe(str(Path(plan.entries[0].place) / "recipe.toml"))
    slow = recipe.hash
    asked: list[float] = []

    def judged(self: TimedJudge, records: list[object], allowed_s: float) -> Judged:
        if self._recipe.hash == slow:
            asked.append(allowed_s)
            return Judged([], 61.0)
        return Judged([], 0.1)

    monkeypatch.setattr(TimedJudge, "judged", judged)
    pool = pool_module.Pool(plan, {slow: recipe}, tmp_path, cache)
    pool.read(sources, 10**9, lambda *_: None)
    assert asked == [pytest.approx(pool_module.SLACK_S + 0.4)]
    assert pool.slow[slow].startswith("too slow: 61 CPU seconds")


class OfTexts:
    """A pool whose pages show these texts."""

    def __init__(self, *texts: str) -> None:
        self._texts = texts

    def visible(self) -> Iterator[str]:
        yield from self._texts


def test_mirrors_of_held_out_text_are_worth_nothing() -> None:
    """A document that a page of the pool shows, in whole or in a third, is not predicted; others are."""
    documents = anchors()[:6]
    words = documents[1].split()
    mirror = "Home Log in\n" + documents[0] + "\nPrivacy"
    found = without_near(documents, OfTexts(mirror, " ".join(words[: len(words) // 3])))  # type: ignore[arg-type]
    assert (found.near, found.texts) == (2, documents[2:])


def test_the_held_out_half_is_the_one_that_the_shipped_model_prefers() -> None:
    """In their order; nothing of nothing."""
    good, poor = anchors()[:4], ["buy cheap pills now click here win"] * 4
    assert preferred([*poor, *good]) == good
    assert preferred([]) == []


def test_a_pool_and_held_out_text_have_no_warc_in_common(
    plan: Plan, sources: list[Source], cache: Path, tmp_path: Path
) -> None:
    """It would be predicted by heart."""
    with pytest.raises(UsageError, match="is named for held-out text too"):
        run_round(plan, tmp_path / "out", sources, sources, cache, progress=lambda *_: None)


def test_a_plan_is_a_file(tmp_path: Path) -> None:
    """Places beside it are whole; a key that is none is named."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "round.toml").write_text(
        'seed = "ab"\nwarcs = ["crawl-data/x.warc.gz"]\n[[entries]]\nplace = "mine"\ntrack = 20\n'
    )
    plan = read_plan(tmp_path / "round.toml")
    assert plan.entries[0].place == str(tmp_path / "mine")
    assert [(one.place, one.incumbent) for one in plan.complete().entries][1:] == [("fineweb", True)]
    for bad, said in (("track = 21\n", "is no track"), ("track = 20\ncolor = 1\n", "color"), ("=", "Invalid")):
        (tmp_path / "bad.toml").write_text(f'seed = "ab"\nwarcs = ["x"]\n[[entries]]\nplace = "a"\n{bad}')
        with pytest.raises(UsageError, match=said):
            read_plan(tmp_path / "bad.toml")


def test_the_command_runs_a_round_offline(done: tuple[Result, Path], plan: Plan, tmp_path: Path) -> None:
    """From a file, with local WARCs and entries, and says what to do next; here it continues a finished one."""
    lines = [f'seed = "ab"\nwarcs = ["{SAMPLE}"]\ntier = 2\ntokens = 5000\nseeds = 2\n']
    for one in plan.entries:
        lines += [
            f'[[entries]]\nplace = "{one.place}"\ntrack = 60\nhotkey = "{one.hotkey}"\nblock = {one.block}\n'
        ]  # fmt: skip
    (tmp_path / "round.toml").write_text("".join(lines))
    arguments = ["contest", "run", str(tmp_path / "round.toml"), "--out", str(done[1]), "--tier", "1"]
    shown = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert shown.exit_code == 0
    assert "incumbent" in shown.stdout
    assert "finest contest decide" in shown.output


def test_too_few_documents_decide_nothing(
    done: tuple[Result, Path], plan: Plan, sources: list[Source], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round says so instead."""
    monkeypatch.setattr(round_module, "MIN_DOCUMENTS", 1000)
    with pytest.raises(RunError, match="only 48 held-out documents"):
        run_round(plan, done[1], sources, (), cache, progress=lambda *_: None)
