"""Checks of the Hugging Face Hub: whether it answers, whose token is used, and where that token may write."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from finest.dataset.hub import Hub
from finest.dataset.hub_retry import hub_call
from finest.dataset.permissions import LOG_IN, access_token, role_of, there_and_right
from finest.doctor.subject import Subject
from finest.errors import HubError, HubNotFound, HubUnavailable
from finest.findings import Finding, failure, ok, skipped, warning

_KNOWN = "HuggingFaceFW/fineweb"
"""A permanent, public dataset."""


def token(subject: Subject) -> Finding:
    """Check that there is a token, and that the Hub accepts it."""
    try:
        user = subject.hub_user()
    except HubUnavailable as error:
        return failure(str(error), "check the network, and HF_ENDPOINT if it is set")
    except HubError as error:
        return failure(str(error).partition(":")[0] if "no Hugging Face token" in str(error) else _said(error), LOG_IN)
    return ok(f"{user['name']}, {role_of(user) or 'unnamed'} token {_shown(user)}".rstrip())


def repository(subject: Subject) -> Finding:
    """Check that the token may create the repository or write to it."""
    if not subject.repo:
        return skipped("no repository named", "finest doctor --hf-repo NAME")
    there, right = there_and_right(subject.hub_user(), subject.full_repo())
    if right is None:
        return warning(f"{there}; the Hub does not say whether this token may write to it", LOG_IN)
    return ok(there) if right else failure(there, LOG_IN)


def public(_: Subject) -> Finding:
    """Check that the Hub answers without a token, since a validator only reads."""
    Hub()  # sets the timeouts of the client's connections
    import huggingface_hub

    api = huggingface_hub.HfApi(token=False)
    try:
        with suppress(HubNotFound):  # this is an answer too: the Hub is not the public one
            hub_call(f"ask for {_KNOWN}", lambda: api.dataset_info(_KNOWN), tries=3)
    except HubError as error:
        return failure(_said(error), "check the network, and HF_ENDPOINT if it is set")
    return ok(f"{api.endpoint} answers, and no token is needed")


def _shown(user: dict[str, Any]) -> str:
    name = access_token(user).get("displayName", "")
    return repr(name) if name else ""


def _said(error: HubError) -> str:
    return str(error).partition(";")[0]
