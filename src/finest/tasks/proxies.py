"""The client's address behind a reverse proxy. Only proxies that the operator named are trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from finest.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = ("127.0.0.0/8", "::1/128")
"""The networks from which a proxy on the same machine connects."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The networks of trusted proxies; without any, the server ignores every `X-Forwarded-For`."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, written: Iterable[str]) -> Proxies:
        """Parse the operator's addresses and networks (10.0.0.0/8); raises UsageError."""
        try:
            return cls(tuple(ipaddress.ip_network(one.strip()) for one in written))
        except ValueError as error:
            raise UsageError(f"--proxy: {error}; write an address or a network, such as 172.16.0.0/12") from error

    def __contains__(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.networks)

    def client(self, peer: str, forwarded: str) -> str:
        """The client's address: the last one in `X-Forwarded-For` that is not a trusted proxy's, or the peer itself.

        The peer counts if it is not a trusted proxy. Addresses further to the left were written by the client and
        cannot be trusted.
        """
        if peer not in self:
            return peer
        found = peer
        for written in reversed(forwarded.split(",")[-_MOST_HOPS:]):
            parsed = _parsed(written.strip())
            if parsed is None:
                break
            found = str(parsed)
            if found not in self:
                break
        return found


_MOST_HOPS = 16


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address, dropping the port that some proxies add; an IPv4-mapped IPv6 address becomes IPv4."""
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
