"""The address of a task server, as a person sets it."""

from __future__ import annotations

import contextlib
import ipaddress
from urllib.parse import urlsplit

from finest.errors import UsageError


def checked(url: str | None) -> str:
    """Return the address of a task server without a path; raises UsageError for a text that is none."""
    if not url:
        raise UsageError("API_URL is not set: write API_URL=https://<the task server> in .env or in the environment")
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise UsageError("API_URL is no address of a task server: https://host or https://host:port, nothing after it")
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
