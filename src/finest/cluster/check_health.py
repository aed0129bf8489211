"""Check a cluster's health, cheapest checks first; skip checks that would fail anyway and block for minutes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from finest.cluster import check_settings, munge
from finest.cluster.commands import conf_value, environment, run, slurm
from finest.cluster.layout import DEFAULT_FOLDER, SYSTEM_CONF, Folder
from finest.cluster.nodes import ClusterConfig, Node, Partition, config, nodes, partitions
from finest.errors import ClusterError
from finest.examination import Found, examine
from finest.findings import Check, Finding, failure, ok, warning
from finest.formatting import counted

COMMANDS = ("sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel", "sacct")
ASK_S = 15.0
"""Timeout of one query; a healthy controller answers in 40 ms."""
PROBE_S = 20.0
"""Timeout of the test job; srun gives up on a dead slurmd after 11 s."""
DEADLINE_S = 4 * ASK_S
"""Timeout of one check, which makes at most three queries, each with its own timeout."""
_BUSY_S = 5
"""Seconds that the probe waits for a free core."""
_CLOCK_WARN_S, _CLOCK_FAIL_S = 10.0, 240.0
"""Clock differences that warn or fail: Munge's credentials are valid for 300 s, and the controller reports its time in
whole seconds."""
_SHOWN = 3
"""Number of unusable nodes to name; `sinfo --list-reasons` lists all."""


@dataclass
class Cluster:
    """The data that the checks use; each query runs once, when a check first needs it."""

    partition: str | None = None
    """The partition to check; None selects the cluster's default."""
    asked_at_s: float = field(default=0.0, init=False)

    @cached_property
    def config(self) -> ClusterConfig:
        self.asked_at_s = time.time()
        return config(timeout_s=ASK_S)

    @cached_property
    def nodes(self) -> list[Node]:
        return nodes(timeout_s=ASK_S)

    @cached_property
    def partitions(self) -> list[Partition]:
        return partitions(timeout_s=ASK_S)

    def chosen(self) -> Partition | None:
        """Return the partition for jobs; None if it does not exist."""
        wanted = [
            one for one in self.partitions if one.name == self.partition or (not self.partition and one.is_default)
        ]
        only = self.partitions if len(self.partitions) == 1 and not self.partition else []
        return next(iter(wanted or only), None)


def installed(_: Cluster) -> Finding:
    """Check that Slurm's commands and a slurm.conf are installed."""
    variables = environment()
    missing = [name for name in COMMANDS if shutil.which(name, path=variables["PATH"]) is None]
    if missing:
        mend = "sudo apt-get install slurm-client, on a node of a cluster; on a single machine: sudo finest cluster up"
        return failure(f"not installed: {', '.join(missing)}", mend)
    try:
        version = slurm("sinfo", "--version", timeout_s=ASK_S).strip()  # fails without a slurm.conf
    except ClusterError as error:
        return failure(str(error), "export SLURM_CONF=/path/to/slurm.conf, or sudo finest cluster up")
    where = variables.get("SLURM_CONF") or (SYSTEM_CONF if SYSTEM_CONF.exists() else "found by Slurm itself")
    return ok(f"{version}, {where}")


def munge_works(_: Cluster) -> Finding:
    """Check that munge can sign and read a credential."""
    kind = conf_value("AuthType") or "auth/munge"
    if kind != "auth/munge":
        return ok(f"not used: the cluster's AuthType is {kind}")
    complaint = munge.complaint(munge.socket_of_cluster())
    return (
        failure(f"munge does not work: {complaint}", restart("munge"))
        if complaint
        else ok("munge signs and verifies messages")
    )


def controller(_: Cluster) -> Finding:
    """Check that slurmctld responds, with `ping`, which fails at once where other commands wait 9 s."""
    told = run("scontrol", "ping", timeout_s=ASK_S)
    lines = [line.strip() for line in told.stdout.splitlines() if line.strip()]
    down = [line for line in lines if not line.endswith("is UP")]
    if not lines or len(down) == len(lines):
        said = (lines or told.stderr.strip().splitlines() or ["it does not answer"])[0]
        return failure(f"slurmctld: {said}", restart("slurmctld"))
    return warning(f"one of {len(lines)} controllers: {down[0]}", restart("slurmctld")) if down else ok(lines[0])


def database(cluster: Cluster) -> Finding:
    """Check that slurmdbd responds and knows the cluster; warn if the cluster has none."""
    if not cluster.config.keeps_accounts:
        lost = "no accounting database: Slurm forgets how a job ended, and what it used, minutes after its end"
        return warning(lost, "finest cluster config shows the lines for slurmdbd; finest cluster up sets it up")
    told = run("sacctmgr", "-nP", "list", "cluster", "format=Cluster", timeout_s=ASK_S)
    if told.returncode:
        said = (told.stderr.strip().splitlines() or ["it does not answer"])[-1]
        return failure(f"slurmdbd: {said.partition('error: ')[2] or said}", restart("slurmdbd"))
    name = cluster.config.value("ClusterName")
    if name not in told.stdout.split():
        return failure(f"the database does not know the cluster {name}", f"sudo sacctmgr -i add cluster {name}")
    return ok("slurmdbd answers")


def node_states(cluster: Cluster) -> Finding:
    """Check that at least one node accepts jobs; warn if some do not."""
    ill = [node for node in cluster.nodes if not node.is_usable]
    usable = len(cluster.nodes) - len(ill)
    if not cluster.nodes:
        return failure("the cluster has no node", "add NodeName= lines to slurm.conf: finest cluster config shows them")
    if not ill:
        return ok(f"{counted(usable, 'node')} up")
    told = "; ".join(f"{node.name} is {_state(node)}" for node in ill[:_SHOWN])
    more = f"; and {len(ill) - _SHOWN} more" if len(ill) > _SHOWN else ""
    line = f"{usable} of {counted(len(cluster.nodes), 'node')} up: {told}{more}"
    mend = mend_node(ill[0])
    return warning(line, mend) if usable else failure(line, mend)


def _state(node: Node) -> str:
    state = node.state if node.responds else f"{node.state} and does not respond"
    return f"{state} ({node.reason})" if node.reason else state


def mend_node(node: Node) -> str:
    """Return the command that makes a node accept jobs again."""
    resume = f"sudo scontrol update nodename={node.name} state=RESUME"
    if node.state == "inval" or node.reason.startswith("Low RealMemory"):
        return f"put into slurm.conf what `slurmd -C` says on {node.name}, restart slurmctld and slurmd, then {resume}"
    if node.state.startswith("drain") and node.responds:
        return resume
    return f"{restart('slurmd', node.name)}; if that does not help: {resume}"


def partition(cluster: Cluster) -> Finding:
    """Check that the partition exists and has usable nodes, and report its limits."""
    names = ", ".join(one.name for one in cluster.partitions) or "none"
    found = cluster.chosen()
    if found is None:
        what = f"there is no partition {cluster.partition}" if cluster.partition else "there is no default partition"
        return failure(f"{what}; there are: {names}", "name one of these with --partition")
    if not found.is_up:
        mend = f"sudo scontrol update partitionname={found.name} state=UP"
        return failure(f"partition {found.name} is closed", mend)
    inside = [node for node in cluster.nodes if found.name in node.partitions]
    usable = [node for node in inside if node.is_usable]
    if not usable:
        return failure(f"no node of partition {found.name} takes jobs", "sinfo --list-reasons")
    cpus, memory_mb = max(node.cpus for node in usable), max(node.memory_mb for node in usable)
    limit = f"jobs of up to {_duration(found.max_time_s)}" if found.max_time_s else "no time limit"
    has = f"{counted(len(usable), 'node')} with up to {counted(cpus, 'core')} and {memory_mb / 1024:.1f} GiB"
    line = f"{found.name}: {has}, {limit}"
    if found.max_time_s is None and found.default_time_s is None:
        return warning(f"{line}: a job that hangs is never stopped", "give --time")
    return ok(line)


def clock(cluster: Cluster) -> Finding:
    """Check that this machine's clock matches the controller's: munge rejects credentials older than five minutes."""
    told_s = cluster.config.as_of_s
    ahead_s = cluster.asked_at_s - told_s
    line = f"this machine's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the controller's"
    mend = "sudo timedatectl set-ntp true, on both machines"
    if abs(ahead_s) > _CLOCK_FAIL_S:
        return failure(line, mend)
    return warning(line, mend) if abs(ahead_s) > _CLOCK_WARN_S else ok("same as the controller's")


def probe(cluster: Cluster) -> Finding:
    """Check that a job runs. No other check shows this: a dead slurmd stays `idle` for up to five minutes."""
    found = cluster.chosen()
    where = ("-p", found.name) if found else ()
    began = time.monotonic()
    told = run("srun", "-Q", f"-I{_BUSY_S}", "-t1", "-n1", *where, "true", timeout_s=PROBE_S)
    if told.returncode == 0:
        return ok(f"a job ran, in {time.monotonic() - began:.2f} s")
    said = (told.stderr.strip().splitlines() or [f"exit status {told.returncode}"])[0].partition("error: ")[2]
    if "nodes are busy" in told.stderr:
        return warning("every core is in use: a job would have to wait, so the check started none", "squeue")
    if "Communication connection failure" in told.stderr or "Task launch" in told.stderr:
        return failure(f"slurmd starts no job: {said}", restart("slurmd", "the node"))
    return failure(f"a job does not run: {said}", "read slurmd's log on the node, /var/log/slurm/slurmd.log")


def restart(unit: str, where: str = "") -> str:
    """Return the command that restarts a daemon of this process's cluster on the machine `where`."""
    conf = environment().get("SLURM_CONF")
    folder = Folder(Path(conf).parent.parent) if conf else None
    facts = folder.read() if folder else None
    if folder is None or facts is None:
        return f"{f'on {where}: ' if where else ''}sudo systemctl restart {unit}"
    named = "" if folder.path == DEFAULT_FOLDER else f" --folder {folder.path}"
    return f"sudo finest cluster up{' --light' if facts.light else ''}{named}"


def _duration(seconds: int | None) -> str:
    hours = (seconds or 0) / 3600
    if hours >= 48:
        return f"{hours / 24:g} days"
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"


def _check(name: str, look: Callable[[Cluster], Finding], *needs: str) -> Check[Cluster]:
    return Check(name, look, DEADLINE_S, needs, hint="scontrol ping")


def _of_settings(name: str, look: Callable[[ClusterConfig], Finding]) -> Check[Cluster]:
    return _check(name, lambda cluster: look(cluster.config), "controller")


_SETTINGS = tuple(_of_settings(name, look) for name, look in check_settings.LOOKS)
CHECKS = (
    _check("installed", installed),
    _check("munge", munge_works, "installed"),
    _check("controller", controller, "munge"),
    _check("database", database, "controller"),
    _check("nodes", node_states, "controller"),
    _check("partition", partition, "controller", "nodes"),
    *_SETTINGS,
    _check("clock", clock, "controller"),
    _check("probe", probe, "controller", "nodes", "partition"),
)
"""The checks, in the order in which they run and are shown."""


def check_health(partition: str | None = None, found: Found = lambda *_: None) -> dict[str, Finding]:
    """Run the checks one at a time, calling `found` with each finding; return the findings by name."""
    return examine(CHECKS, Cluster(partition), found, at_once=1)
