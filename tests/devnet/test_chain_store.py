"""The chain's folder, and the runtime's metadata in the cache."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bittensor_core")
pytest.importorskip("websockets")

from finest.devnet.chain import metadata
from finest.devnet.chain.server import ChainServer
from finest.devnet.chain.state import Genesis
from finest.errors import LedgerError, RunError, SourceError, UsageError

HOT, COLD = "5CS3j9wEaMEt5tpEkF17ZVY8DCkLjrmkj3LxGnKzodS4ccoM", "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"


def serve(folder: Path, cache: Path, **options: Any) -> ChainServer:
    return ChainServer(folder, cache, **{"block_s": None, **options})


def test_a_restart_goes_on(tmp_path: Path, cache: Path) -> None:
    """The same folder has the same blocks, hashes, balances and neurons, and its block numbers go on."""
    with serve(tmp_path, cache) as first:
        first.fund(COLD, 3)
        first.register(HOT, COLD)
        first.advance(5)
        hashes = [block.hash for block in first.node.store.blocks]
    with serve(tmp_path, cache) as second:
        assert [block.hash for block in second.node.store.blocks] == hashes
        assert second.node.state_at_head().free(COLD) == 3 * 10**9
        assert (second.register(HOT, COLD), second.advance(1)) == (1, 6)


def test_a_killed_write_is_cut_off(tmp_path: Path, cache: Path) -> None:
    """Half a line at the end of the file is the block that was not made."""
    with serve(tmp_path, cache) as server:
        server.advance(3)
    file = tmp_path / "chain.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    with serve(tmp_path, cache) as server:
        assert server.block == 2
        assert server.advance(2) == 4
    with serve(tmp_path, cache) as server:
        assert server.block == 4


def test_a_folder_is_one_chain_and_one_process(tmp_path: Path, cache: Path) -> None:
    """Another netuid, another genesis, or a second server in the same folder is refused."""
    with serve(tmp_path, cache):
        with pytest.raises(LedgerError, match="another devnet"):
            serve(tmp_path, cache).start()
    for options in ({"netuid": 250}, {"genesis": Genesis(tempo=7)}):
        with pytest.raises(LedgerError, match="another chain"):
            serve(tmp_path, cache, **options).start()


def test_two_folders_are_two_chains(tmp_path: Path, cache: Path) -> None:
    """Each chain has a genesis of its own, so that no client mixes up what it cached."""
    with serve(tmp_path / "a", cache) as one, serve(tmp_path / "b", cache) as two:
        assert one.node.genesis_hash != two.node.genesis_hash
        with pytest.raises(RunError, match="cannot listen"):
            serve(tmp_path / "c", cache, port=one.port).start()


def test_drivers_tell_their_own_mistakes(tmp_path: Path, cache: Path) -> None:
    """An unknown hotkey, a foreign owner, a wrong address, a chain that does not run."""
    with serve(tmp_path, cache) as server:
        with pytest.raises(RunError, match="not registered"):
            server.set_stake(HOT, 1)
        server.register(HOT, COLD)
        with pytest.raises(RunError, match="owned by"):
            server.register(HOT, HOT)
        with pytest.raises(RunError, match="devnet_fund"):
            server.fund("5nonsense", 1)
        with pytest.raises(UsageError, match="unknown fault"):
            server.faults.set(fire=1)
    with pytest.raises(RunError, match="start it first"):
        server.advance()


def test_metadata_is_read_from_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there, nothing is fetched; with the new entry it is a few bytes longer."""
    metadata.load_metadata(cache)
    monkeypatch.setattr(metadata, "_download", lambda _folder: pytest.fail("fetched again"))
    found = metadata.load_metadata(cache)
    assert len(metadata.add_epoch_consensus(found)) == len(found) + 30


def test_offline_and_not_cached_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network and a cache the error says what is missing and what to do."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(SourceError, match=r"source distribution of bittensor-11\.3\.0.*FINEST_CACHE"):
        metadata.load_metadata(tmp_path)


def test_a_slow_index_has_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package index that never answers is given up."""

    def hang(*_args: Any, **options: Any) -> None:
        raise subprocess.TimeoutExpired("pip", options["timeout"])

    monkeypatch.setattr(metadata.subprocess, "run", hang)
    with pytest.raises(SourceError, match="no answer in 120 s"):
        metadata.load_metadata(tmp_path)


def test_a_forged_distribution_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not the pinned file is not read, and a spoiled cache is fetched anew."""
    spoiled = tmp_path / "devnet" / "subtensor-461-v15.scale"
    spoiled.parent.mkdir()
    spoiled.write_bytes(b"meta spoiled")
    monkeypatch.setattr(metadata, "_download", lambda _folder: b"not a tar")
    with pytest.raises(SourceError, match="not the pinned one"):
        metadata.load_metadata(tmp_path)


@pytest.mark.parametrize("number", [0, 63, 64, 2**14 - 1, 2**14, 2**30 - 1, 2**30, 2**64 - 1])
def test_compact_integers_go_there_and_back(number: int) -> None:
    """SCALE's compact integers at the edges of every mode."""
    data = metadata.compact(number)
    assert metadata.read_compact(b"x" + data + b"y", 1) == (number, len(data))
    with pytest.raises(ValueError, match="compact"):
        metadata.read_compact(data[:-1], 0)
