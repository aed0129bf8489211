"""Recognize requests from web pages in a browser on the devnet's machine; every server of a devnet refuses them.

The servers listen on loopback, where every page open in a browser on the same machine can reach them, and the chain's
drivers and the faults ask for no password. A page's requests carry `Origin` (WebSockets, and all but plain GETs,
https://fetch.spec.whatwg.org/#origin-header) or `Sec-Fetch-Site` (the rest, https://www.w3.org/TR/fetch-metadata/). If
the page's host name was made to resolve to 127.0.0.1 ("DNS rebinding"), they carry a `Host` that does not name
loopback. The intended clients of a devnet send none of these.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


def refusal(header: Callable[[str], str | None]) -> str | None:
    """Return why a request is refused; None if a client sent it. `header` looks up a header, ignoring case."""
    host = header("Host")
    if host is not None and _name(host) not in NAMES:
        return "a devnet answers to 127.0.0.1 and localhost alone"
    if header("Origin") is not None or header("Sec-Fetch-Site") not in (None, "none"):
        return "a devnet does not answer web pages"
    return None


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
