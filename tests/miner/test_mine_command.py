"""`finest mine` and `finest dashboard`, the commands."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from finest.chain.options import ChainOptions
from finest.cli import cli
from finest.cli import mine as commands
from finest.cli.doctor import doctor
from finest.cli.views.miner import Screen
from finest.errors import NeedsPerson, RunError
from finest.executors.slurm.request import SlurmRequest
from finest.miner import start
from finest.miner.journal import STEPS, Ended, Journal
from finest.miner.steps import MineOptions
from finest.pipeline.languages import WITHOUT, recipe_for_task
from finest.settings import default_cache
from finest.tasks.models import MAX_WARCS
from tests.miner.test_journal import DONE
from tests.miner.world import task


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[MineOptions, ChainOptions]]:
    """What `finest mine` was asked for, instead of mining."""
    seen: list[tuple[MineOptions, ChainOptions]] = []

    def remember(options: MineOptions, chain: ChainOptions, *_: Any, hand_back: bool) -> int:
        seen.append((options, chain))
        return 0

    monkeypatch.setattr(start, "mine", remember)
    return seen


def mine(*flags: str) -> Any:
    return CliRunner().invoke(cli, ["mine", *flags], catch_exceptions=False)


def test_the_guides_flags(asked: list[tuple[MineOptions, ChainOptions]]) -> None:
    """Each flag of the guide, in its spelling, means what it says."""
    done = mine(
        "--hf_repo", "bob/rows", "--wallet.name", "w", "--wallet.hotkey", "h", "--wallet.path", "/keys",
        "--netuid", "250", "--subtensor.network", "test", "--subtensor.chain_endpoint", "ws://x:1",
        "--total_tasks", "4", "--cpus_per_task", "8", "--limit", "-1", "--keep", "1.5 TB",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ((options, chain),) = asked
    assert (options.hf_repo, options.workers, options.limit, options.netuid) == ("bob/rows", 32, None, 250)
    assert options.keep_bytes == 1_500_000_000_000
    assert chain == ChainOptions(250, "w", "h", Path("/keys"), "test", "ws://x:1")


@pytest.mark.parametrize("spelt", ["--wallet_name", "--wallet-name", "--wallet.name"])
@pytest.mark.parametrize("repo", ["--hf-repo", "--hf_repo"])
def test_flags_in_every_spelling(asked: list[tuple[MineOptions, ChainOptions]], spelt: str, repo: str) -> None:
    """The guide misspells its own flags; all of them work."""
    flags = (repo, "r", spelt, "w", "--wallet_hotkey=h", "--subtensor_network", "local", "--total-tasks", "2")
    more = ("--subtensor_chain_endpoint", "ws://x:1", "--cpus-per-task", "1", "--no_prefetch", "--limit", "7")
    assert mine(*flags, *more).exit_code == 0
    ((options, chain),) = asked
    assert (chain.wallet_name, chain.wallet_hotkey, chain.network, chain.endpoint) == ("w", "h", "local", "ws://x:1")
    assert (options.hf_repo, options.workers, options.limit, options.prefetch) == ("r", 2, 7, False)


def test_on_slurm(asked: list[tuple[MineOptions, ChainOptions]]) -> None:
    """The executor's flags are those of `finest refine`, in every spelling."""
    flags = ("--total-tasks", "4", "--cpus_per_task", "8", "--mem_per_cpu", "1.5", "--sbatch", "account=web")
    assert mine("--hf_repo", "r", "--executor", "slurm", "--partition", "big", *flags).exit_code == 0
    ((options, _),) = asked
    assert options.slurm == SlurmRequest(
        partition="big", total_tasks=4, cpus_per_task=8, memory_per_cpu_gb=1.5, sbatch=(("account", "web"),)
    )
    assert "needs --executor slurm" in mine("--hf_repo", "r", "--partition", "big").output


def test_a_wrong_size_or_recipe_is_said(tmp_path: Path) -> None:
    """A recipe that is not there needs a person."""
    assert "is not a size; write 50GB" in mine("--hf_repo", "r", "--keep", "lots").output
    with pytest.raises(NeedsPerson):
        mine("--hf_repo", "r", "--recipe", str(tmp_path / "no.toml"))


def test_languages_are_more_recipes(asked: list[tuple[MineOptions, ChainOptions]]) -> None:
    """One for each language, with the hash that `finest tasks add` gives its work; without the flag there is none."""
    assert mine("--hf_repo", "r", "--language", "de,fra_Latn").exit_code == 0
    assert mine("--hf_repo", "r").exit_code == 0
    (with_languages, _), (without, _) = asked
    for code in ("deu_Latn", "fra_Latn"):
        recipe, named = recipe_for_task(code, WITHOUT, default_cache())
        work = task("t1", language=named, recipe=recipe.name, recipe_hash=recipe.hash)
        assert with_languages.recipe_of(work).language.languages == (code,)
        with pytest.raises(RunError, match="asks for another version"):
            without.recipe_of(work)
    assert without.more_recipes and not any(one.language.table for one in without.more_recipes)
    for wrong in (("--language", "eng_Latn"), ("--recipe", WITHOUT)):
        with pytest.raises(NeedsPerson, match="--recipe"):
            mine("--hf_repo", "r", *wrong)


def test_the_reference_is_the_default_recipe(
    asked: list[tuple[MineOptions, ChainOptions]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipe that the operator names is used instead."""
    monkeypatch.setenv("API_URL", "http://127.0.0.1:1")
    assert mine("--hf-repo", "r").exit_code == 0
    assert mine("--hf-repo", "r", "--recipe", "finest").exit_code == 0
    (by_default, _), (named, _) = asked
    assert by_default.references is not None and by_default.recipe.name == "fineweb"
    assert named.references is None and named.recipe_of(task()).name == "finest"


def test_the_commands_bound_is_the_servers() -> None:
    """A number written twice is held together here."""
    assert commands.MAX_WARCS == MAX_WARCS


def test_no_task_server_needs_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 78 and what to set."""
    monkeypatch.setenv("API_URL", "")
    with pytest.raises(NeedsPerson, match="API_URL is not set"):
        mine("--hf_repo", "r", "--work", str(tmp_path))


def test_the_dashboard_of_a_work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last tasks with what became of them; as JSON too. No task server is needed."""
    monkeypatch.setenv("API_URL", "")
    Journal.begin(tmp_path, task("t1"), 63).update(**{step: DONE[step] for step in STEPS})
    Journal.begin(tmp_path, task("t2"), 63)
    seen = json.loads(CliRunner().invoke(commands.dashboard, ["--work", str(tmp_path), "--json"]).output)
    assert [(one["id"], one["state"], one["rows"]) for one in seen["tasks"]] == [
        ("t2", "leased", None), ("t1", "finished", 3),
    ]  # fmt: skip
    assert seen["running"] is False and seen["counts"] == {"finished": 1, "leased": 1}
    shown = CliRunner().invoke(commands.dashboard, ["--work", str(tmp_path), "--once"]).output
    assert "stopped" in shown and "finished" in shown and "alice/rows@cdcd" in shown
    assert "No task yet" in CliRunner().invoke(commands.dashboard, ["--work", str(tmp_path / "x"), "--once"]).output


def test_the_dashboard_says_why_the_last_miner_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who comes in the morning sees what is needed of him, and of an address what tells files apart."""
    monkeypatch.setenv("API_URL", "")
    with pytest.raises(NeedsPerson):
        mine("--hf_repo", "r", "--work", str(tmp_path))
    why = "https://data.commoncrawl.org/crawl-data/x/7.warc.gz: not found (HTTP 404)"
    Journal.begin(tmp_path, task("t1"), 63).update(ended=Ended(how="failed", why=why))
    monkeypatch.setenv("COLUMNS", "150")
    shown = CliRunner().invoke(commands.dashboard, ["--work", str(tmp_path), "--once"]).output
    assert "API_URL is not set" in shown and "…/7.warc.gz: not found" in shown


def test_the_engines_warnings_are_events_like_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of a log has its time."""
    Screen().say("one")
    logging.getLogger("finest.warc.stream").warning("%s is asked again", "x.warc.gz")
    said = capsys.readouterr().err.splitlines()
    assert [line[21:] for line in said] == ["one", "x.warc.gz is asked again"]


def test_the_doctor_takes_the_miners_flags() -> None:
    """His own line with another verb is what a person types first; what is of no account to it is not shown."""
    taken = {flag: parameter for parameter in doctor.params for flag in parameter.opts}
    for parameter in commands.mine.params:
        assert set(parameter.opts) <= set(taken)
    assert "--prefetch" not in CliRunner().invoke(doctor, ["--help"]).output
