"""Leases a second of the store alone, without HTTP: 100,000 open WARCs, each lease by another miner.

    python -m bench.leases_store postgresql --threads 8
    python -m bench.leases_store sqlite --finished 1000000

PostgreSQL is a cluster of its own that waits for its disk at each commit; SQLite does so too.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from typing import TYPE_CHECKING

from tests.tasks.postgres import Cluster
from tests.tasks.samples import CRAWL, paths

from finest.tasks.models import Rules
from finest.tasks.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

WARCS = 100_000


def main() -> None:
    """Fill, lease, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", choices=["postgresql", "sqlite"])
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--leases", type=int, default=8000)
    parser.add_argument("--finished", type=int, default=0, help="WARCs that were done before")
    args = parser.parse_args()
    if args.database == "postgresql":
        with Cluster(durable=True) as cluster:
            measure(cluster.fresh(), args)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(f"sqlite:///{folder}/tasks.db", args)


def measure(url: str, args: argparse.Namespace) -> None:
    """What one database does."""
    store = Store.open(url, Rules())
    if args.finished:
        store.add_warcs("CC-MAIN-2024-10", paths(args.finished, "CC-MAIN-2024-10"))
        done = "UPDATE warcs SET claims = 1, open = (1 = 0)"
        store._database.write(lambda connection: connection.exec_driver_sql(done))
        if store._database.postgresql:  # as autovacuum does while they are being done
            store._database.write_one(lambda connection: connection.exec_driver_sql("VACUUM ANALYZE warcs"))
    began = time.perf_counter()
    store.add_warcs(CRAWL, paths(WARCS))
    print(f"import of {WARCS:,} paths: {time.perf_counter() - began:.2f} s")
    took_s, wall_s, cpu_s = lease(store, args.threads, args.leases)
    share = [f"p{percent} {took_s[len(took_s) * percent // 100] * 1000:.1f} ms" for percent in (50, 99)]
    print(f"{len(took_s) / wall_s:.0f} leases/s by {args.threads} threads; {', '.join(share)}; ", end="")
    print(f"{cpu_s / len(took_s) * 1000:.2f} ms of this process's CPU each")
    store.close()


def lease(store: Store, threads: int, leases: int) -> tuple[list[float], float, float]:
    """Seconds of each lease, sorted; of all together; of this process's CPU."""
    took_s: list[float] = []

    def work(miners: Iterator[int]) -> None:
        for miner in miners:
            began = time.perf_counter()
            task = store.lease(f"5F{miner:046d}", 4, 100)
            took_s.append(time.perf_counter() - began)
            assert len(task.warcs) == 4

    workers = [threading.Thread(target=work, args=(iter(range(n, leases, threads)),)) for n in range(threads)]
    cpu_s, began = time.process_time(), time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(took_s), time.perf_counter() - began, time.process_time() - cpu_s


if __name__ == "__main__":
    main()
