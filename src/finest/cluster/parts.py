"""The five daemons of a cluster in a folder: how to prepare, start and test each one."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finest.cluster import munge
from finest.cluster.commands import environment, run
from finest.cluster.configuration import private_file, read_password, sql_for_slurm
from finest.cluster.daemons import Daemon
from finest.cluster.layout import Folder
from finest.cluster.nodes import nodes
from finest.errors import ClusterError, UsageError

_CLIENT_S = 10.0
_FILL_S = 180.0
"""Timeout of mariadb-install-db, which needs 4 s on a fast disk."""
_KEY_BYTES = 1024
"""Key size of munge's own mungekey (munge accepts 32 to 1024 bytes)."""
POOL = "128M"
"""MariaDB's buffer pool; slurmdbd's log recommends more, which the jobs of one machine do not need."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Part:
    """One daemon of the cluster, and how to start and test it."""

    daemon: Daemon
    argv: tuple[str, ...]
    works: Callable[[], bool]
    """Function that tests the daemon itself and returns whether it works."""
    wait_s: float
    """Longest start time: about ten times the time measured on two slow cores."""
    stop_s: float
    mend: str
    """Advice for the user if the daemon does not start."""
    user: str | None = None
    """The user that runs it; None means root, as which Slurm's own daemons start."""
    prepare: Callable[[], None] = _nothing
    """Called before the daemon starts."""
    folder: Path = Path("/")
    """Its working folder; for slurmd, and thus for its job steps, the cluster's own spool."""
    finish: Callable[[], None] = _nothing
    """Called when the daemon works."""


def parts(folder: Folder, *, light: bool) -> list[Part]:
    """Return the daemons in start order; they stop in reverse order."""
    database = [] if light else [_mariadb(folder), _slurmdbd(folder)]
    return [_munge(folder), *database, _slurmctld(folder), _slurmd(folder)]


def _munge(folder: Folder) -> Part:
    own = folder.munge
    argv = (
        "munged", "--foreground", "--force",
        f"--key-file={own}/munge.key", f"--socket={own}/munge.sock", f"--log-file={own}/munged.log",
        f"--pid-file={own}/munged.pid", f"--seed-file={own}/munged.seed",
    )  # fmt: skip

    def prepare() -> None:
        if not (own / "munge.key").exists():
            private_file(own / "munge.key", secrets.token_bytes(_KEY_BYTES), 0o400, "munge")
        for left in ("munge.sock", "munge.sock.lock", "munged.pid"):
            (own / left).unlink(missing_ok=True)

    def works() -> bool:
        return munge.complaint(own / "munge.sock") is None

    mend = f"its folder {own} must belong to user munge, and each folder above it must be open to that user"
    return Part(_daemon(folder, "munged"), argv, works, 15, 10, mend, user="munge", prepare=prepare)


def _mariadb(folder: Folder) -> Part:
    socket = folder.database_socket
    argv = (
        "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={folder.mysql}", f"--socket={socket}",
        f"--pid-file={socket.parent}/mysqld.pid", "--skip-networking", f"--innodb-buffer-pool-size={POOL}",
        "--innodb-lock-wait-timeout=900", "--innodb-log-file-size=64M", "--max-allowed-packet=16M",
    )  # fmt: skip

    def works() -> bool:
        return sql("mariadb-admin", socket, "ping").returncode == 0

    return Part(
        _daemon(folder, "mariadbd"), argv, works, 60, 60,
        "free some disk space and memory; it needs 300 MB of disk and 150 MB of memory",
        prepare=lambda: _fill_database(folder), finish=lambda: let_slurm_in(socket, folder.etc),
    )  # fmt: skip


def _slurmdbd(folder: Folder) -> Part:
    return Part(_daemon(folder, "slurmdbd"), ("slurmdbd", "-D"), slurmdbd_works, 60, 30, _again(folder))


def _slurmctld(folder: Folder) -> Part:
    argv = ("slurmctld", "-D", "-f", str(folder.conf))
    return Part(_daemon(folder, "slurmctld"), argv, slurmctld_works, 30, 30, _again(folder))


def _slurmd(folder: Folder) -> Part:
    argv = ("slurmd", "-D", "-f", str(folder.conf))
    mend = "if it is `inval`, RealMemory in slurm.conf is above what `slurmd -C` says; correct it and try again"
    return Part(_daemon(folder, "slurmd"), argv, slurmd_works, 30, 20, mend, folder=folder.spool)


def slurmdbd_works() -> bool:
    return run("sacctmgr", "-nP", "list", "cluster", timeout_s=_CLIENT_S).returncode == 0


def slurmctld_works() -> bool:
    return "is UP" in run("scontrol", "ping", timeout_s=_CLIENT_S).stdout


def slurmd_works() -> bool:
    """Whether the cluster's node accepts jobs; resume it first if the controller still has it as drained or down."""
    found = nodes(timeout_s=_CLIENT_S)
    for node in found:
        if node.state in {"drained", "down"}:
            run("scontrol", "update", f"nodename={node.name}", "state=RESUME", timeout_s=_CLIENT_S)
    return any(node.is_usable for node in found)


def holds(works: Callable[[], bool]) -> bool:
    """Return the result of `works()`; False while Slurm does not respond."""
    try:
        return works()
    except (ClusterError, subprocess.TimeoutExpired):
        return False


def _again(folder: Folder) -> str:
    return f"to start with an empty cluster: finest cluster down --purge --folder {folder.path}"


def _daemon(folder: Folder, name: str) -> Daemon:
    return Daemon(name, folder.run, folder.logs)


def variables(folder: Folder) -> dict[str, str]:
    """Return the environment of daemons and clients, the only way to tell slurmdbd the database's socket."""
    return environment() | {"SLURM_CONF": str(folder.conf), "MYSQL_UNIX_PORT": str(folder.database_socket)}


def _fill_database(folder: Folder) -> None:
    """Create MariaDB's own tables once; first delete the remains of an interrupted try."""
    filled = folder.mysql / ".filled"
    if filled.exists():
        return
    shutil.rmtree(folder.mysql, ignore_errors=True)
    # In /tmp, two simultaneous starts would use each other's temporary tables.
    scratch = folder.mysql.with_name("mysql-tmp")
    for path in (folder.mysql, scratch):
        _own_folder(path, "mysql", 0o700)
    argv = [
        "mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={folder.mysql}", f"--tmpdir={scratch}",
        "--skip-test-db", "--auth-root-authentication-method=socket",
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603
        argv, env=environment(), capture_output=True, text=True, errors="replace", timeout=_FILL_S, check=False
    )
    shutil.rmtree(scratch, ignore_errors=True)
    if done.returncode:
        raise ClusterError(f"mariadb-install-db: {_first_error(done.stderr + done.stdout)}")
    filled.touch()


def _first_error(told: str) -> str:
    """Return the first error in the output; the last line only says that the program ended."""
    lines = [line for line in told.splitlines() if line.strip()] or ["no output"]
    return next((line for line in lines if "ERROR" in line), lines[-1])


def let_slurm_in(socket: Path | None, etc: Path) -> None:
    """Create slurmdbd's database and user; the password is sent over standard input, not on a command line.

    `socket` is as in `sql`; `etc` contains slurmdbd.conf. Raises ClusterError.
    """
    done = sql("mariadb", socket, told=sql_for_slurm(read_password(etc / "slurmdbd.conf")))
    if done.returncode:
        raise ClusterError(f"MariaDB refuses to make Slurm's user: {done.stderr.strip()}")


def sql(program: str, socket: Path | None, *argv: str, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run a MariaDB client as the database's administrator; with `socket` None, on the system's own MariaDB."""
    where = ["--no-defaults", f"--socket={socket}"] if socket else []
    return subprocess.run(  # noqa: S603
        [program, *where, "-uroot", *argv],
        env=environment(),
        input=told,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_CLIENT_S,
        check=False,
    )


def _own_folder(path: Path, user: str, mode: int) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    shutil.chown(path, user, user)


_OWNERS = {"etc": "root", "run": "root", "spool": "root", "log": "slurm", "state": "slurm", "munge": "munge"}
_DATABASE_OWNERS = {"sql": "mysql"}
_FILES = {"cluster.json", "mysql"}


def make_folders(folder: Folder, *, light: bool) -> None:
    """Create the folders with their owners; raise ClusterError if a daemon's user cannot reach them.

    Raise UsageError if the folder contains other files, because `down --purge` would delete them.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    foreign = {one.name for one in folder.path.iterdir()} - {*_OWNERS, *_DATABASE_OWNERS, *_FILES}
    if foreign:
        raise UsageError(f"{folder.path} contains other files ({min(foreign)}); name a new folder with --folder")
    shut = next((one for one in folder.path.parents if not one.stat().st_mode & 0o001), None)
    if shut:
        raise ClusterError(f"{shut} is not accessible to the users slurm and munge; name another folder with --folder")
    folder.path.chmod(0o755)
    for name, owner in (_OWNERS if light else _OWNERS | _DATABASE_OWNERS).items():
        _own_folder(folder.path / name, owner, 0o755)
