"""Attackers of the subnet, each with a hotkey, a lease and a repository of its own, over the real protocols.

    python -m tests.e2e.attacks HONEST CRAWL < PLAN      in the environment of a devnet

HONEST is an honest miner's dataset of the crawl's first two WARCs, CRAWL the crawl as files. PLAN is JSON: where the
wallets lie, and the Hub's token of each attacker. Clients read their addresses once, so all attackers are one process
of their own. What became of each is printed as one line of JSON a name.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bittensor as bt

from finest.chain.options import ChainOptions
from finest.chain.payload import encode
from finest.chain.subnet import Chain
from finest.dataset.publish import publish
from finest.devnet.crawl import CRAWL
from finest.errors import UsageError
from finest.settings import load_settings
from finest.tasks.client import TaskServer
from finest.tasks.models import Task, TaskState
from finest.tasks.store import Store
from finest.tasks.transport import Refused
from tests.validator import forged
from tests.validator.made import Published, make, tampered

WARCS = 2
REDUNDANCY = 16
"""As many miners get the first two WARCs, the honest one among them."""
REFUSED_S = 3.0
"""A refusal that would pass is waited for no longer: the attackers' would not."""


@dataclass
class Attacker:
    """Somebody with a seat, and what it has to start from."""

    name: str
    chain: Chain
    server: TaskServer
    token: str
    work: Path
    materials: dict[tuple[str, ...], Published]
    """Honest datasets by the WARCs that they are made of."""
    told: dict[str, Any] = field(default_factory=dict)
    """What the test is told."""

    def lease(self, besides: str | None = None) -> tuple[Task, Published]:
        """A real task, and an honest dataset of its WARCs."""
        task = self.server.lease(WARCS, besides=besides)
        self.told["task"] = task.id
        return task, self.materials[tuple(task.warcs)]

    def publish(self, made: Published) -> str:
        """The revision in the attacker's repository."""
        return publish(made.folder, f"{self.name}/web", token=self.token).sha

    def commit(self, made: Published, revision: str) -> str:
        """The line, which stands on the chain."""
        line = encode(f"{self.name}/web", revision, made.manifest.root)
        self.told["block"] = self.chain.commit(line).block
        self.told["line"] = line
        return line

    def finish(self, task: Task, revision: str, root: str) -> None:
        """Told to the task server, whose refusal is kept."""
        try:
            self.server.finish(task.id, f"{self.name}/web", revision, root)
        except Refused as no:
            self.told["refused"] = no.name

    def submit(self, task: Task, made: Published) -> str:
        """What an honest miner does with its dataset; the revision."""
        revision = self.publish(made)
        self.commit(made, revision)
        self.finish(task, revision, made.manifest.root)
        return revision


Attack = Callable[[Attacker], None]


def forgery(make_forged: forged.Forgery) -> Attack:
    """Somebody who leases, forges and submits."""

    def attack(attacker: Attacker) -> None:
        task, honest = attacker.lease()
        attacker.submit(task, make_forged(honest, attacker.work / "forged"))

    return attack


def copied(attacker: Attacker) -> None:
    """The honest dataset itself, under another hotkey that was given the same WARCs."""
    task, honest = attacker.lease()
    attacker.submit(task, honest)


def others_dataset(attacker: Attacker) -> None:
    """A dataset of WARCs that somebody else was given."""
    task, honest = attacker.lease()
    attacker.submit(task, next(other for other in attacker.materials.values() if other is not honest))


def changed_after(attacker: Attacker) -> None:
    """Committed with the root of an honest dataset; the revision holds another one."""
    task, honest = attacker.lease()
    other = forged.doubled(honest, attacker.work / "other")
    attacker.commit(honest, attacker.publish(other))
    attacker.finish(task, attacker.told["line"].partition("@")[2][:40], honest.manifest.root)


def pushed_after(attacker: Attacker) -> None:
    """Submitted as it should be; then the repository gets another dataset."""
    task, honest = attacker.lease()
    attacker.submit(task, honest)
    other = forged.doubled(honest, attacker.work / "other")
    revision = attacker.publish(other)
    attacker.finish(task, revision, other.manifest.root)


def before_the_lease(attacker: Attacker) -> None:
    """Committed first, leased then: work that was done for something else."""
    honest = next(iter(attacker.materials.values()))
    revision = attacker.publish(honest)
    attacker.commit(honest, revision)
    wait_for_block(attacker, attacker.told["block"] + 16)
    task, _ = attacker.lease()
    attacker.told["leased"] = task.leased_block
    attacker.finish(task, revision, honest.manifest.root)


def wait_for_block(attacker: Attacker, block: int) -> None:
    """Until the task server, which looks at the chain every few blocks, must have seen it."""
    while attacker.server.info().block < block:
        time.sleep(0.2)


def deleted(attacker: Attacker) -> None:
    """Submitted, then the repository is taken away."""
    from huggingface_hub import HfApi

    task, honest = attacker.lease()
    attacker.submit(task, tampered(honest, attacker.work / "gone", honest.rows()))
    HfApi(token=attacker.token).delete_repo(f"{attacker.name}/web", repo_type="dataset")


def garbage(attacker: Attacker) -> None:
    """A record on the chain that is no line, and a finished task that nothing stands for."""
    task, honest = attacker.lease()
    try:
        attacker.chain.commit(GARBAGE)
    except UsageError:
        asyncio.run(_write(attacker.chain, GARBAGE))
        attacker.told["line"] = GARBAGE
    attacker.finish(task, attacker.publish(honest), honest.manifest.root)


GARBAGE = "fd1:../../etc/passwd@HEAD#' OR 1=1 --"


async def _write(chain: Chain, text: str) -> None:
    """Past our own client, which refuses it: the chain takes any bytes."""
    info = {"fields": [[{f"Raw{len(text)}": f"0x{text.encode().hex()}"}]]}
    call = bt.calls.Commitments.set_commitment(netuid=chain.options.netuid, info=info)
    async with bt.Subtensor(chain.options.target) as client:
        await client.submit_call(call, chain.hotkey.signer, signer="hotkey")


def anothers_task(attacker: Attacker) -> None:
    """An honest dataset of one's own lease, said to be of somebody else's task."""
    task, honest = attacker.lease()
    revision = attacker.publish(honest)
    attacker.commit(honest, revision)
    theirs = next(iter(attacker.server.tasks(TaskState.FINISHED)))
    attacker.finish(theirs, revision, honest.manifest.root)
    attacker.server.release(task.id)


ATTACKS: dict[str, Attack] = {
    "copied": copied,
    "one-invented": forgery(forged.inventions(0.01)),
    "two-invented": forgery(forged.inventions(0.05)),
    "third-invented": forgery(forged.inventions(0.3)),
    "raw": forgery(forged.raw),
    "padded": forgery(forged.padded_as_fineweb),
    "padded-openly": forgery(forged.raw_under_own_recipe),
    "twice": forgery(forged.doubled),
    "half": forgery(forged.half),
    "foreign": forgery(forged.other_language_under_own_recipe),
    "leaked": forgery(forged.leaked_under_own_recipe),
    "hollow": forgery(forged.hollow),
    "others": others_dataset,
    "changed": changed_after,
    "deleted": deleted,
    "pushed": pushed_after,
    "bomb": forgery(forged.bomb),
    "early": before_the_lease,
    "garbage": garbage,
    "thief": anothers_task,
}
"""In this order: the first 15 are given the honest miner's WARCs, the others the next two."""


def add_work(keys: Sequence[str]) -> None:
    """Have the task server lease these WARCs, too."""
    store = Store.open(os.environ["DATABASE_URL"])
    store.add_warcs(CRAWL, keys)
    store.close()


def main() -> None:
    """Every attack after the other."""
    honest, crawl, plan = Path(sys.argv[1]), Path(sys.argv[2]), json.load(sys.stdin)
    settings = load_settings()
    keys = sorted(str(path.relative_to(crawl)) for path in crawl.rglob("*.warc.gz"))
    first, second = tuple(keys[:WARCS]), tuple(keys[WARCS : 2 * WARCS])
    work = Path(plan["work"])
    others = make(work / "others", [crawl / key for key in second])
    materials = {first: Published(honest, tuple(crawl / key for key in first)), second: others}
    for number, (name, attack) in enumerate(ATTACKS.items(), start=1):
        if number == REDUNDANCY:
            add_work(second)
        options = ChainOptions.resolve(os.environ, wallet_name=name, wallet_path=plan["wallets"])
        with Chain(options) as chain:
            server = TaskServer(settings.api_url, chain.hotkey, receiver=settings.api_hotkey, deadline_s=REFUSED_S)
            attacker = Attacker(name, chain, server, plan["tokens"][name], work / name, materials)
            attack(attacker)
            server.close()
        sys.stdout.write(json.dumps({"name": name, **attacker.told}) + "\n")


if __name__ == "__main__":
    main()
