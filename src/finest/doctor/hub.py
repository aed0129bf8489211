"""The Hugging Face Hub: whose token it is, and whether it may write where the datasets go; or whether it answers at all.
Nothing is created.
"""

from __future__ import annotations

from typing import Any

from finest.dataset.hub import Hub
from finest.dataset.patience import patiently
from finest.dataset.rights import LOG_IN, access_token, role_of, there_and_right
from finest.doctor.check import Finding, failure, ok, skipped, warning
from finest.doctor.subject import Subject
from finest.errors import HubError, HubUnavailable


def token(subject: Subject) -> Finding:
    """There is a token, and the Hub knows whose it is."""
    try:
        user = subject.hub_user()
    except HubUnavailable as error:
        return failure(str(error), "check the network, and HF_ENDPOINT if it is set")
    except HubError as error:
        return failure(str(error).partition(":")[0] if "no Hugging Face token" in str(error) else _said(error), LOG_IN)
    return ok(f"{user['name']}, {role_of(user) or 'unnamed'} token {_shown(user)}".rstrip())


def repository(subject: Subject) -> Finding:
    """The token may write to the repository, or make it."""
    if not subject.repo:
        return skipped("no repository named", "finest doctor --hf_repo NAME")
    there, right = there_and_right(subject.hub_user(), subject.full_repo())
    if right is None:
        return warning(f"{there}; the Hub does not say what this token may write", LOG_IN)
    return ok(there) if right else failure(there, LOG_IN)


def public(_: Subject) -> Finding:
    """It answers whoever has no token: a validator only reads."""
    Hub()  # gives the client's connections their deadlines
    import huggingface_hub

    api = huggingface_hub.HfApi(token=False)
    try:
        patiently("ask for its datasets", lambda: list(api.list_datasets(limit=1)), tries=3)
    except HubError as error:
        return failure(_said(error), "check the network, and HF_ENDPOINT if it is set")
    return ok(f"{api.endpoint} answers, and no token is needed")


def _shown(user: dict[str, Any]) -> str:
    name = access_token(user).get("displayName", "")
    return repr(name) if name else ""


def _said(error: HubError) -> str:
    return str(error).partition(";")[0]
