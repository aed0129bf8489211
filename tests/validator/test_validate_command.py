"""`finest validate` as far as its flags: what they mean, and what is said before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.errors import FinestError, NeedsPerson
from finest.validator.loop import start
from finest.validator.models import Plan


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What the validator was asked to do."""
    found: list[Any] = []

    def validate(*arguments: Any, **named: Any) -> int:
        found.append((*arguments, named))
        return 0

    monkeypatch.setattr(start, "validate", validate)
    monkeypatch.chdir(tmp_path)
    return found


def test_flags_mean_what_they_say(asked: list[Any], tmp_path: Path) -> None:
    """Each of them, and the chain's."""
    flags = ["--work", str(tmp_path / "w"), "--database", "sqlite:///v.db", "--once", "--parallel", "3", "--rows", "9"]
    flags += ["--windows", "4", "--tokens", "5000", "--no-weights", "--wallet.name", "judge", "--netuid", "63"]
    assert CliRunner().invoke(cli, ["validate", *flags], catch_exceptions=False).exit_code == 0
    ((options, database, chain, _, _, named),) = asked
    assert (options.work, options.plan, options.tokens) == (tmp_path / "w", Plan(rows=9, windows=4), 5000)
    assert (options.parallel, options.sets_weights, database, named["once"]) == (3, False, "sqlite:///v.db", True)
    assert (chain.wallet_name, chain.netuid) == ("judge", 63)


def test_the_defaults_are_those_of_the_measured_design(asked: list[Any]) -> None:
    """docs/concepts/scoring.md; weights are set, for ever."""
    assert CliRunner().invoke(cli, ["validate"], catch_exceptions=False).exit_code == 0
    ((options, database, *_, named),) = asked
    assert (options.plan, options.tokens, options.parallel, options.sets_weights) == (Plan(), 1_000_000, 1, True)
    assert (str(options.work), database, named["once"]) == ("finest-validator", None, False)


@pytest.mark.parametrize("flags", [["--parallel", "0"], ["--rows", "0"], ["--tokens", "10"], ["--windows", "x"]])
def test_numbers_that_make_no_sense_are_refused(asked: list[Any], flags: list[str]) -> None:
    """Before anything begins."""
    assert CliRunner().invoke(cli, ["validate", *flags]).exit_code == 2
    assert asked == []


def test_without_a_task_server_a_person_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A supervisor leaves it down."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_URL", "")
    with pytest.raises(FinestError, match="API_URL is not set") as raised:
        CliRunner().invoke(cli, ["validate"], catch_exceptions=False, standalone_mode=False)
    assert (type(raised.value), raised.value.exit_code) == (NeedsPerson, 78)
