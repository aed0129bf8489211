"""Store repositories in a folder: commits never change, and a reference moves atomically.

<kind>/<namespace>/<name>/repo.json            private or not, branches, tags
<kind>/<namespace>/<name>/commits/<sha>.json   every file of that commit
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from finest.devnet.hub.disk import read_json, write_json
from finest.devnet.hub.refusal import RefusalError, revision_not_found

Kind = Literal["datasets", "models", "spaces"]

MAIN = "main"
CACHED_COMMITS = 64
"""Parsed commits kept in memory; a commit with 10,000 files takes about 5 MB."""

_NAME = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[\w.-]{0,94}[\w])?(?<!\.git)", re.ASCII)
_REFERENCE = re.compile(r"(?!.*\.\.)[\w][\w.+-]{0,127}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{5,40}")


@dataclass(frozen=True, slots=True)
class RepoId:
    """A repository's address. Raises RefusalError (400) for a name that the Hub would refuse."""

    kind: Kind
    namespace: str
    name: str

    def __post_init__(self) -> None:
        for part in (self.namespace, self.name):
            if not _NAME.fullmatch(part):
                raise RefusalError(400, f"Invalid repository name: {self.full}")

    @property
    def full(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def page(self) -> str:
        """Its path on the site; models have no prefix."""
        return self.full if self.kind == "models" else f"{self.kind}/{self.full}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a commit. The server computed the size and the sha256 itself."""

    size: int
    sha256: str
    oid: str
    """Git's id of the content, or of the LFS pointer."""
    pointer_size: int = 0
    """Bytes of the LFS pointer; 0 for a regular file."""
    commit: str = ""
    """The commit that last wrote it; on disk it is empty if that is the commit that contains this entry."""

    @property
    def in_lfs(self) -> bool:
        return self.pointer_size > 0


@dataclass(frozen=True, slots=True)
class Commit:
    """One revision with all its files."""

    id: str
    parent: str | None
    title: str
    message: str
    date: str
    author: str
    entries: dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Repository:
    """The properties of a repository that can change."""

    private: bool
    created_at: str
    last_modified: str
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


Change = Callable[[dict[str, Entry]], dict[str, Entry]]
"""A function from the files of the parent to the files of the new commit."""


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def git_blob_id(content: bytes) -> str:
    """Return Git's id of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def lfs_entry(sha256: str, size: int) -> Entry:
    """Return the entry of an LFS file; git holds only its pointer
    (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
    """
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    return Entry(size, sha256, git_blob_id(pointer), len(pointer))


@lru_cache(maxsize=CACHED_COMMITS)
def _read_commit(path: Path) -> Commit:
    stored = json.loads(path.read_bytes())
    entries = {name: Entry(**entry) for name, entry in stored.pop("entries").items()}
    own = stored["id"]
    return Commit(entries={n: e if e.commit else replace(e, commit=own) for n, e in entries.items()}, **stored)


class Repositories:
    """All repositories of one Hub. Only one process may write at a time; `HubServer` ensures this."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()

    def find(self, repo: RepoId) -> Repository | None:
        stored = read_json(self._path(repo) / "repo.json")
        return Repository(**stored) if stored else None

    def create(self, repo: RepoId, *, private: bool, author: str, entries: dict[str, Entry]) -> bool:
        """Add a repository with one commit on main; return False if it already exists."""
        with self._lock:
            if self.find(repo):
                return False
            first = _sealed(None, "initial commit", "", author, entries)
            self._write(repo, first)
            self._save(repo, Repository(private, first.date, first.date, {MAIN: first.id}))
            return True

    def delete(self, repo: RepoId) -> None:
        with self._lock:
            trash = self._folder / f".deleted-{uuid.uuid4().hex}"
            self._path(repo).rename(trash)
        shutil.rmtree(trash)

    def all(self, kind: Kind) -> Iterator[tuple[RepoId, Repository]]:
        for path in sorted((self._folder / kind).glob("*/*/repo.json")):
            repo = RepoId(kind, path.parts[-3], path.parts[-2])
            if found := self.find(repo):
                yield repo, found

    def set_private(self, repo: RepoId, *, private: bool) -> None:
        with self._lock:
            self._save(repo, replace(self._must(repo), private=private))

    def at(self, repo: RepoId, revision: str) -> Commit:
        """Return the commit that a branch, a tag or a sha (at least 5 digits) names. Raises RefusalError (404)."""
        found = self._must(repo)
        sha = found.branches.get(revision) or found.tags.get(revision) or revision
        if not _SHA.fullmatch(sha):
            raise revision_not_found(revision)
        whole = self._commits(repo) / f"{sha}.json"
        paths = [whole] if whole.exists() else list(self._commits(repo).glob(f"{sha}*.json"))
        if len(paths) != 1:
            raise revision_not_found(revision)
        return _read_commit(paths[0])

    def history(self, repo: RepoId, revision: str) -> Iterator[Commit]:
        """Yield the commit that `revision` names and its ancestors, newest first."""
        commit = self.at(repo, revision)
        yield commit
        while commit.parent:
            commit = _read_commit(self._commits(repo) / f"{commit.parent}.json")
            yield commit

    def commit(
        self,
        repo: RepoId,
        branch: str,
        change: Change,
        *,
        title: str,
        author: str,
        message: str = "",
        parent: str | None = None,
    ) -> Commit:
        """Add one commit to a branch. Raises RefusalError: 412 if the branch is no longer at `parent`."""
        with self._lock:
            found = self._must(repo)
            head = found.branches.get(branch)
            if head is None:
                raise revision_not_found(branch)
            if parent and not head.startswith(parent):
                raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
            commit = _sealed(head, title, message, author, change(dict(self.at(repo, head).entries)))
            self._write(repo, commit)
            branches = {**found.branches, branch: commit.id}
            self._save(repo, replace(found, branches=branches, last_modified=commit.date))
        return self.at(repo, commit.id)

    def add_reference(self, repo: RepoId, which: Literal["branches", "tags"], name: str, revision: str) -> None:
        """Create a branch or tag at `revision`. Raises RefusalError: 409 if it exists, 400 for a name with a slash."""
        if not _REFERENCE.fullmatch(name):
            raise RefusalError(400, f"Invalid reference name: {name}")
        with self._lock:
            found = self._must(repo)
            references = found.branches if which == "branches" else found.tags
            if name in references:
                raise RefusalError(409, f"Reference already exists: {name}")
            self._replace(repo, found, which, {**references, name: self.at(repo, revision).id})

    def drop_reference(self, repo: RepoId, which: Literal["branches", "tags"], name: str) -> None:
        with self._lock:
            found = self._must(repo)
            references = found.branches if which == "branches" else found.tags
            if name not in references:
                raise revision_not_found(name)
            if which == "branches" and name == MAIN:
                raise RefusalError(403, "The main branch cannot be deleted")
            self._replace(repo, found, which, {n: sha for n, sha in references.items() if n != name})

    def _replace(self, repo: RepoId, found: Repository, which: str, references: dict[str, str]) -> None:
        branches = references if which == "branches" else found.branches
        tags = references if which == "tags" else found.tags
        self._save(repo, replace(found, branches=branches, tags=tags))

    def _must(self, repo: RepoId) -> Repository:
        found = self.find(repo)
        if found is None:
            raise RefusalError(404, "Repository not found", "RepoNotFound")
        return found

    def _save(self, repo: RepoId, content: Repository) -> None:
        write_json(self._path(repo) / "repo.json", asdict(content))

    def _write(self, repo: RepoId, commit: Commit) -> None:
        write_json(self._commits(repo) / f"{commit.id}.json", asdict(commit))

    def _path(self, repo: RepoId) -> Path:
        return self._folder / repo.kind / repo.namespace / repo.name

    def _commits(self, repo: RepoId) -> Path:
        return self._path(repo) / "commits"


def _sealed(parent: str | None, title: str, message: str, author: str, entries: dict[str, Entry]) -> Commit:
    """Return a commit whose id is the hash of its whole content."""
    content: dict[str, Any] = {
        "parent": parent,
        "title": title,
        "message": message,
        "date": now(),
        "author": author,
        "entries": {name: asdict(entry) for name, entry in sorted(entries.items())},
    }
    sha = hashlib.sha1(json.dumps(content).encode(), usedforsecurity=False).hexdigest()
    return Commit(id=sha, **{**content, "entries": dict(sorted(entries.items()))})
