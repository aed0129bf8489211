"""Leases a second: `finest serve` over PostgreSQL, asked by many miners over HTTP, everything on this one machine.

    python -m bench.leases                    two processes, result printed
    python -m bench.leases --save             and kept in bench/results/leases.json

PostgreSQL is a cluster of its own that waits for its disk at each commit, as one in service does; the subnet is a
devnet's chain with about as many seats as a subnet has, whose blocks are quick, and a lease lives for one of them: so
each miner's next request finds its last lease expired and gets a new task of four WARCs, those of expired leases again
among them. Every request is signed, over connections kept for a while. First at a given rate, where each latency
counts from the moment at which the lease was due; then as fast as it goes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bittensor.keyfiles import Keypair

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "leases.json"
MINERS = 250
"""A subnet has 256 seats."""
BLOCK_S = 0.1
CRAWL = "CC-MAIN-2025-26"
START_S = 60.0
TURNS = 25
"""Requests of one connection. A process that is idle when they begin takes all connections at once, and keeps them."""
TICKS = os.sysconf("SC_CLK_TCK")
QUICK = ["--lease-blocks", "1"]
GENEROUS = ["--tasks-per-window", "1000000", "--per-hotkey", "1000000", "--per-address", "10000000"]


@dataclass(slots=True)
class Phase:
    """What was seen: latencies in seconds, by kind of request."""

    lease_s: list[float] = field(default_factory=list)
    tasks: set[str] = field(default_factory=set)
    failed: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Start everything, send, print."""
    args = _arguments()
    from tests.tasks.postgres import Cluster

    with tempfile.TemporaryDirectory(prefix="finest-bench-") as scratch, Cluster(durable=True) as cluster:
        folder, database = Path(scratch), cluster.fresh()
        _import_warcs(database, args.warcs)
        miners = _miners()
        with _chain(folder, miners) as endpoint, _server(folder, database, endpoint, args.workers) as (port, server):
            generator = Generator(port, _hotkey_of(port), miners, args.connections)
            phases = {}
            plan = {"warm_up": (args.rate / 2, 3.0), "steady": (args.rate, args.seconds), "flood": (0.0, args.seconds)}
            for name, (rate, seconds) in plan.items():
                phases[name] = _measure(generator, rate, seconds, {"server": server, "postgresql": cluster._server.pid})
                print(f"{name}: {json.dumps(phases[name])}", file=sys.stderr, flush=True)
            statistics = asyncio.run(generator.statistics())
    del phases["warm_up"]
    result = {
        "machine": machine(), "command": " ".join(["python -m bench.leases", *sys.argv[1:]]), "workers": args.workers,
        "connections": args.connections, "miners": len(miners), "warcs": args.warcs, **phases,
        "tasks": statistics["tasks"],
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    if args.save:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, default=500.0, help="leases a second of the first phase")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each phase")
    parser.add_argument("--warcs", type=int, default=90_000, help="a crawl has about 90,000")
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def _import_warcs(database: str, number: int) -> None:
    from finest.tasks.models import Rules
    from finest.tasks.store import Store

    store = Store.open(database, Rules())
    paths = (f"crawl-data/{CRAWL}/segments/{n % 100}/warc/{CRAWL}-{n:05}.warc.gz" for n in range(number))
    store.add_warcs(CRAWL, paths)
    store.close()


def _miners() -> list[Keypair]:
    from bittensor.keyfiles import Keypair

    return [Keypair.create_from_uri(f"//Miner{number}") for number in range(MINERS)]


@contextmanager
def _chain(folder: Path, miners: list[Keypair]) -> Iterator[str]:
    from finest.devnet.chain.server import ChainServer
    from finest.settings import default_cache

    with ChainServer(folder / "chain", default_cache(), block_s=BLOCK_S) as chain:
        chain.advance(2)
        for miner in miners:
            chain.register(miner.ss58_address, miners[0].ss58_address)
        yield chain.endpoint


@contextmanager
def _server(folder: Path, database: str, endpoint: str, workers: int) -> Iterator[tuple[int, int]]:
    import bittensor as bt

    from finest.devnet.processes import free_port

    wallet = bt.Wallet("server", "hot", str(folder / "wallets"))
    wallet.create_new_hotkey(suppress=True)
    port = free_port()
    command = [
        sys.executable, "-m", "finest.cli", "serve", "--port", str(port), "--workers", str(workers), *QUICK, *GENEROUS,
        "--log-format", "json", "--wallet.name", "server", "--wallet.hotkey", "hot", "--wallet.path",
        str(folder / "wallets"), "--subtensor.network", endpoint,
    ]  # fmt: skip
    environment = os.environ | {"DATABASE_URL": database, "BITTENSOR_RUNTIME_CACHE_DIR": str(folder / "sdk")}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        _wait_until_up(port, process, folder / "server.log")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_up(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import requests

    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"http://127.0.0.1:{port}/v1/info", timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise SystemExit(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _hotkey_of(port: int) -> str:
    import requests

    return str(requests.get(f"http://127.0.0.1:{port}/v1/info", timeout=5).json()["hotkey"])


class Generator:
    """Sends what miners send, over `connections` kept connections."""

    def __init__(self, port: int, receiver: str, miners: list[Keypair], connections: int) -> None:
        self.port, self.receiver, self.miners, self.connections = port, receiver, miners, connections

    def run(self, rate: float, seconds: float) -> Phase:
        """`rate` leases a second for so long; 0: as many as there are answers."""
        import uvloop

        phase = Phase()
        uvloop.run(self._all(phase, rate, seconds))
        return phase

    async def statistics(self) -> Any:
        line = await Line.open(self.port)
        _, body = await line.ask(b"GET", b"/v1/statistics", b"", {})
        return json.loads(body)

    async def _all(self, phase: Phase, rate: float, seconds: float) -> None:
        lines = [await Line.open(self.port) for _ in range(self.connections)]
        begin = time.perf_counter() + 0.1
        apart_s = 1 / rate if rate else 0.0
        work = []
        for number, line in enumerate(lines):
            miners, due = self.miners[number :: self.connections], begin + number * apart_s
            work.append(self._one(phase, line, miners, due, self.connections * apart_s, begin + seconds))
        await asyncio.gather(*work)

    async def _one(
        self, phase: Phase, line: Line, miners: list[Keypair], due: float, every_s: float, end: float
    ) -> None:
        """One connection: a lease is due every `every_s`, and its latency counts from then."""
        clock, turn = time.perf_counter, 0
        while True:
            if every_s == 0.0:
                due = clock()
            elif due > clock():
                await asyncio.sleep(due - clock())
            if due >= end:
                return
            if turn % TURNS == TURNS - 1:
                line = await line.again(self.port)
            miner = miners[turn % len(miners)]
            task = await self._ask(phase, line, miner, b"/v1/tasks/lease", b'{"warcs":4}')
            if task is not None:
                phase.lease_s.append(clock() - due)
                phase.tasks.add(task["id"])
            turn, due = turn + 1, due + every_s

    async def _ask(self, phase: Phase, line: Line, miner: Keypair, target: bytes, body: bytes) -> Any:
        from bittensor import http_auth

        headers = http_auth.sign(miner, method="POST", path=target.decode(), body=body, receiver_ss58=self.receiver)
        status, answer = await line.ask(b"POST", target, body, headers)
        if status == 200:
            return json.loads(answer)
        problem = "{type}: {detail}".format_map(json.loads(answer))
        phase.failed[problem] = phase.failed.get(problem, 0) + 1
        return None


class Line:
    """A kept HTTP/1.1 connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def again(self, port: int) -> Line:
        """A new one in its place."""
        self._writer.close()
        return await Line.open(port)

    async def ask(self, method: bytes, target: bytes, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        signed = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        kind = b"Content-Type: application/json\r\n" if body else b""
        head = b"%b %b HTTP/1.1\r\nHost: x\r\n%b%bContent-Length: %d\r\n\r\n" % (
            method,
            target,
            signed,
            kind,
            len(body),
        )
        self._writer.write(head + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        return int(head[9:12]), await self._reader.readexactly(length)


def _measure(generator: Generator, rate: float, seconds: float, trees: dict[str, int]) -> dict[str, Any]:
    before, own, began = {name: _cpu_s(pid) for name, pid in trees.items()}, _own_cpu_s(), time.perf_counter()
    phase = generator.run(rate, seconds)
    wall_s = time.perf_counter() - began
    cores = {name: round((_cpu_s(pid) - before[name]) / wall_s, 2) for name, pid in trees.items()}
    return {
        "asked_leases_per_s": rate or None,
        "new_leases_per_s": round(len(phase.tasks) / wall_s, 1),
        "same_lease_again_per_s": round((len(phase.lease_s) - len(phase.tasks)) / wall_s, 1),
        "lease_ms": _quantiles(phase.lease_s),
        "failed": phase.failed,
        "cores": cores | {"generator": round((_own_cpu_s() - own) / wall_s, 2)},
    }


def _quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    places = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    at = {name: min(len(ordered) - 1, int(share * len(ordered))) for name, share in places.items()}
    return {name: round(1000 * ordered[place], 2) for name, place in at.items()}


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _cpu_s(pid: int) -> float:
    """User and system time of a process, its children that live and those that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(_cpu_s(int(child)) for child in children)


if __name__ == "__main__":
    main()
