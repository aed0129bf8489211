"""Whose request it is where a reverse proxy stands in front: only a proxy that was named is believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from finest.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = ("127.0.0.0/8", "::1/128")
"""Where a proxy on the same machine asks from."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The networks that proxies ask from; without any, nobody's `X-Forwarded-For` is believed."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, written: Iterable[str]) -> Proxies:
        """Addresses and networks (10.0.0.0/8) as an operator wrote them; raises UsageError."""
        try:
            return cls(tuple(ipaddress.ip_network(one.strip()) for one in written))
        except ValueError as error:
            raise UsageError(f"--proxy: {error}; write an address or a network, such as 172.16.0.0/12") from error

    def __contains__(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.networks)

    def client(self, peer: str, forwarded: str) -> str:
        """Who asks: the last address in `X-Forwarded-For` that is no proxy's, if the peer is a proxy, else the peer.

        Whatever stands before it was written by that client, and is worth nothing.
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
    """An address, without the port that some proxies add; IPv4 inside IPv6 is the IPv4 that it is."""
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
