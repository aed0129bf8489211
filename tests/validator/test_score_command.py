"""`finest score`: factors of a record, standings of a folder, and a person's mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from finest.cli import cli
from finest.errors import FinestError
from finest.validator.evidence import read_evidence, with_quality, without_quality, write_evidence
from finest.validator.loop.queue import Queue
from finest.validator.models import (
    Assignment,
    Check,
    Declared,
    Evidence,
    PageFinding,
    Plan,
    Quality,
    RowFinding,
    Subject,
    Submission,
    Uniqueness,
    Versions,
    WindowFinding,
)

from .loop.lines import ALICE, BOB, following, seen, settled, warc

HASH = "ab" * 32


def evidence() -> Evidence:
    """A pass, measured."""
    row = RowFinding(number=0, id="i", source="s", offset=0, expected=HASH, found=HASH, outcome="same")
    page = PageFinding(id="i", source="s", offset=0, tokens=5, outcome="held")
    found = Evidence(
        subject=Subject(submission=Submission(committed_block=150), seed=HASH,
                        task=Assignment(warcs=(), leased_block=100, expires_block=200)),
        plan=Plan(), versions=Versions(finest="1", python="3", libraries={}, recipes={}),
        admission=(Check(name="root", outcome="pass"),), rows=(row,) * 9,
        declared=Declared(recipe="fineweb", recipe_hash=HASH, known=True, root=HASH, rows=9, pages=20, token_count=45,
                          size_bytes=1),
        windows=(WindowFinding(source="s", offset=0, pages=15, kept=(page,)),),
        uniqueness=Uniqueness(rows=9, tokens=45, exact=0, near=0, duplicate_tokens=0, unique_tokens=45,
                              fingerprints=HASH),
        verdict="pass", why="9 of 9 rows are what they should be",
    )  # fmt: skip
    figures = Quality(tier=1, tokens=10, bpb=2.0, bpb_reference=2.0, bpb_raw=2.1, error_bpb=0.001)
    return with_quality(found, figures)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    write_evidence(tmp_path / "good.json", evidence())
    return tmp_path / "good.json"


def score(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["score", *map(str, arguments)], catch_exceptions=False)


def refused(*arguments: object) -> str:
    """What a person is told, in one line."""
    with pytest.raises(FinestError) as raised:
        CliRunner().invoke(cli, ["score", *map(str, arguments)], catch_exceptions=False, standalone_mode=False)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_record_is_scored_factor_by_factor(record: Path, tmp_path: Path) -> None:
    """Worked out anew: a total that somebody wrote in is not believed. Of a verdict without figures there are none."""
    changed = read_evidence(record).model_copy(update={"total": 1.0})
    write_evidence(record, changed)
    bad = without_quality(evidence().model_copy(update={"quality": None}), "no_evidence", "the Hub is away")
    write_evidence(tmp_path / "bad.json", bad)
    said = score(record, tmp_path / "bad.json").output
    first, second = (line.split() for line in said.splitlines() if line.startswith(str(tmp_path)) and ": " not in line)
    assert first[1:] == ["pass", "1.000", "1.000", "0.984", "0.950", "0.849"]
    assert second[1:] == ["no", "evidence", "-", "-", "-", "-", "0.000"]
    assert f"{tmp_path / 'bad.json'}: quality: the Hub is away" in said


def test_a_record_for_programs(record: Path) -> None:
    """The same with every digit."""
    (found,) = json.loads(score("--json", record).output).values()
    assert found["score"] == pytest.approx(evidence().total) == pytest.approx(0.849, abs=0.001)
    assert (found["verdict"], found["factors"]["promptness"]) == ("pass", 0.95)
    assert found["why"] == evidence().why


PAY = 0.7 * 2300 / 3 + 0.3 * 2300 / 30
"""A day's pay of Alice: a third of what is due within three days, and a thirtieth of what vests."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A validator's folder: Alice passed twice and Bob failed, one line waits; Alice's seat is her second."""
    queue = Queue.open(f"sqlite:///{tmp_path / 'validator.db'}")
    queue.add([seen(ALICE, 0), seen(ALICE, 1, registered_block=90), seen(ALICE, 2, registered_block=90), seen(BOB, 3)])
    for number, changes in enumerate(({}, {"total": 0.5}, {"warcs": (warc(1), warc(2))}, {"verdict": "fail"})):
        values: dict[str, Any] = {"total": 0.9, "cpu_s": 0.0, "block": 200 + number} | changes
        queue.record_verdict(following(queue), settled(**values | ({"total": 0.0} if number == 3 else {})))
    queue.add([seen(BOB, 4)])
    queue.close()
    return tmp_path


def test_where_miners_stand(work: Path) -> None:
    """Reliability, tokens of the day, shares; hotkeys whole; what waits. A seat's earlier holder is not mixed in."""
    said = score("--work", work).output
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith("5")}
    assert rows == {ALICE: ["1.000", "767", "77", "2", "0", "100.0%"], BOB: ["0.000", *"0001", "0.0%"]}
    assert "Block 203: 1 fail, 3 pass; 1 waiting" in said


def test_standings_for_programs(work: Path) -> None:
    """With the block that they are of."""
    found = json.loads(score("--work", work, "--json").output)
    assert (found["block"], found["waiting"], found["verdicts"]) == (203, 1, {"fail": 1, "pass": 3})
    assert found["hotkeys"][ALICE]["weight"] == pytest.approx(PAY)
    assert found["hotkeys"][ALICE] == {
        "pay": pytest.approx(2300 / 3), "vesting": pytest.approx(2300 / 30), "passed_work": 3.0,
        "judged_work": 3.0, "passed": 2, "failed": 0, "until_block": 0, "reliability": 1.0,
        "weight": pytest.approx(PAY),
    }  # fmt: skip


def test_a_database_can_be_named(work: Path, tmp_path: Path) -> None:
    """Instead of the folder."""
    said = score("--database", f"sqlite:///{work / 'validator.db'}", "--work", tmp_path / "nowhere", "--json").output
    assert json.loads(said)["block"] == 203


def test_an_empty_queue_is_shown(tmp_path: Path) -> None:
    """A validator that has begun just now."""
    Queue.open(f"sqlite:///{tmp_path / 'validator.db'}").close()
    assert "Block 0: no verdict yet; 0 waiting" in score("--work", tmp_path).output
    assert json.loads(score("--work", tmp_path, "--json").output)["hotkeys"] == {}


def test_mistakes_are_said_in_one_line(tmp_path: Path) -> None:
    """A folder that is none, files that are no evidence, a database that cannot be had; nothing is made on the way."""
    assert "nowhere is not a validator's work folder; name one with --work" in refused("--work", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert "No such file" in refused(tmp_path / "missing.json")
    (tmp_path / "broken.json").write_text('{"format": "finest-evidence/1"')
    assert "broken.json: no evidence of this version" in refused(tmp_path / "broken.json")
    assert "Is a directory" in refused(tmp_path)
    (tmp_path / "validator.db").write_bytes(b"no database, whatever it is called\n" * 100)
    assert "not a database" in refused("--work", tmp_path)
    assert "--database" in refused("--database", "nonsense")


def test_the_commands_explain_themselves() -> None:
    """What it is for, an example, every flag with words."""
    for name, words in (("score", "finest score verdict.json"), ("validate", "finest validate --once --no-weights")):
        said = CliRunner().invoke(cli, [name, "--help"], catch_exceptions=False).output
        assert words in said
    said = CliRunner().invoke(cli, ["validate", "--help"], catch_exceptions=False).output
    for flag in ("--work", "--database", "--once", "--parallel", "--rows", "--windows", "--tokens", "--no-weights"):
        assert flag in said
