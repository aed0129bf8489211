"""Ensure that Slurm listens only on 127.0.0.1, which depends on the address of the machine's own name.

With NoInAddrAny, daemons and srun listen only on the address to which the machine's own name resolves (observed with
Slurm 22.05); no other setting changes that. If this is 127.0.1.1, clients cannot reach them; if it is a network
address, other machines can.
"""

from __future__ import annotations

import socket

from finest.errors import ClusterError

ADDRESS = "127.0.0.1"


def own_address() -> str | None:
    """Return the address to which this machine's name resolves; None if it does not resolve."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None
    return str(found[0][4][0])


def require_loopback() -> None:
    """Raise ClusterError, with the command that fixes it, if Slurm would not listen on 127.0.0.1."""
    address = own_address()
    if address == ADDRESS:
        return
    host = socket.gethostname()
    where = f"means {address}" if address else "means no address"
    raise ClusterError(
        f"this machine's name, {host}, {where}, and Slurm listens where that leads; for {ADDRESS} alone, put it first "
        f"in /etc/hosts: sudo sed -i '1i {ADDRESS} {host}' /etc/hosts"
    )
