"""Who asks the API in its tests, for what, and by which rules."""

from __future__ import annotations

from typing import Any

from finest.chain.payload import encode
from finest.chain.wallet import Hotkey
from finest.tasks.models import Rules
from finest.tasks.problems import KINDS
from tests.tasks.live_server import MadeSubnet, Server, hotkey
from tests.tasks.samples import REVISION, ROOT

ALICE, BOB, EVE = hotkey("Alice"), hotkey("Bob"), hotkey("Eve")
VALIDATOR, POOR = hotkey("Validator"), hotkey("Poor")
RULES = Rules(min_validator_stake=100.0, tasks_per_window=3)
PUBLISHED = {"repo": "alice/web", "revision": REVISION, "root": ROOT}
LINE = encode(**PUBLISHED)


def problem(answer: Any) -> str:
    """The name of the problem, whose shape is checked."""
    said = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    name = said["type"].removeprefix("/problems/")
    assert said["status"] == answer.status_code == KINDS[name].status
    assert said["detail"]
    assert ("Retry-After" in answer.headers) == KINDS[name].may_pass == ("retry_after_s" in said)
    return str(name)


def made(*miners: Hotkey) -> MadeSubnet:
    """A subnet on which these have seats."""
    subnet = MadeSubnet()
    subnet.register(*miners)
    return subnet


def lease(server: Server, by: Hotkey = ALICE, **body: Any) -> Any:
    return server.post("/v1/tasks/lease", body, by=by)


def finished(server: Server, by: Hotkey = ALICE) -> Any:
    task = lease(server, by)
    server.subnet.commit(by, LINE)
    return server.post(f"/v1/tasks/{task['id']}/finish", PUBLISHED, by=by)
