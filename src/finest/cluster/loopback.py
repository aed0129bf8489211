"""Slurm on 127.0.0.1 alone: what a cluster of one machine needs of the machine's name.

With NoInAddrAny daemons and srun listen at the one address that the machine's own name means, as was seen with Slurm
22.05, and nothing else tells them where. Where that is 127.0.1.1, nobody finds them; where it is an address of a
network, others do.
"""

from __future__ import annotations

import socket

from finest.errors import ClusterError

ADDRESS = "127.0.0.1"


def own_address() -> str | None:
    """What this machine's name means; None where it means nothing."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None
    return str(found[0][4][0])


def require_loopback() -> None:
    """Raise ClusterError where Slurm would listen elsewhere than on 127.0.0.1, with the line that mends it."""
    address = own_address()
    if address == ADDRESS:
        return
    host = socket.gethostname()
    where = f"means {address}" if address else "means no address"
    raise ClusterError(
        f"this machine's name, {host}, {where}, and Slurm listens where that leads; for {ADDRESS} alone, put it first "
        f"in /etc/hosts: sudo sed -i '1i {ADDRESS} {host}' /etc/hosts"
    )
