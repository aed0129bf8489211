"""HEAD and GET of a file.

LFS files redirect to another origin, as on the Hub: clients read the headers of the first response only then, and
follow a redirect within one origin without reading them.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from finest.devnet.hub.ranges import give
from finest.devnet.hub.refusal import RefusalError, as_answer
from finest.devnet.hub.repos import Commit, Entry, RepoId
from finest.devnet.hub.state import Caller, Hub, TheHub, base

router = APIRouter()
READ = ["GET", "HEAD"]
LOOPBACK = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
"""This server's other host name for each of its two, which serves as the other origin."""


@router.api_route("/datasets/{namespace}/{name}/resolve/{revision}/{path:path}", methods=READ)
def dataset_file(
    request: Request, namespace: str, name: str, revision: str, path: str, hub: TheHub, caller: Caller
) -> Response:
    return _resolve(request, RepoId("datasets", namespace, name), revision, path, hub, caller)


@router.api_route("/spaces/{namespace}/{name}/resolve/{revision}/{path:path}", methods=READ)
def space_file(
    request: Request, namespace: str, name: str, revision: str, path: str, hub: TheHub, caller: Caller
) -> Response:
    return _resolve(request, RepoId("spaces", namespace, name), revision, path, hub, caller)


@router.api_route("/{namespace}/{name}/resolve/{revision}/{path:path}", methods=READ)
def model_file(
    request: Request, namespace: str, name: str, revision: str, path: str, hub: TheHub, caller: Caller
) -> Response:
    return _resolve(request, RepoId("models", namespace, name), revision, path, hub, caller)


def _resolve(request: Request, repo: RepoId, revision: str, path: str, hub: Hub, caller: Caller) -> Response:
    hub.visible(repo, caller)
    commit = hub.repos.at(repo, revision)
    entry = commit.entries.get(path)
    if entry is None:
        missing = as_answer(404, "Entry not found", "EntryNotFound")
        missing.headers["X-Repo-Commit"] = commit.id
        return missing
    if entry.in_lfs:
        return _elsewhere(request, hub, repo, commit, entry)
    blob = hub.contents.find(entry.sha256)
    assert blob is not None
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{entry.oid}"'}
    return give(request, blob.size, blob.read, headers, "text/plain; charset=utf-8")


def _elsewhere(request: Request, hub: Hub, repo: RepoId, commit: Commit, entry: Entry) -> Response:
    headers = {
        "X-Repo-Commit": commit.id,
        "X-Linked-Size": str(entry.size),
        "X-Linked-ETag": f'"{entry.sha256}"',
        "ETag": f'"{entry.oid}"',
    }
    xet_hash = hub.cas.hash_of(entry.sha256)
    if xet_hash and hub.xet:
        route = f"{base(request)}/api/{repo.kind}/{repo.full}/xet-read-token/{commit.id}"
        headers |= {"X-Xet-Hash": xet_hash, "X-Xet-Refresh-Route": route}
    host = LOOPBACK.get(request.url.hostname or "", "localhost")
    signature = hub.signer.sign(f"cdn {entry.sha256}")
    address = f"http://{host}:{request.url.port}/_cdn/{entry.sha256}?signature={signature}"
    return RedirectResponse(address, 302, headers)


@router.api_route("/_cdn/{sha256}", methods=READ)
def cdn(request: Request, sha256: str, hub: TheHub, signature: str = "") -> Response:
    """Return the bytes of an LFS file to any client with the signed address."""
    hub.signer.check(f"cdn {sha256}", signature)
    blob = hub.contents.find(sha256)
    if blob is None:
        raise RefusalError(404, "No such content")
    return give(request, blob.size, blob.read, {"ETag": f'"{sha256}"'})
