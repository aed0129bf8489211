"""Checks of the task server: whether it answers, its subnet, its hotkey and its clock."""

from __future__ import annotations

from urllib.parse import urlsplit

from finest.doctor.subject import Subject
from finest.errors import TaskServerError, UsageError
from finest.findings import Finding, failure, ok, warning

BEHIND_S = 30.0
"""The server refuses a signature older than this (finest.chain.auth)."""
AHEAD_S = 5.0
"""The server refuses a signature from further in the future than this."""
NOTICED_S = 2.0
"""Clock difference that NTP keeps well below; a larger one causes a warning."""
_NTP = "sudo timedatectl set-ntp true"


def task_server(subject: Subject) -> Finding:
    """Check that the task server answers."""
    url = subject.settings.api_url
    if not url:
        return failure("API_URL is not set: no task server to ask", "echo API_URL=https://... >> .env")
    try:
        info = subject.server().info
    except UsageError as error:
        return failure(str(error), "correct API_URL in .env")
    except TaskServerError as error:
        return failure(str(error), f"curl -i {url}/v1/health; if that fails too, tell the server's operator")
    return ok(f"{url}, version {info.version}, block {info.block:,}")


def subnet(subject: Subject) -> Finding:
    """Check that the task server serves the hotkey's subnet."""
    ours, theirs = subject.chain_options.netuid, subject.server().info.netuid
    if ours != theirs:
        return failure(
            f"the server serves subnet {theirs}, but --netuid is {ours}", f"{subject.command} --netuid {theirs}"
        )
    return ok(f"both on subnet {ours}")


def server_hotkey(subject: Subject) -> Finding:
    """Check that the task server's hotkey is the one in API_HOTKEY."""
    told, wanted = subject.server().info.hotkey, subject.settings.api_hotkey
    if wanted and wanted != told:
        return failure(
            f"the server says that it is {told}, API_HOTKEY says {wanted}",
            "ask who runs it which is right, then set API_HOTKEY in .env; nothing is signed for the other",
        )
    if wanted:
        return ok(f"{told}, as API_HOTKEY says")
    plain_http = (subject.settings.api_url or "").startswith("http://") and not _is_loopback(subject)
    if plain_http:
        return warning(f"{told}, which plain http does not prove", f"echo API_HOTKEY={told} >> .env")
    return ok(f"{told}; set API_HOTKEY in .env to insist on it")


def clock(subject: Subject) -> Finding:
    """Check that this machine's clock agrees with the server's, because signed requests contain the time."""
    ahead_s = subject.server().ahead_s
    words = f"{abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} the task server's"
    if ahead_s > AHEAD_S or ahead_s < -BEHIND_S:
        return failure(f"this clock is {words}: its signatures are refused", _NTP)
    if abs(ahead_s) > NOTICED_S:
        return warning(f"this clock is {words}", _NTP)
    return ok(f"{abs(ahead_s):.1f} s from the task server's")


def _is_loopback(subject: Subject) -> bool:
    return urlsplit(subject.settings.api_url or "").hostname in ("127.0.0.1", "localhost", "::1")
