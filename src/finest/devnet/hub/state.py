"""What every request of one Hub sees, and who may do what."""

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
    """Sizes that tests make small."""

    lfs_part_bytes: int = 5_000_000_000
    """Larger LFS objects go up in parts of this size; 5 GB is the most that one PUT to S3 takes."""
    tree_page: int = 1000
    """Entries on a page of a tree; the Hub's own number."""
    expanded_page: int = 50
    """The same where the last commit of each entry is asked for."""


class Hub:
    """One Hub in one folder."""

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
        """One Xet shard at a time: each is read and hashed whole, and two cores are all a laptop may have."""

    def visible(self, repo: RepoId, user: User | None) -> Repository:
        """The repository if this caller may read it. Raises RefusalError as the Hub does: it does not tell a private
        repository from one that is missing.
        """
        found = self.repos.find(repo)
        if found is None or (found.private and (user is None or user.name != repo.namespace)):
            raise repo_not_found(known=user is not None)
        return found

    def writable(self, repo: RepoId, user: User | None) -> Repository:
        """The repository if this caller may change it. Raises RefusalError."""
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
"""The repository in the address; the caller may read it."""
Writable = Annotated[RepoId, Depends(_writable)]
"""The repository in the address; the caller may change it."""


def base(request: Request) -> str:
    """The origin that the client used: `http://host:port`."""
    return str(request.base_url).rstrip("/")
