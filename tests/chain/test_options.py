"""The chain's flags."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from finest.chain.options import ChainOptions, chain_options
from finest.errors import UsageError


@click.command()
@chain_options
def show(chain: ChainOptions) -> None:
    """Show what was understood."""
    click.echo(repr(chain))


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *flags: str) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(show, flags)


def test_the_old_spellings_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every flag of the first version is understood as it was."""
    flags = "--netuid 12 --wallet.name c --wallet.hotkey h --wallet.path /w --subtensor.network test"
    result = run(monkeypatch, tmp_path, *flags.split(), "--subtensor.chain_endpoint", "wss://node:443")
    assert result.output.strip() == repr(ChainOptions(12, "c", "h", Path("/w"), "test", "wss://node:443"))


def test_defaults_are_the_main_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No flag, no variable: subnet 63 on finney, btcli's default wallet."""
    for name in ("BT_WALLET", "BT_WALLET_HOTKEY", "BT_WALLET_PATH", "BT_NETWORK", "BT_CHAIN_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert run(monkeypatch, tmp_path).output.strip() == repr(ChainOptions())
    assert ChainOptions().target == "finney"


def test_flags_override_the_environment_and_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Flags > environment > `.env` > defaults."""
    (tmp_path / ".env").write_text("BT_WALLET=from-file\nBT_WALLET_HOTKEY=from-file\n")
    for name in ("BT_WALLET_PATH", "BT_CHAIN_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BT_WALLET", "x")  # so that monkeypatch removes what .env sets
    monkeypatch.delenv("BT_WALLET")
    monkeypatch.setenv("BT_WALLET_HOTKEY", "from-environment")
    monkeypatch.setenv("BT_NETWORK", "test")
    result = run(monkeypatch, tmp_path, "--subtensor.network", "local")
    assert "wallet_name='from-file', wallet_hotkey='from-environment'" in result.output
    assert "network='local', endpoint='ws://127.0.0.1:9944'" in result.output


def test_the_subnet_goes_with_the_network() -> None:
    """63 is ours on the main network, 250 on the test network; a flag says otherwise."""
    assert ChainOptions.resolve({"BT_NETWORK": "test"}).netuid == 250
    assert ChainOptions.resolve({}, network="finney").netuid == 63
    assert ChainOptions.resolve({}, network="test", netuid=0).netuid == 0


def test_an_endpoint_in_the_environment_is_for_local_alone() -> None:
    """As the SDK has it: a forgotten BT_CHAIN_ENDPOINT does not divert finney."""
    env = {"BT_CHAIN_ENDPOINT": "ws://127.0.0.1:5"}
    assert ChainOptions.resolve(env, network="local").target == "ws://127.0.0.1:5"
    assert ChainOptions.resolve(env, network="finney").target == "finney"
    assert ChainOptions.resolve(env, network="finney", endpoint="ws://mine:1").target == "ws://mine:1"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"netuid": -1}, "--netuid"),
        ({"netuid": 65_536}, "--netuid"),
        ({"network": "mainnet"}, "finney, test"),
        ({"network": "ws://"}, "--subtensor.network"),
        ({"endpoint": "https://node"}, "ws://"),
        ({"wallet_name": "cold/hot"}, "--wallet.name"),
        ({"wallet_hotkey": ".."}, "--wallet.hotkey"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], says: str) -> None:
    """A wrong flag is named."""
    with pytest.raises(UsageError, match=says):
        ChainOptions.resolve({}, **wrong)


def test_every_flag_has_help() -> None:
    """`--help` explains each."""
    assert len(show.params) == 6
    assert all(isinstance(param, click.Option) and param.help for param in show.params)


def test_help_is_quick() -> None:
    """The flags need no SDK: a second's import is not spent on help."""
    code = "import sys, finest.chain.options, finest.chain.payload; sys.exit('bittensor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
