"""Where a cluster of one machine lives: in one folder, or in the system's own places."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from finest.atomic_files import write_whole

SYSTEM_CONF = Path("/etc/slurm/slurm.conf")
"""Where Debian's and Ubuntu's Slurm looks."""
DEFAULT_FOLDER = Path("/var/lib/finest/cluster")
"""Where `finest cluster up` puts a cluster on a machine without systemd."""
DATABASE = "slurm_acct_db"


def default_conf() -> Path:
    """The slurm.conf of the cluster that `finest cluster up` makes without `--folder` and without systemd."""
    return Folder(DEFAULT_FOLDER).conf


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of Slurm's daemons; the defaults are Slurm's own."""

    slurmctld: int = 6817
    slurmd: int = 6818
    slurmdbd: int = 6819


@dataclass(frozen=True, slots=True)
class Places:
    """The paths that stand in the configuration files; the defaults are those of Debian's packages and their units."""

    logs: Path = Path("/var/log/slurm")
    state: Path = Path("/var/lib/slurm/slurmctld")
    spool: Path = Path("/var/lib/slurm/slurmd")
    run: Path = Path("/run")
    munge_socket: Path | None = None
    """None: munge's own default."""
    ports: Ports = field(default_factory=Ports)
    first_job: int = 1


@dataclass(frozen=True, slots=True)
class Folder:
    """A whole cluster in one folder: keys, database, state, sockets, logs. Nothing outside is touched."""

    path: Path

    @property
    def etc(self) -> Path:
        return self.path / "etc"

    @property
    def run(self) -> Path:
        """Locks and process ids."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def munge(self) -> Path:
        """Munge's key, socket, log and seed: it believes only a folder that is its own."""
        return self.path / "munge"

    @property
    def mysql(self) -> Path:
        return self.path / "mysql"

    @property
    def database_socket(self) -> Path:
        return self.path / "sql" / "mysqld.sock"

    @property
    def spool(self) -> Path:
        """Slurmd's and its steps' own."""
        return self.path / "spool"

    @property
    def conf(self) -> Path:
        return self.etc / "slurm.conf"

    def places(self, facts: Facts) -> Places:
        """What the configuration files name."""
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
        """What was decided when the cluster was made; None where there is none."""
        try:
            kept = json.loads((self.path / "cluster.json").read_bytes())
        except FileNotFoundError:
            return None
        return Facts(light=kept["light"], ports=Ports(**kept["ports"]), first_job=kept["first_job"])

    def write(self, facts: Facts) -> None:
        write_whole(self.path / "cluster.json", json.dumps(asdict(facts), indent=1).encode())


@dataclass(frozen=True, slots=True)
class Facts:
    """What stays as it was decided when the cluster was made."""

    light: bool
    ports: Ports
    first_job: int
    """Two clusters on one machine share the kernel's control groups, which are named by job: their ids lie apart."""
