"""Routes for pre-upload (how the client must upload each file) and for commits."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError

from finest.devnet.hub.api import REPO
from finest.devnet.hub.card import card_errors
from finest.devnet.hub.disk import Received
from finest.devnet.hub.gitattributes import REGULAR_MAX_BYTES, goes_to_lfs, lfs_patterns
from finest.devnet.hub.refusal import RefusalError, entry_not_found
from finest.devnet.hub.repos import Commit, Entry, RepoId, git_blob_id, lfs_entry
from finest.devnet.hub.state import Caller, Hub, TheHub, Writable, base

router = APIRouter()

PREUPLOAD_FILES = 256
"""Most files in one pre-upload request; clients send no more."""
MAX_PATH = 1024
MAX_LINE_BYTES = 2 * REGULAR_MAX_BYTES
"""Room for a file of the largest size in base64 and its path; a longer line is cut and does not parse."""

Files = dict[str, Entry]
Step = Callable[[Files], None]
"""A change to the files of a new commit."""


class Announced(BaseModel):
    """A file that a client wants to commit."""

    path: str
    sample: str = ""
    size: int = Field(ge=0)


class Preupload(BaseModel):
    files: list[Announced] = Field(max_length=PREUPLOAD_FILES)


class Header(BaseModel):
    """The first line of a commit."""

    summary: str
    description: str | None = None
    parentCommit: str | None = None  # noqa: N815 - the Hub's spelling


@dataclass(frozen=True, slots=True)
class Plan:
    """A commit that was parsed but not yet made."""

    header: Header
    steps: tuple[Step, ...]

    def change(self, files: Files) -> Files:
        for step in self.steps:
            step(files)
        _no_file_is_a_folder(files)
        return files


@router.post(REPO + "/preupload/{revision}")
def preupload(repo: Writable, hub: TheHub, revision: str, body: Preupload) -> Response:
    """Return for each file whether it goes to LFS or into the commit, and the id of the existing version."""
    commit = hub.repos.at(repo, revision)
    patterns = lfs_patterns(_text(hub, commit.entries.get(".gitattributes")))
    told = [_told(file, commit.entries.get(file.path), patterns) for file in body.files]
    return JSONResponse({"files": told, "commitOid": commit.id})


def _told(file: Announced, there: Entry | None, patterns: tuple[str, ...]) -> dict[str, Any]:
    in_lfs = goes_to_lfs(file.path, file.size, _decoded(file.sample), patterns)
    told = {"path": file.path, "uploadMode": "lfs" if in_lfs else "regular", "shouldIgnore": False}
    if there:
        told["oid"] = there.sha256 if there.in_lfs else there.oid
    return told


def _text(hub: Hub, entry: Entry | None) -> str:
    blob = hub.contents.find(entry.sha256) if entry else None
    return b"".join(blob.read(0, blob.size)).decode("utf-8", "replace") if blob else ""


@router.post(REPO + "/commit/{revision}")
async def commit(
    request: Request, repo: Writable, hub: TheHub, caller: Caller, revision: str, create_pr: bool = False
) -> Response:
    """Make one commit on a branch, atomically."""
    if create_pr:
        raise RefusalError(400, "The devnet has no pull requests")
    body = await hub.incoming.receive(request.stream())
    assert caller is not None
    made = await run_in_threadpool(_commit, hub, repo, revision, body, caller.name)
    url = f"{base(request)}/{repo.page}/commit/{made.id}"
    return JSONResponse({"success": True, "commitOid": made.id, "commitUrl": url, "hookOutput": ""})


def _commit(hub: Hub, repo: RepoId, branch: str, body: Received, author: str) -> Commit:
    try:
        plan = _read(hub, body.path)
    finally:
        body.path.unlink()
    header = plan.header
    return hub.repos.commit(
        repo,
        branch,
        plan.change,
        title=header.summary,
        message=header.description or "",
        author=author,
        parent=header.parentCommit,
    )


def _read(hub: Hub, path: Path) -> Plan:
    """Parse a commit from a body of JSON lines, and store the content of its regular files."""
    lines = _lines(path)
    key, value = next(lines, ("", {}))
    if key != "header":
        raise RefusalError(400, "The first line of a commit is its header")
    try:
        header = Header.model_validate(value)
    except ValidationError as error:
        raise RefusalError(400, f"Not a commit header: {error.errors()[0]['msg']}") from error
    return Plan(header, tuple(_step(hub, key, value) for key, value in lines))


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
            if not line.strip():
                continue
            try:
                parsed = json.loads(line)
                yield parsed["key"], parsed["value"]
            except (ValueError, TypeError, KeyError) as error:
                raise RefusalError(
                    400, f"Line {number} of the commit is not a JSON object with key and value"
                ) from error


def _step(hub: Hub, key: str, value: dict[str, Any]) -> Step:
    path = _checked(str(value.get("path", "")).rstrip("/"))
    if key == "file":
        return _put(path, _regular(hub, path, value))
    if key == "lfsFile":
        return _put(path, _stored(hub, path, value))
    if key == "deletedFile":
        return _without(path)
    if key == "deletedFolder":
        return _without_folder(path)
    raise RefusalError(400, f"Unknown operation in a commit: {key}")


def _regular(hub: Hub, path: str, value: dict[str, Any]) -> Entry:
    text = str(value.get("content", ""))
    content = _decoded(text) if value.get("encoding") == "base64" else text.encode()
    if len(content) > REGULAR_MAX_BYTES:
        raise RefusalError(400, f"{path} is larger than 10 MiB; it must be uploaded by Git LFS or Xet")
    if path == "README.md" and (errors := card_errors(content.decode("utf-8", "replace"))):
        raise RefusalError(400, f"Invalid metadata in README.md: {errors[0]}")
    received = hub.incoming.write([content])
    hub.contents.keep(received)
    return Entry(received.size, received.sha256, git_blob_id(content))


def _stored(hub: Hub, path: str, value: dict[str, Any]) -> Entry:
    """Return the entry of an LFS file. Its content must be stored, and the client's size must match the server's."""
    sha256 = str(value.get("oid", ""))
    blob = hub.contents.find(sha256)
    if blob is None:
        raise RefusalError(400, f"LFS object {sha256} of {path} was not uploaded")
    if value.get("size", blob.size) != blob.size:
        raise RefusalError(400, f"LFS object {sha256} of {path} has {blob.size} bytes, not {value['size']}")
    return lfs_entry(sha256, blob.size)


def _put(path: str, entry: Entry) -> Step:
    def step(files: Files) -> None:
        files[path] = entry

    return step


def _without(path: str) -> Step:
    def step(files: Files) -> None:
        if files.pop(path, None) is None:
            raise entry_not_found(path)

    return step


def _without_folder(folder: str) -> Step:
    def step(files: Files) -> None:
        gone = [path for path in files if path.startswith(f"{folder}/")]
        if not gone:
            raise entry_not_found(folder)
        for path in gone:
            del files[path]

    return step


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusalError(400, "Content is not base64") from error


def _checked(path: str) -> str:
    """Return `path`; raise RefusalError (400) if git would refuse it."""
    parts = path.split("/")
    if len(path) > MAX_PATH or "\0" in path or "\n" in path or any(part in {"", ".", "..", ".git"} for part in parts):
        raise RefusalError(400, f"Invalid path in a commit: {path[:MAX_PATH]!r}")
    return path


def _no_file_is_a_folder(files: Files) -> None:
    for path in files:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in files:
                raise RefusalError(400, f"{'/'.join(parts[:depth])} would be a file and a folder")
