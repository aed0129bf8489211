"""Requests that a web page makes in the browser of whoever runs a devnet: refused by each of its servers.

They listen on loopback, where every page that is open in a browser of the same machine can reach them, and nothing
there asks for a password: the chain's drivers, the faults. A page's requests carry `Origin` (WebSockets, and all but
plain GETs, https://fetch.spec.whatwg.org/#origin-header) or `Sec-Fetch-Site` (the rest,
https://www.w3.org/TR/fetch-metadata/), and where the page's own name was made to resolve to 127.0.0.1 ("DNS
rebinding"), a `Host` that is no name of loopback. The clients that a devnet is for send none of these.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


def refusal(header: Callable[[str], str | None]) -> str | None:
    """Why a request is not answered; None for one of a client's. `header` gives one by its name in any case."""
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
