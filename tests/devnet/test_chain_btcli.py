"""`btcli`, as it comes, against the devnet's chain."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finest.devnet.chain.server import ChainServer
from tests.devnet.chain_parts import ALICE, BOB, chain, isolated, member

__all__ = ["chain", "isolated"]


def btcli(chain: ChainServer, home: Path, *words: str) -> str:
    """What btcli prints; its wallets and caches lie in the test's folder."""
    program = shutil.which("btcli", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no btcli beside this Python")
    environment = {**os.environ, "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "200"}
    command = [program, *words, "--network", chain.endpoint]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.nightly
def test_subnets_and_balances_are_shown(chain: ChainServer, tmp_path: Path) -> None:
    """List, metagraph, balance and hyperparameters need nothing but `--network`."""
    member(chain, BOB)
    assert "63" in btcli(chain, tmp_path, "subnets", "list")
    assert BOB.hot_ss58 in btcli(chain, tmp_path, "subnets", "metagraph", "63")
    assert "1,000,000" in btcli(chain, tmp_path, "wallet", "balance", ALICE.cold_ss58)
    assert "weights_rate_limit" in btcli(chain, tmp_path, "subnets", "hyperparameters", "63")


@pytest.mark.nightly
def test_queries_are_answered(chain: ChainServer, tmp_path: Path) -> None:
    """`btcli query` reads what the SDK reads."""
    assert "none" in btcli(chain, tmp_path, "query", "commitments", "--netuid", "63")
    assert ALICE.cold_ss58 in btcli(chain, tmp_path, "query", "hotkey-owner", "--hotkey", ALICE.hot_ss58)
