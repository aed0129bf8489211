"""The state shared by all requests of one Hub, and the permission checks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from finest.devnet.hub.cas import Cas
from finest.devnet.hub.content import Contents
from finest.devnet.hub.disk import Incoming
from finest.devnet.hub.refusal import RefusalError, repo_not_found
from finest.devnet.hub.repos import Kind, RepoId, Repositories, Repository
from finest.devnet.hub.tokens import Signer, User, Users


@dataclass(frozen=True, slots=True)
class Limits:
    """Size limits, which tests reduce."""

    lfs_part_bytes: int = 5_000_000_000
    """Clients upload larger LFS objects in parts of this size; 5 GB is the most that S3 accepts in one PUT."""
    tree_page: int = 1000
    """Entries per page of a tree; the Hub uses the same number."""
    expanded_page: int = 50
    """Entries per page of a tree if the client requests the last commit of each entry."""


class Hub:
    """One Hub, with all its data in one folder."""

    def __init__(self, folder: Path, *, xet: bool, limits: Limits) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.xet = xet
        self.limits = limits
        self.users = Users(folder / "users.json")
        self.signer = Signer(folder / "signing-key.json")
        self.incoming = Incoming(folder / "incoming")
        self.parts = folder / "parts"
        self.cas = Cas(folder / "xet")
        self.contents = Contents(folder / "content", self.cas)
        self.repos = Repositories(folder / "repos")
        self.registering = asyncio.Lock()
        """Lock that admits one Xet shard at a time: the server reads and hashes whole files, and a laptop may have only
        two cores."""

    def visible(self, repo: RepoId, user: User | None) -> Repository:
        """Return the repository if this caller may read it.

        Raises RefusalError as the Hub does, with the same error for a private repository as for a missing one.
        """
        found = self.repos.find(repo)
        if found is None or (found.private and (user is None or user.name != repo.namespace)):
            raise repo_not_found(known=user is not None)
        return found

    def writable(self, repo: RepoId, user: User | None) -> Repository:
        """Return the repository if this caller may change it. Raises RefusalError."""
        found = self.visible(repo, user)
        if user is None:
            raise RefusalError(401, "Invalid username or password.")
        if user.role != "write" or user.name != repo.namespace:
            raise RefusalError(403, "Forbidden: you must use a write token of the repository's owner")
        return found


async def _hub(request: Request) -> Hub:
    hub = request.app.state.hub
    assert isinstance(hub, Hub)
    return hub


TheHub = Annotated[Hub, Depends(_hub)]


async def _caller(request: Request, hub: TheHub) -> User | None:
    return hub.users.caller(request.headers.get("authorization"))


Caller = Annotated[User | None, Depends(_caller)]


async def _readable(kind: Kind, namespace: str, name: str, hub: TheHub, caller: Caller) -> RepoId:
    repo = RepoId(kind, namespace, name)
    hub.visible(repo, caller)
    return repo


async def _writable(kind: Kind, namespace: str, name: str, hub: TheHub, caller: Caller) -> RepoId:
    repo = RepoId(kind, namespace, name)
    hub.writable(repo, caller)
    return repo


Readable = Annotated[RepoId, Depends(_readable)]
"""The repository in the request path; the caller may read it."""
Writable = Annotated[RepoId, Depends(_writable)]
"""The repository in the request path; the caller may change it."""


def base(request: Request) -> str:
    """Return the origin that the client used: `http://host:port`."""
    return str(request.base_url).rstrip("/")
