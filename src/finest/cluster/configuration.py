"""Generate slurm.conf, slurmdbd.conf and cgroup.conf for one machine, without the pitfalls of Slurm's defaults."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from finest.cluster.hardware import Cgroups, Hardware
from finest.cluster.layout import DATABASE, Places
from finest.errors import ClusterError, UsageError

PARTITION = "main"
MARK = "# Made by `finest cluster`."
"""The beginning of the first line; `finest cluster` does not change a slurm.conf without it."""
HIDDEN = "********"
_LEAST_MARGIN_MB, _MOST_MARGIN_MB = 256, 4096


@dataclass(frozen=True, slots=True)
class Configuration:
    """The contents of the configuration files."""

    slurm: str
    cgroup: str
    slurmdbd: str | None
    """The contents of slurmdbd.conf with the database's password; None without a database."""

    def files(self) -> dict[str, str]:
        found = {"slurm.conf": self.slurm, "cgroup.conf": self.cgroup}
        return found | ({"slurmdbd.conf": self.slurmdbd} if self.slurmdbd else {})


def configure(hardware: Hardware, places: Places, password: str | None) -> Configuration:
    """Return the configuration of a cluster of one machine; without a `password`, of one without accounting."""
    light = password is None
    parts = (
        _head(hardware, places),
        _jobs(hardware),
        _scheduling(hardware),
        _light_accounts(places) if light else _accounts(places),
        _node(hardware),
    )
    return Configuration(
        slurm="\n".join(parts),
        cgroup=_cgroup(hardware),
        slurmdbd=None if password is None else _slurmdbd(places, password),
    )


def memory_for_jobs_mb(hardware: Hardware) -> int:
    """Return RealMemory: less than slurmd reports, because more makes the node `inval`, and system and daemons need
    some.

    The margin is a twentieth, at least 256 MB (the five daemons need 150) and at most 4 GiB.
    """
    return hardware.memory_mb - min(max(hardware.memory_mb // 20, _LEAST_MARGIN_MB), _MOST_MARGIN_MB)


def new_password() -> str:
    """Return a new password for the database, with 128 random bits."""
    return secrets.token_hex(16)


def read_password(slurmdbd_conf: Path) -> str:
    """Return the database's password; raise ClusterError if the file does not contain it."""
    for line in slurmdbd_conf.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name == "StoragePass":
            return value
    raise ClusterError(f"{slurmdbd_conf} has no StoragePass; put it back, or remove the file, and it is created again")


def sql_for_slurm(password: str) -> str:
    """Return the SQL statements that the database's administrator must run once."""
    return f"""CREATE DATABASE IF NOT EXISTS {DATABASE};
CREATE USER IF NOT EXISTS 'slurm'@'localhost';
ALTER USER 'slurm'@'localhost' IDENTIFIED BY '{password}';
GRANT ALL ON {DATABASE}.* TO 'slurm'@'localhost';
"""


def write_files(made: Configuration, folder: Path) -> list[Path]:
    """Write the files, with slurmdbd.conf readable only by its owner; raise UsageError if one of them exists."""
    files = {folder / name: text for name, text in made.files().items()}
    there = next((path for path in files if path.exists()), None)
    if there:
        raise UsageError(f"{there} exists; name another folder, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        private_file(path, text.encode(), 0o600 if path.name == "slurmdbd.conf" else 0o644)
    return list(files)


def private_file(path: Path, content: bytes, mode: int, owner: str | None = None) -> None:
    """Create a file that other users cannot read at any moment; raise FileExistsError if it exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    path.chmod(mode)  # independent of the umask
    if owner:
        shutil.chown(path, owner, owner)


def _head(hardware: Hardware, places: Places) -> str:
    socket = f"AuthInfo=socket={places.munge_socket}\n" if places.munge_socket else ""
    first_job = f"FirstJobId={places.first_job}\n" if places.first_job > 1 else ""
    return f"""{MARK} A cluster of one machine.
ClusterName=finest
SlurmctldHost={hardware.host}(127.0.0.1)
SlurmctldPort={places.ports.slurmctld}
SlurmdPort={places.ports.slurmd}
# Listen on this machine alone; its name must mean 127.0.0.1 (/etc/hosts).
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
{socket}SlurmUser=slurm
StateSaveLocation={places.state}
SlurmdSpoolDir={places.spool}
SlurmctldPidFile={places.run}/slurmctld.pid
SlurmdPidFile={places.run}/slurmd.pid
SlurmctldLogFile={places.logs}/slurmctld.log
SlurmdLogFile={places.logs}/slurmd.log
{first_job}MpiDefault=none
MailProg=/bin/true
"""


def _jobs(hardware: Hardware) -> str:
    """Return the settings that confine jobs: by control groups if available, else by polling their memory."""
    if hardware.cgroups is not Cgroups.NONE:
        return """# Jobs are held by control groups: no process escapes, and none uses more memory than it requested.
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=5
"""
    return """# Slurm can use no control groups: it checks memory every 2 s, and kills a process that uses too much.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
"""


def _scheduling(hardware: Hardware) -> str:
    return f"""# Cores and memory are allocated, not whole nodes (the default is select/linear: one job at a time).
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Without this line a job that requests no memory gets all of it.
DefMemPerCPU={max(memory_for_jobs_mb(hardware) // hardware.cpus, 1)}
# A node that was down comes back by itself (the default is 0: it waits for an administrator).
ReturnToService=2
# A job whose dependency has failed is cancelled (by default it waits for ever).
DependencyParameters=kill_invalid_depend
# One machine: look for work at once, not every 30 to 60 s.
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
# A dead slurmd is noticed after a minute, and its jobs with it (the default is five).
SlurmdTimeout=60
MaxArraySize=10001
MaxJobCount=50000
"""


def _accounts(places: Places) -> str:
    # for slurmdbd, Slurm reads the path of munge's socket from here, not from AuthInfo
    socket = f"AccountingStoragePass={places.munge_socket}\n" if places.munge_socket else ""
    return f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={places.ports.slurmdbd}
{socket}"""


def _light_accounts(places: Places) -> str:
    return f"""# No accounts: `sacct` knows nothing, and a job is forgotten 300 s after its end.
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={places.logs}/jobcomp.log
"""


def _node(hardware: Hardware) -> str:
    topology = [
        f"{name}={value}"
        for name, value in (
            ("Sockets", hardware.sockets),
            ("CoresPerSocket", hardware.cores_per_socket),
            ("ThreadsPerCore", hardware.threads_per_core),
        )
        if value is not None
    ]
    has = " ".join([f"CPUs={hardware.cpus}", *topology, f"RealMemory={memory_for_jobs_mb(hardware)}"])
    return f"""NodeName={hardware.host} NodeAddr=127.0.0.1 {has} State=UNKNOWN
PartitionName={PARTITION} Nodes={hardware.host} Default=YES DefaultTime=1-00:00:00 MaxTime=30-00:00:00 State=UP
"""


def _cgroup(hardware: Hardware) -> str:
    if hardware.cgroups is Cgroups.NONE:
        # slurmd always loads a cgroup plugin, whatever slurm.conf says; this one also starts without control groups
        return f"{MARK}\nCgroupPlugin=cgroup/v1\n"
    swap = "ConstrainSwapSpace=yes\nAllowedSwapSpace=0\n" if hardware.swap_limits else ""
    return f"""{MARK}
CgroupPlugin=cgroup/{hardware.cgroups.value}
ConstrainCores=yes
ConstrainRAMSpace=yes
{swap}"""


def _slurmdbd(places: Places, password: str) -> str:
    socket = f"AuthInfo=socket={places.munge_socket}\n" if places.munge_socket else ""
    once = "".join(f"#   {line}\n" for line in sql_for_slurm(password).splitlines())
    return f"""{MARK} For user slurm alone: chmod 600, chown slurm. Say once in MariaDB (sudo mariadb):
{once}AuthType=auth/munge
{socket}# Listen on this machine alone; its name must mean 127.0.0.1 (/etc/hosts).
CommunicationParameters=NoInAddrAny
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={places.ports.slurmdbd}
SlurmUser=slurm
LogFile={places.logs}/slurmdbd.log
PidFile={places.run}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass={password}
StorageLoc={DATABASE}
"""
