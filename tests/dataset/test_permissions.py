"""What a token may write, by the Hub's answer to `whoami`."""

from __future__ import annotations

from typing import Any

import pytest

from finest.dataset import permissions
from finest.dataset.hub import Hub
from finest.dataset.permissions import check_right, may_write
from finest.errors import HubError, HubNotFound


def user(role: str, *, orgs: list[dict[str, Any]] | None = None, scoped: list[dict[str, Any]] | None = None) -> Any:
    token: dict[str, Any] = {"displayName": "t", "role": role}
    if scoped is not None:
        token["fineGrained"] = {"global": [], "scoped": scoped}
    return {"name": "alice", "orgs": orgs or [], "auth": {"type": "access_token", "accessToken": token}}


def grant(name: str, *permissions: str) -> dict[str, Any]:
    return {"entity": {"_id": "0", "type": "user", "name": name}, "permissions": list(permissions)}


WRITER = user("write", orgs=[{"name": "works", "roleInOrg": "write"}, {"name": "reads", "roleInOrg": "read"}])


@pytest.mark.parametrize(
    ("who", "repo", "there", "may"),
    [
        (WRITER, "alice/web", False, True),
        (WRITER, "works/web", False, True),
        (WRITER, "reads/web", True, False),
        (WRITER, "bob/web", True, False),
        (user("write", orgs=[{"name": "works"}]), "works/web", True, None),
        (user("read"), "alice/web", True, False),
        (user("fineGrained", scoped=[grant("alice", "repo.content.read", "repo.write")]), "alice/web", False, True),
        (user("fineGrained", scoped=[grant("alice", "repo.content.read")]), "alice/web", True, False),
        (user("fineGrained", scoped=[grant("alice/web", "repo.write")]), "alice/web", True, True),
        (user("fineGrained", scoped=[grant("alice/web", "repo.write")]), "alice/web", False, False),
        (user("fineGrained", scoped=[grant("alice/web", "repo.write")]), "alice/other", True, False),
        (user("fineGrained"), "alice/web", True, None),
        ({"name": "alice"}, "alice/web", True, None),
    ],
)  # fmt: skip
def test_roles_and_grants(who: Any, repo: str, there: bool, may: bool | None) -> None:
    """An owner's or organisation's role decides, or a grant; a grant for one repository cannot make it."""
    assert may_write(who, repo, is_there=there) is may


def test_a_miner_is_refused_before_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the Hub says no; where it does not say, the miner tries."""

    def missing(*_: Any) -> None:
        raise HubNotFound("no such repository")

    monkeypatch.setattr(Hub, "head", missing)
    monkeypatch.setattr(permissions, "whoami", lambda: user("read"))
    with pytest.raises(HubError, match="the token of alice may not write to it; make one with write access"):
        check_right("alice/web")
    for who in (user("write"), user("fineGrained")):
        monkeypatch.setattr(permissions, "whoami", lambda who=who: who)
        check_right("alice/web")
