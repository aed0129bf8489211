"""Routes for users and repositories: whoami, create, delete, inspect, list, tags and branches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from finest.devnet.hub.card import card_errors, card_warnings
from finest.devnet.hub.gitattributes import DEFAULT
from finest.devnet.hub.listing import children, has_folder, item, siblings
from finest.devnet.hub.refusal import RefusalError, as_answer, entry_not_found
from finest.devnet.hub.repos import MAIN, Commit, Entry, Kind, RepoId, Repository, git_blob_id
from finest.devnet.hub.state import Caller, Hub, Readable, TheHub, Writable, base

router = APIRouter()
REPO = "/api/{kind}/{namespace}/{name}"

_NO_ID = "0" * 24
_KINDS: dict[str, Kind] = {"dataset": "datasets", "model": "models", "space": "spaces"}
_LISTED = 1000


class RepoBody(BaseModel):
    """The body of `create` and `delete`. huggingface_hub sends `private` up to 1.x, `visibility` from 2.x."""

    name: str
    organization: str | None = None
    type: Literal["dataset", "model", "space"] | None = None
    private: bool | None = None
    visibility: Literal["public", "private"] | None = None

    @property
    def hidden(self) -> bool:
        return bool(self.private) or self.visibility == "private"

    def address(self, user_name: str) -> RepoId:
        return RepoId(_KINDS[self.type or "model"], self.organization or user_name, self.name)


class CardBody(BaseModel):
    content: str


class SettingsBody(BaseModel):
    private: bool | None = None
    visibility: Literal["public", "private"] | None = None


class TagBody(BaseModel):
    tag: str


class BranchBody(BaseModel):
    startingPoint: str = MAIN  # noqa: N815 - the Hub's spelling


@router.get("/api/whoami-v2")
async def whoami(caller: Caller) -> Response:
    """Return the caller's name and the token's role."""
    if caller is None:
        raise RefusalError(401, "Invalid username or password.")
    token = {"displayName": f"devnet-{caller.role}", "role": caller.role, "createdAt": "2026-01-01T00:00:00.000Z"}
    user = {"type": "user", "id": _NO_ID, "name": caller.name, "fullname": caller.name, "isPro": False, "orgs": []}
    return JSONResponse({**user, "auth": {"type": "access_token", "accessToken": token}})


@router.post("/api/validate-yaml")
async def validate_yaml(body: CardBody) -> Response:
    """Return the errors and warnings for a card; respond with 400 if the Hub would refuse it."""
    errors = [{"message": message} for message in card_errors(body.content)]
    warnings = [{"message": message} for message in card_warnings(body.content)]
    return JSONResponse({"errors": errors, "warnings": warnings}, 400 if errors else 200)


@router.post("/api/repos/create")
def create_repo(request: Request, body: RepoBody, hub: TheHub, caller: Caller) -> Response:
    """Create a repository; respond with 409 and its address if it exists (clients read the `url` in that response)."""
    if caller is None:
        raise RefusalError(401, "Invalid username or password.")
    repo = body.address(caller.name)
    if repo.namespace != caller.name or caller.role != "write":
        raise RefusalError(403, f"You don't have the rights to create a {body.type} under {repo.namespace}")
    attributes = hub.incoming.write([DEFAULT])
    hub.contents.keep(attributes)
    entries = {".gitattributes": Entry(attributes.size, attributes.sha256, git_blob_id(DEFAULT))}
    url = f"{base(request)}/{repo.page}"
    if not hub.repos.create(repo, private=body.hidden, author=caller.name, entries=entries):
        return as_answer(409, f"You already created this {body.type} repo: {repo.full}", "", {"url": url})
    return JSONResponse({"url": url, "name": repo.full, "id": _NO_ID})


@router.delete("/api/repos/delete")
def delete_repo(body: RepoBody, hub: TheHub, caller: Caller) -> Response:
    """Delete a repository and its history; content stays, because other repositories may share it."""
    repo = body.address(caller.name if caller else "")
    hub.writable(repo, caller)
    hub.repos.delete(repo)
    return JSONResponse({})


@router.get("/api/{kind}")
def list_repos(kind: Kind, hub: TheHub, caller: Caller, author: str | None = None, limit: int = _LISTED) -> Response:
    """List the repositories that the caller may see."""
    seen = [
        _told(repo, found, hub.repos.at(repo, MAIN))
        for repo, found in hub.repos.all(kind)
        if author in {None, repo.namespace} and (not found.private or (caller and caller.name == repo.namespace))
    ]
    return JSONResponse(seen[:limit])


@router.get(REPO)
def repo_info(repo: Readable, hub: TheHub, caller: Caller, blobs: bool = False) -> Response:
    """Describe the repository at its main branch."""
    return revision_info(repo, hub, caller, MAIN, blobs)


@router.get(REPO + "/revision/{revision}")
def revision_info(repo: Readable, hub: TheHub, caller: Caller, revision: str, blobs: bool = False) -> Response:
    """Describe the repository at one revision, with all its files."""
    commit = hub.repos.at(repo, revision)
    told = _told(repo, hub.visible(repo, caller), commit)
    used = sum(entry.size for entry in commit.entries.values())
    return JSONResponse({**told, "siblings": list(siblings(commit.entries, blobs=blobs)), "usedStorage": used})


def _told(repo: RepoId, found: Repository, commit: Commit) -> dict[str, Any]:
    return {
        "_id": _NO_ID,
        "id": repo.full,
        "author": repo.namespace,
        "sha": commit.id,
        "private": found.private,
        "gated": False,
        "disabled": False,
        "createdAt": found.created_at,
        "lastModified": found.last_modified,
        "tags": [],
        "downloads": 0,
        "likes": 0,
    }


@router.put(REPO + "/settings")
def change_settings(repo: Writable, body: SettingsBody, hub: TheHub) -> Response:
    """Make the repository public or private."""
    private = body.visibility == "private" if body.visibility else bool(body.private)
    hub.repos.set_private(repo, private=private)
    return JSONResponse({"private": private})


@router.get(REPO + "/tree/{revision}")
@router.get(REPO + "/tree/{revision}/{path:path}")
def tree(
    request: Request,
    repo: Readable,
    hub: TheHub,
    revision: str,
    path: str = "",
    recursive: bool = False,
    expand: bool = False,
    cursor: int = 0,
    limit: int | None = None,
) -> Response:
    """List a folder in pages; the Link header contains the address of the next page."""
    commit = hub.repos.at(repo, revision)
    names = children(commit.entries, path, recursive=recursive)
    if path.strip("/") and not names:
        raise entry_not_found(path)
    page = min(limit or hub.limits.tree_page, hub.limits.expanded_page if expand else hub.limits.tree_page)
    commits = _commits(hub, repo, commit) if expand else {}
    shown = [item(commit.entries, name, hub.cas, commits) for name in names[cursor : cursor + page]]
    following = request.url.include_query_params(cursor=cursor + page)
    more = cursor + page < len(names)
    return JSONResponse(shown, headers={"Link": f'<{following}>; rel="next"'} if more else {})


@router.post(REPO + "/paths-info/{revision}")
def paths_info(
    repo: Readable,
    hub: TheHub,
    revision: str,
    paths: Annotated[list[str], Form()],
    expand: Annotated[bool, Form()] = False,
) -> Response:
    """Return the entries for the given paths, without those that do not exist."""
    commit = hub.repos.at(repo, revision)
    commits = _commits(hub, repo, commit) if expand else {}
    names = [name.strip("/") for name in paths]
    there = [name for name in names if name in commit.entries or has_folder(commit.entries, name)]
    return JSONResponse([item(commit.entries, name, hub.cas, commits) for name in there])


def _commits(hub: Hub, repo: RepoId, commit: Commit) -> dict[str, Commit]:
    return {one.id: one for one in hub.repos.history(repo, commit.id)}


@router.get(REPO + "/commits/{revision}")
def commits(
    repo: Readable, hub: TheHub, revision: str, limit: Annotated[int, Query(ge=1)] = _LISTED, p: int = 0
) -> Response:
    """List the history of a revision, newest commit first."""
    history = list(hub.repos.history(repo, revision))
    shown = [
        {
            "id": one.id,
            "title": one.title,
            "message": one.message,
            "date": one.date,
            "authors": [{"user": one.author}],
        }
        for one in history[p * limit : (p + 1) * limit]
    ]
    return JSONResponse(shown, headers={"X-Total-Count": str(len(history))})


@router.get(REPO + "/refs")
def refs(repo: Readable, hub: TheHub, caller: Caller) -> Response:
    """List the branches and tags."""
    found = hub.visible(repo, caller)
    return JSONResponse(
        {
            "branches": _references(found.branches, "refs/heads/"),
            "tags": _references(found.tags, "refs/tags/"),
            "converts": [],
        }
    )


def _references(named: dict[str, str], prefix: str) -> list[dict[str, str]]:
    return [{"name": name, "ref": prefix + name, "targetCommit": sha} for name, sha in named.items()]


@router.post(REPO + "/tag/{revision}")
def create_tag(repo: Writable, hub: TheHub, revision: str, body: TagBody) -> Response:
    """Create a tag at a revision."""
    hub.repos.add_reference(repo, "tags", body.tag, revision)
    return JSONResponse({})


@router.delete(REPO + "/tag/{tag}")
def delete_tag(repo: Writable, hub: TheHub, tag: str) -> Response:
    hub.repos.drop_reference(repo, "tags", tag)
    return JSONResponse({})


@router.post(REPO + "/branch/{branch}")
def create_branch(repo: Writable, hub: TheHub, branch: str, body: BranchBody | None = None) -> Response:
    """Create a branch at a revision, by default at the head of main."""
    hub.repos.add_reference(repo, "branches", branch, body.startingPoint if body else MAIN)
    return JSONResponse({})


@router.delete(REPO + "/branch/{branch}")
def delete_branch(repo: Writable, hub: TheHub, branch: str) -> Response:
    hub.repos.drop_reference(repo, "branches", branch)
    return JSONResponse({})
