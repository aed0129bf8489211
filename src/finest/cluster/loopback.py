"""Slurm's daemons on 127.0.0.1 alone.

With NoInAddrAny they listen at the one address that the machine's own name means (slurm_setup_addr in Slurm's
src/common/slurm_protocol_util.c), and nothing else tells them where. On most machines that is 127.0.1.1, where their
clients do not look, or an address that others reach. So there a cluster in a folder starts them with an /etc/hosts of
their own, in a mount namespace; the machine's file stays as it is.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from finest.errors import ClusterError

ADDRESS = "127.0.0.1"
_HOSTS = Path("/etc/hosts")
_TRY_S = 10.0
_UNSHARE = ("unshare", "--mount", "--propagation", "slave")
_BIND = 'mount --bind "$0" /etc/hosts && exec "$@"'


def own_address() -> str | None:
    """What this machine's name means; None where it means nothing."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None
    return str(found[0][4][0])


def require_loopback() -> None:
    """Raise ClusterError where daemons would listen elsewhere than on 127.0.0.1."""
    address = own_address()
    if address != ADDRESS:
        raise _elsewhere(address)


def confined(argv: Sequence[str], hosts: Path) -> list[str]:
    """The command of a daemon that listens on 127.0.0.1 alone; writes `hosts` where it needs one.

    Raises ClusterError where this process may make no mount namespace, as in most containers.
    """
    address = own_address()
    if address == ADDRESS:
        return list(argv)
    hosts.write_text(_with_own_name(_HOSTS.read_text(encoding="utf-8", errors="replace")), encoding="utf-8")
    inside = [*_UNSHARE, "sh", "-c", _BIND, str(hosts)]
    done = subprocess.run(  # noqa: S603
        [*inside, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRY_S, check=False
    )
    if done.returncode:
        raise _elsewhere(address)
    return [*inside, *argv]


def _with_own_name(told: str) -> str:
    names = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    others = [line for line in told.splitlines() if not names & set(line.partition("#")[0].split()[1:])]
    return "\n".join([f"{ADDRESS} localhost {' '.join(sorted(names))}", *others, ""])


def _elsewhere(address: str | None) -> ClusterError:
    host = socket.gethostname()
    where = f"means {address}" if address else "means no address"
    return ClusterError(
        f"this machine's name, {host}, {where}, so Slurm would not listen on {ADDRESS} alone; "
        f"let it mean that: put the line `{ADDRESS} {host}` first in {_HOSTS}"
    )
