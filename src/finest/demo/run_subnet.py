"""`finest demo` with the devnet: miners lease, refine, publish, commit and finish; a validator sets their weights.

Two of the miners cheat. One processes only the first pages of its WARCs and does not mention the rest. The other does
the same under a recipe of its own, which no validator has and which might have dropped the rest.
"""

from __future__ import annotations

import shutil
import threading
import time
from importlib import resources
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from finest.atomic_files import write_whole
from finest.dataset.hub import task_place
from finest.demo.subnet import Subnet
from finest.devnet.devnet import Devnet
from finest.errors import RunError, UsageError
from finest.formatting import counted
from finest.tasks.models import TaskState

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console


HONEST = ("alice", "bob")
CHEAT = "mallory"
CHEATS_PAGES = 20
"""Pages that the cheating miner processes of about sixty in each WARC of the devnet."""
EMPTY = "xavier"
EMPTY_PAGES = 3
"""Pages that the second cheat processes: its task is all but empty."""
MINERS = (*HONEST, CHEAT, EMPTY)
VALIDATOR = "victor"
WARCS_PER_TASK = 1
"""The devnet's crawl has four WARCs: a task for each miner. None remains to draw held-out text from, so that quality
is measured on the documents that ship."""
VERIFIED_PAGES = 20
WEIGHTS_EVERY_BLOCKS = 10
"""Blocks between weight updates on the demo's chain. The main network accepts weights every 100 blocks, which would
take too long here."""


def run_subnet(out: Path, cache: Path, console: Console, say: Callable[[str], None], *, stay: bool) -> None:
    """Run the subnet in `out`; with `stay`, keep it running until Ctrl-C. Raises RunError if a command fails."""
    began = time.monotonic()
    _clear(out)
    say("Starting a devnet (chain, Hub, bucket) and a task server on this machine")
    with Subnet(out, MINERS, cache=cache) as subnet:
        subnet.add_wallet(VALIDATOR, validator=True)
        subnet.devnet.chain.set_hyperparameter("WeightsSetRateLimit", WEIGHTS_EVERY_BLOCKS)
        say(f"Task server: {subnet.api_url}")
        say(f"{CHEAT} will cheat: of each WARC it judges only the first {CHEATS_PAGES} pages")
        say(f"{EMPTY} will cheat: {EMPTY_PAGES} pages under a recipe of its own, which might have dropped all others")
        _mine(subnet, say)
        tasks = [task for task in subnet.tasks() if task.state is TaskState.FINISHED]
        task = next(task for task in tasks if _name(subnet, task.hotkey) in HONEST)
        place = task_place(str(task.repo), str(task.revision), task.id)
        say(f"Verifying {place} from the Hub and the WARCs")
        said = subnet.run("verify", place, "--sample", VERIFIED_PAGES, name=_name(subnet, task.hotkey))
        console.print(said.strip().splitlines()[-1], style="green", markup=False)
        say(f"{VALIDATOR} judges every dataset and sets the weights")
        _to_its_end(subnet, {VALIDATOR: subnet.validate(VALIDATOR, "--once")}, say)
        _show(subnet, console)
        write_whole(out / "page.html", subnet.page().encode())
        console.print()
        took_s = time.monotonic() - began
        say(f"{counted(len(tasks), 'dataset')} refined, published, committed and judged in {took_s:.0f} s")
        console.print(_where_to_look(out), markup=False)
        if stay:
            say(f"Still running: {subnet.api_url}  (Ctrl-C ends it)")
            threading.Event().wait()


def _clear(out: Path) -> None:
    """Empty the folder if it holds an earlier demo; raise UsageError if it holds anything else."""
    if not out.exists() or not any(out.iterdir()):
        return
    if not Devnet(out / "devnet").exists:
        raise UsageError(f"{out} contains other files; name another folder: finest demo --out DIR")
    Devnet(out / "devnet").remove()
    shutil.rmtree(out)


def _mine(subnet: Subnet, say: Callable[[str], None]) -> None:
    """Run all miners at once, with one task each."""
    flags = ("--once", "--warcs", WARCS_PER_TASK, "--cpus-per-task", 1)
    miners = {name: subnet.mine(name, *flags) for name in HONEST}
    miners[CHEAT] = subnet.mine(CHEAT, *flags, "--limit", CHEATS_PAGES)
    miners[EMPTY] = subnet.mine(EMPTY, *flags, "--limit", EMPTY_PAGES, "--recipe", _own_recipe(subnet.folder))
    _to_its_end(subnet, miners, say)


def _own_recipe(folder: Path) -> Path:
    """Write a recipe that differs a little from `fineweb`, so that it has another hash."""
    text = resources.files("finest.recipe").joinpath("fineweb.toml").read_text(encoding="utf-8")
    path = folder / "own.toml"
    own = text.replace('name = "fineweb"', 'name = "own"').replace("min_words_per_line = 3", "min_words_per_line = 4")
    write_whole(path, own.encode())
    return path


def _to_its_end(subnet: Subnet, processes: dict[str, subprocess.Popen[str]], say: Callable[[str], None]) -> None:
    """Wait for the processes and show their output, with the name before each line.

    Raises RunError if one of them fails.
    """
    readers = [threading.Thread(target=_echo, args=(name, process, say)) for name, process in processes.items()]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    for name, process in processes.items():
        if process.wait():
            raise RunError(f"{name} ended with status {process.returncode}; its work is in {subnet.folder / name}")


def _echo(name: str, process: subprocess.Popen[str], say: Callable[[str], None]) -> None:
    assert process.stdout
    for line in process.stdout:
        say(f"{name:7} {line.rstrip()}")


def _show(subnet: Subnet, console: Console) -> None:
    """Show the verdicts with the weights on the chain, highest weight first, and the leaderboard."""
    weights = subnet.weights(VALIDATOR)
    console.print("\nVerdicts, and the weights on the chain", style="bold")
    table = _table("miner", "dataset", "verdict", "score", "weight")
    rows = [(task, score) for task in subnet.tasks() for score in task.scores]
    for task, score in sorted(rows, key=lambda row: -weights.get(row[0].hotkey, 0.0)):
        verdict = Text(score.verdict.replace("_", " "), "green" if score.verdict == "pass" else "red")
        weight = f"{weights.get(task.hotkey, 0.0):.1%}"
        dataset = f"{task.repo}@{(task.revision or '')[:10]}"
        table.add_row(_name(subnet, task.hotkey), dataset, verdict, f"{score.score:.3f}", weight)
    console.print(table)
    console.print("\nLeaderboard", style="bold")
    table = _table("miner", "tokens paid", "finished WARCs", "mean score")
    for leader in subnet.leaderboard():
        mean = "-" if leader.mean_score is None else f"{leader.mean_score:.3f}"
        paid = f"{leader.paid_tokens:,}"
        table.add_row(_name(subnet, leader.hotkey), paid, str(leader.finished_warcs), mean)
    console.print(table)


def _table(*heads: str) -> Table:
    return Table(*heads, box=None, header_style="bold", pad_edge=False)


def _name(subnet: Subnet, hotkey: str) -> str:
    return next(name for name, wallet in subnet.wallets.items() if wallet.hotkey_ss58 == hotkey)


def _where_to_look(out: Path) -> str:
    work = "".join(f"\n  {out / name / 'finest-work'}" for name in MINERS)
    return (
        f"The task server's page as it was: {(out / 'page.html').resolve()}\n"
        f"The miners' work, with reports to draw: {work}\n"
        f"The validator's records, one a verdict: {out / VALIDATOR / 'finest-validator' / 'evidence'}\n"
        f"See it running in a browser: finest demo --stay"
    )
