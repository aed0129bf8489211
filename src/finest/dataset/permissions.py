"""Permissions of a Hub token: its owner, and whether it may write to a dataset's repository. Creates nothing."""

from __future__ import annotations

from typing import Any

from finest.dataset.hub import Hub
from finest.dataset.hub_retry import hub_call, no_token
from finest.errors import HubError, HubNotFound

LOG_IN = (
    "make one with write access at https://huggingface.co/settings/tokens, then: hf auth login (or HF_TOKEN= in .env)"
)
_WRITERS = frozenset({"admin", "write", "contributor"})
"""Roles in an organisation that may create repositories (https://huggingface.co/docs/hub/organizations-security)."""
_MAY_WRITE = "repo.write"
"""The permission that a fine-grained token needs; `whoami` lists it with the entities it applies to."""


def whoami() -> dict[str, Any]:
    """Return the Hub's `whoami` response. Raises HubError for an unknown token, HubUnavailable without a response."""
    Hub()  # sets the timeouts of huggingface_hub's connections
    import huggingface_hub

    token = huggingface_hub.get_token()
    if not token:
        raise no_token()
    return hub_call("ask who this token is", lambda: huggingface_hub.whoami(token=token), tries=3)


def check_right(repo: str) -> None:
    """Raise HubError if the token may not write to a repository, so that a miner learns it before hours of work."""
    there, right = there_and_right(whoami(), repo)
    if right is False:
        raise HubError(f"{there}; {LOG_IN}")


def there_and_right(user: dict[str, Any], repo: str) -> tuple[str, bool | None]:
    """Return whether the repository exists, as a message, and whether the token may write to it (None if unknown)."""
    try:
        there = f"{repo} exists ({'private' if Hub().head(repo).private else 'public'})"
        is_there = True
    except HubNotFound:
        there, is_there = f"{repo} will be made", False
    right = may_write(user, repo, is_there=is_there)
    return f"{there}, but the token of {user['name']} may not write to it" if right is False else there, right


def may_write(user: dict[str, Any], repo: str, *, is_there: bool) -> bool | None:
    """Return whether a `whoami` response grants the right to write to a repository; None if it does not say."""
    owner = repo.partition("/")[0]
    role = role_of(user)
    if role in ("write", "admin"):
        return owner == user["name"] or _in_organisation(user, owner)
    if role == "fineGrained":
        return _is_granted(user, owner, repo, is_there=is_there)
    return False if role == "read" else None


def _in_organisation(user: dict[str, Any], owner: str) -> bool | None:
    for one in user.get("orgs", ()):
        if one.get("name") == owner:
            role = one.get("roleInOrg")
            return None if role is None else role in _WRITERS
    return False


def _is_granted(user: dict[str, Any], owner: str, repo: str, *, is_there: bool) -> bool | None:
    """Check a fine-grained token: a grant for the owner covers every repository, others only an existing one."""
    grants = access_token(user).get("fineGrained")
    if not isinstance(grants, dict):
        return None
    for grant in grants.get("scoped", ()):
        name = grant.get("entity", {}).get("name")
        if _MAY_WRITE in grant.get("permissions", ()) and (name == owner or (is_there and name == repo)):
            return True
    return False


def role_of(user: dict[str, Any]) -> str:
    return str(access_token(user).get("role", ""))


def access_token(user: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = user.get("auth", {}).get("accessToken", {})
    return found
