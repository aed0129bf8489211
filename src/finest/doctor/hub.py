"""The Hugging Face Hub: whose token it is, and whether it may write where the datasets go. Nothing is created."""

from __future__ import annotations

from typing import Any

from finest.doctor.check import Finding, failure, ok, skipped, warning
from finest.doctor.subject import Subject, ask_hub
from finest.errors import HubError, HubNotFound, HubUnavailable

_LOG_IN = (
    "make one with write access at https://huggingface.co/settings/tokens, then: hf auth login (or HF_TOKEN= in .env)"
)
_WRITERS = frozenset({"admin", "write", "contributor"})
"""Roles in an organisation that may create repositories (https://huggingface.co/docs/hub/organizations-security)."""
_MAY_WRITE = "repo.write"
"""The permission of a fine-grained token that `whoami` lists beside what it holds for."""


def token(subject: Subject) -> Finding:
    """There is a token, and the Hub knows whose it is."""
    try:
        user = subject.hub_user()
    except HubUnavailable as error:
        return failure(str(error), "check the network, and HF_ENDPOINT if it is set")
    except HubError as error:
        return failure(str(error).partition(":")[0] if "no Hugging Face token" in str(error) else _said(error), _LOG_IN)
    return ok(f"{user['name']}, {_role(user) or 'unnamed'} token {_shown(user)}".rstrip())


def repository(subject: Subject) -> Finding:
    """The token may write to the repository, or make it."""
    if not subject.repo:
        return skipped("no repository named", "finest doctor --hf_repo NAME")
    there, right = _there_and_right(subject.hub_user(), subject.full_repo())
    if right is None:
        return warning(f"{there}; the Hub does not say what this token may write", _LOG_IN)
    return ok(there) if right else failure(there, _LOG_IN)


def check_right(repo: str) -> None:
    """Raise HubError where the token may not write to a repository: a miner would learn it after hours of work."""
    there, right = _there_and_right(ask_hub(), repo)
    if right is False:
        raise HubError(f"{there}; {_LOG_IN}")


def _there_and_right(user: dict[str, Any], repo: str) -> tuple[str, bool | None]:
    """Whether the repository is there, in words, and whether the token may write to it."""
    from finest.dataset.hub import Hub

    try:
        there = f"{repo} is there ({'private' if Hub().head(repo).private else 'public'})"
        is_there = True
    except HubNotFound:
        there, is_there = f"{repo} will be made", False
    right = may_write(user, repo, is_there=is_there)
    return f"{there}, but the token of {user['name']} may not write to it" if right is False else there, right


def may_write(user: dict[str, Any], repo: str, *, is_there: bool) -> bool | None:
    """Whether the Hub's answer to `whoami` gives the right to write to a repository; None where it does not say."""
    owner = repo.partition("/")[0]
    role = _role(user)
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
    """A grant for the owner covers all its repositories; one for a repository is of use only once that is there."""
    grants = _access_token(user).get("fineGrained")
    if not isinstance(grants, dict):
        return None
    for grant in grants.get("scoped", ()):
        name = grant.get("entity", {}).get("name")
        if _MAY_WRITE in grant.get("permissions", ()) and (name == owner or (is_there and name == repo)):
            return True
    return False


def _role(user: dict[str, Any]) -> str:
    return str(_access_token(user).get("role", ""))


def _shown(user: dict[str, Any]) -> str:
    name = _access_token(user).get("displayName", "")
    return repr(name) if name else ""


def _access_token(user: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = user.get("auth", {}).get("accessToken", {})
    return found


def _said(error: HubError) -> str:
    return str(error).partition(";")[0]
