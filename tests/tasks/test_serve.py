"""`finest serve` as a process, on a devnet's chain: it starts, serves, is restarted, and ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from finest.chain.options import ChainOptions
from finest.chain.payload import encode
from finest.chain.subnet import Chain
from finest.tasks.assignment import Beacon
from finest.tasks.client import TaskServer
from finest.tasks.models import Rules, TaskState
from finest.tasks.store import Store
from tests.deep import sampled
from tests.tasks.live_server import wait_for
from tests.tasks.samples import CRAWL, REVISION, ROOT, paths

if TYPE_CHECKING:
    from finest.devnet.chain.server import ChainServer

pytestmark = pytest.mark.slow

START_S = 60.0
_wait_for = partial(wait_for, seconds=START_S)


@pytest.fixture(scope="module")
def chain_server(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ChainServer]:
    from finest.devnet.chain.server import ChainServer

    with ChainServer(tmp_path_factory.mktemp("chain"), cache, block_s=0.25) as running:
        running.advance(2)
        yield running


MakeKey = Callable[[str], ChainOptions]


@pytest.fixture
def make_key(chain_server: ChainServer, tmp_path: Path) -> MakeKey:
    """The options of a new hotkey; all but `server` have seats."""
    import bittensor as bt

    def make(name: str) -> ChainOptions:
        wallet = bt.Wallet("cold", name, str(tmp_path / "wallets"))
        if not wallet.coldkeypub_file.exists_on_device():
            wallet.create_new_coldkey(use_password=False, suppress=True)
        wallet.create_new_hotkey(suppress=True)
        if name != "server":
            chain_server.register(wallet.hotkey.ss58_address, wallet.coldkeypub.ss58_address)
        return ChainOptions(
            netuid=chain_server.netuid, wallet_name="cold", wallet_hotkey=name, wallet_path=tmp_path / "wallets",
            network=chain_server.endpoint,
        )  # fmt: skip

    return make


class Running:
    """A `finest serve`."""

    def __init__(self, folder: Path, database: str, options: ChainOptions, *flags: str) -> None:
        self.log = folder / "serve.log"
        command = [
            sys.executable, "-m", "finest.cli", "serve", "--port", "0", "--wallet.name", "cold", "--wallet.hotkey",
            options.wallet_hotkey, "--wallet.path", str(options.wallet_path), "--netuid", str(options.netuid),
            "--subtensor.network", options.network, *flags,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stderr=log, cwd=folder, start_new_session=True,
                env=os.environ | {"DATABASE_URL": database, "BITTENSOR_RUNTIME_CACHE_DIR": str(folder / "sdk")},
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def url(self) -> str:
        _wait_for(lambda: "listening at " in self.said or self.process.poll() is not None)
        return self.said.partition("listening at ")[2].split(",")[0]

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        self.process.send_signal(signal_)
        return self.process.wait(300)


@contextmanager
def running(*arguments: Any) -> Iterator[Running]:
    one = Running(*arguments)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait(300)


def _healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/v1/health", timeout=60).status_code == 200
    except requests.ConnectionError:
        return False


def _fill(database: str) -> None:
    store = Store.open(database, Rules())
    store.add_warcs(CRAWL, paths(8))
    store.close()


@pytest.mark.parametrize("workers", sampled(["2", "1"]))
def test_the_way_of_a_task_on_a_chain(tmp_path: Path, sqlite_url: str, make_key: MakeKey, workers: str) -> None:
    """Leased from the process, committed on the chain, finished; SIGTERM ends it with status 0."""
    _fill(sqlite_url)
    with running(tmp_path, sqlite_url, make_key("server"), "--workers", workers, "--log-format", "json") as server:
        url = server.url
        _wait_for(lambda: _healthy(url))
        assert "8 WARCs to lease" in server.said
        with Chain(make_key("miner")) as chain:
            miner = TaskServer(url, chain.hotkey, deadline_s=60)
            task = miner.lease(4)
            chain.commit(encode("alice/web", REVISION, ROOT))
            assert miner.finish(task.id, "alice/web", REVISION, ROOT).state is TaskState.FINISHED
            miner.close()
        text = requests.get(f"{url}/metrics", timeout=60).text
        assert 'finest_requests_total{method="POST",route="/v1/tasks/lease",status="200"} 1.0' in text
        assert "alice/web" in requests.get(url, timeout=60).text
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.said.splitlines() if line.startswith("{")]
    assert any(one.get("path") == "/v1/tasks/lease" and one["status"] == 200 for one in lines)
    assert "Traceback" not in server.said


@pytest.mark.nightly
def test_the_log_is_anchored_on_the_chain(
    tmp_path: Path, sqlite_url: str, make_key: MakeKey, chain_server: ChainServer
) -> None:
    """By a server with a seat; whoever checks the log compares it with the chain."""
    import bittensor as bt

    _fill(sqlite_url)
    key = make_key("server")
    hotkey = bt.Wallet("cold", "server", str(key.wallet_path)).hotkey.ss58_address
    chain_server.register(hotkey, bt.Wallet("cold", "server", str(key.wallet_path)).coldkeypub.ss58_address)
    with Chain(key) as chain:
        beacon = Beacon(0, chain.block_hash(0))
    store = Store.open(sqlite_url, Rules())
    store.lease("5Alice", 2, 10, beacon=beacon)
    store.close()
    with running(tmp_path, sqlite_url, key, "--anchor") as server:
        url = server.url
        _wait_for(lambda: "is anchored on the chain" in server.said)
        command = [sys.executable, "-m", "finest.cli", "tasks", "verify", "--on-chain", "--netuid", str(key.netuid)]
        env = os.environ | {"API_URL": url, "FINEST_CACHE": str(tmp_path / "cache"), "no_proxy": "127.0.0.1"}
        done = subprocess.run(
            [*command, "--subtensor.network", key.network],
            capture_output=True,
            text=True,
            timeout=300,
            env=env,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "entry 2 is as the server committed it on the chain at block" in done.stdout
        assert server.stop() == 0


@pytest.mark.parametrize("database_url", sampled(["sqlite", "postgresql"]), indirect=True)
def test_a_restart_loses_nothing(tmp_path: Path, database_url: str, make_key: MakeKey) -> None:
    """Killed and started again, the server knows its leases and what signatures it has seen."""
    from finest.chain.auth import sign_request

    _fill(database_url)
    key = make_key("server")
    with Chain(make_key("miner")) as chain:
        with running(tmp_path, database_url, key) as server:
            url = server.url
            _wait_for(lambda: _healthy(url))
            receiver = requests.get(f"{url}/v1/info", timeout=60).json()["hotkey"]
            headers = sign_request(chain.hotkey, method="POST", target="/v1/tasks/lease", body=b"{}", receiver=receiver)
            headers["Content-Type"] = "application/json"
            task = requests.post(f"{url}/v1/tasks/lease", data=b"{}", headers=headers, timeout=60).json()
            os.killpg(server.process.pid, signal.SIGKILL)
        with running(tmp_path, database_url, key) as server:
            url = server.url
            _wait_for(lambda: _healthy(url))
            again = requests.post(f"{url}/v1/tasks/lease", data=b"{}", headers=headers, timeout=60)
            assert again.json()["reason"] in ("replayed", "stale")
            miner = TaskServer(url, chain.hotkey)
            assert miner.lease(4).id == task["id"]
            miner.close()
            assert server.stop(signal.SIGINT) == 0


@pytest.mark.nightly
def test_it_starts_while_the_chain_is_away(tmp_path: Path, sqlite_url: str, make_key: MakeKey) -> None:
    """Health says so, and an empty database says what to do."""
    from dataclasses import replace

    with running(tmp_path, sqlite_url, replace(make_key("server"), network="ws://127.0.0.1:9")) as server:
        url = server.url
        _wait_for(lambda: requests.get(f"{url}/v1/health", timeout=60).status_code == 503)
        assert "finest tasks import" in server.said
        assert server.stop() == 0
    assert "Traceback" not in server.said


@pytest.mark.nightly
def test_what_cannot_work_is_one_line(tmp_path: Path, sqlite_url: str, make_key: MakeKey) -> None:
    """No wallet, a port that is taken, a database that is none: an exit status and a line, nothing secret."""
    from dataclasses import replace

    key = make_key("server")
    with running(tmp_path, sqlite_url, replace(key, wallet_hotkey="none")) as server:
        assert server.process.wait(300) == 9
        assert "btcli wallet" in server.said
    with running(tmp_path, sqlite_url, key) as first:
        port = first.url.rpartition(":")[2]
        (tmp_path / "other").mkdir()
        with running(tmp_path / "other", sqlite_url, key, "--port", port) as second:
            assert second.process.wait(300) == 2
            assert "--port" in second.said
    with running(tmp_path, "postgresql://u:hunter2@127.0.0.1:9/x", key) as server:
        assert server.process.wait(300) not in (0, None)
        assert "hunter2" not in server.said
        assert "Traceback" not in server.said
