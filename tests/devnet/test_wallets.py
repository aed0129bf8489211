"""Wallets on a devnet's chain."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import finest

pytest.importorskip("bittensor")


@pytest.mark.nightly
def test_a_wallet_is_ready_to_use_and_made_once(tmp_path: Path) -> None:
    """The printed flags open a registered hotkey; the second call prints the same ones."""
    from finest.devnet.devnet import Devnet

    with Devnet(tmp_path / "devnet", services=("chain",)) as devnet:
        first = finest("devnet", "wallet", "alice", "--folder", devnet.folder)
        again = finest("devnet", "wallet", "alice", "--folder", devnet.folder)
        judge = finest("devnet", "wallet", "judge", "--validator", "--folder", devnet.folder)
        assert first.stdout == again.stdout
        seats = [_seat(devnet.chain.endpoint, done.stdout) for done in (first, judge)]
    assert [seat.validator_permit for seat in seats] == [False, True]
    assert seats[1].stake_alpha > 0


def _seat(endpoint: str, printed: str) -> Any:
    from finest.chain.options import ChainOptions
    from finest.chain.subnet import Chain

    words = shlex.split(printed)
    flags = dict(zip(words[::2], words[1::2], strict=True))
    options = ChainOptions(
        wallet_name=flags["--wallet.name"], wallet_hotkey=flags["--wallet.hotkey"],
        wallet_path=Path(flags["--wallet.path"]), network=endpoint,
    )  # fmt: skip
    with Chain(options) as chain:
        return chain.view().neuron(chain.hotkey.address)
