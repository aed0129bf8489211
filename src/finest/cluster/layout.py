"""The paths of a cluster of one machine: in one folder, or in the system's standard locations."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from finest.atomic_files import write_whole

SYSTEM_CONF = Path("/etc/slurm/slurm.conf")
"""Path of slurm.conf in Debian's and Ubuntu's Slurm."""
DEFAULT_FOLDER = Path("/var/lib/finest/cluster")
"""Folder in which `finest cluster up` creates a cluster on a machine without systemd."""
DATABASE = "slurm_acct_db"


def default_conf() -> Path:
    """Return the slurm.conf of the cluster that `finest cluster up` creates without `--folder` and without systemd."""
    return Folder(DEFAULT_FOLDER).conf


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of Slurm's daemons; the defaults are Slurm's own."""

    slurmctld: int = 6817
    slurmd: int = 6818
    slurmdbd: int = 6819


@dataclass(frozen=True, slots=True)
class Places:
    """The paths in the configuration files; the defaults are those of Debian's packages and their systemd units."""

    logs: Path = Path("/var/log/slurm")
    state: Path = Path("/var/lib/slurm/slurmctld")
    spool: Path = Path("/var/lib/slurm/slurmd")
    run: Path = Path("/run")
    munge_socket: Path | None = None
    """The path of munge's socket; None selects munge's default."""
    ports: Ports = field(default_factory=Ports)
    first_job: int = 1


@dataclass(frozen=True, slots=True)
class Folder:
    """A whole cluster in one folder: keys, database, state, sockets and logs. It changes no files outside."""

    path: Path

    @property
    def etc(self) -> Path:
        return self.path / "etc"

    @property
    def run(self) -> Path:
        """The folder of locks and process ids."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def munge(self) -> Path:
        """The folder of munge's key, socket, log and seed; munge requires that it owns the folder."""
        return self.path / "munge"

    @property
    def mysql(self) -> Path:
        return self.path / "mysql"

    @property
    def database_socket(self) -> Path:
        return self.path / "sql" / "mysqld.sock"

    @property
    def spool(self) -> Path:
        """The working folder of slurmd and of its job steps."""
        return self.path / "spool"

    @property
    def conf(self) -> Path:
        return self.etc / "slurm.conf"

    def places(self, facts: Facts) -> Places:
        """Return the paths and ports for the configuration files."""
        return Places(
            logs=self.logs,
            state=self.path / "state",
            spool=self.spool,
            run=self.run,
            munge_socket=self.munge / "munge.sock",
            ports=facts.ports,
            first_job=facts.first_job,
        )

    def read(self) -> Facts | None:
        """Read the settings from when the cluster was created; return None if there is no cluster."""
        try:
            kept = json.loads((self.path / "cluster.json").read_bytes())
        except FileNotFoundError:
            return None
        return Facts(light=kept["light"], ports=Ports(**kept["ports"]), first_job=kept["first_job"])

    def write(self, facts: Facts) -> None:
        write_whole(self.path / "cluster.json", json.dumps(asdict(facts), indent=1).encode())


@dataclass(frozen=True, slots=True)
class Facts:
    """The settings that are fixed when a cluster is created."""

    light: bool
    ports: Ports
    first_job: int
    """The first job id. Clusters on one machine share the kernel's control groups, which are named by job id, so each
    cluster uses a different range of ids."""
