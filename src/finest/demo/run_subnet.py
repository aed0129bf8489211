"""`finest demo` with the devnet installed: two miners lease, refine, publish, commit and finish, on this machine."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

from rich.table import Table

from finest.demo.subnet import Subnet
from finest.devnet.devnet import Devnet
from finest.errors import RunError, UsageError
from finest.figures import counted
from finest.files import write_whole
from finest.tasks.models import TaskState

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from finest.tasks.models import Task

MINERS = ("alice", "bob")
WARCS_PER_TASK = 2
"""The devnet's crawl has four: a task for each miner."""
VERIFIED_PAGES = 20


def run_subnet(out: Path, cache: Path, console: Console, say: Callable[[str], None], *, stay: bool) -> None:
    """Show the subnet at work in `out`; with `stay` it runs on until Ctrl-C. Raises RunError where a miner fails."""
    began = time.monotonic()
    _clear(out)
    say("Starting a devnet (chain, Hub, bucket) and a task server on this machine")
    with Subnet(out, MINERS, cache=cache) as subnet:
        say(f"Task server: {subnet.api_url}")
        _mine(subnet, say)
        tasks = [task for task in subnet.tasks() if task.state is TaskState.FINISHED]
        console.print(_table(subnet, tasks))
        for task in tasks:
            say(f"Verifying {task.repo}@{task.revision} from the Hub and the WARCs")
            said = subnet.run(
                "verify", f"{task.repo}@{task.revision}", "--sample", VERIFIED_PAGES, name=_name(subnet, task)
            )
            console.print(said.strip().splitlines()[-1], style="green", markup=False)
        write_whole(out / "page.html", subnet.page().encode())
        took_s = time.monotonic() - began
        say(f"{counted(len(tasks), 'dataset')} refined, published, committed and verified in {took_s:.0f} s")
        console.print(_where_to_look(out), markup=False)
        if stay:
            say(f"Still up: {subnet.api_url}  (Ctrl-C ends it)")
            threading.Event().wait()


def _clear(out: Path) -> None:
    """A demo's folder begins empty: an earlier one's is thrown away, anything else is left alone."""
    if not out.exists() or not any(out.iterdir()):
        return
    if not Devnet(out / "devnet").exists:
        raise UsageError(f"{out} holds something else; name another folder: finest demo --out DIR")
    Devnet(out / "devnet").remove()
    shutil.rmtree(out)


def _mine(subnet: Subnet, say: Callable[[str], None]) -> None:
    """Both miners at once, one task each; what they say comes with their names before it."""
    miners = {name: subnet.mine(name, "--once", "--warcs", WARCS_PER_TASK, "--cpus_per_task", 1) for name in MINERS}
    readers = [threading.Thread(target=_echo, args=(name, miner, say)) for name, miner in miners.items()]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    for name, miner in miners.items():
        if miner.wait():
            raise RunError(f"miner {name} ended with status {miner.returncode}; its work is in {subnet.folder / name}")


def _echo(name: str, process: subprocess.Popen[str], say: Callable[[str], None]) -> None:
    assert process.stdout
    for line in process.stdout:
        say(f"{name:6} {line.rstrip()}")


def _table(subnet: Subnet, tasks: list[Task]) -> Table:
    table = Table("miner", "WARCs", "committed on the chain", box=None, header_style="bold", pad_edge=False)
    for task in tasks:
        table.add_row(_name(subnet, task), str(len(task.warcs)), task.commitment)
    return table


def _name(subnet: Subnet, task: Task) -> str:
    return next(name for name, wallet in subnet.wallets.items() if wallet.hotkey_ss58 == task.hotkey)


def _where_to_look(out: Path) -> str:
    work = "".join(f"\n  {out / name / 'finest-work'}" for name in MINERS)
    return (
        f"The task server's page as it was: {(out / 'page.html').resolve()}\n"
        f"The miners' work, with reports to draw: {work}\n"
        f"See it alive in a browser: finest demo --stay"
    )
