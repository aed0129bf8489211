"""Access the Hugging Face Hub: repositories, their files and hashes, uploads, single commits, byte ranges.

Every call goes through huggingface_hub, which reads its settings (HF_ENDPOINT, HF_HOME, HF_HUB_DISABLE_XET) from the
environment once, when it is imported. `Hub()` imports it, so load `.env` before that.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from finest.dataset.hub_retry import Failure, Say, hub_call, no_token, once, unusable
from finest.dataset.limits import MAX_REPO_FILES
from finest.errors import HubError, HubUnavailable, UsageError, VerifyError

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

Kind = Literal["dataset", "model"]
"""Kind of a repository on the Hub."""
_ANSWER_S = 120.0
"""Timeout of each single read and write on a connection; the Hub itself allows 60 s for a commit."""
_CONNECT_S = 20.0
_CHUNK_BYTES = 1 << 20
_RECENT_COMMITS = 50

_XET_BOUNDS = {
    "HF_XET_CLIENT_AC_MAX_UPLOAD_CONCURRENCY": "2",
    "HF_XET_DATA_MAX_CONCURRENT_FILE_INGESTION": "1",
    "HF_XET_DATA_INGESTION_BLOCK_SIZE": "1mb",
}
"""Limits on Xet's memory. Without them Xet held 1.64 GB for 30 files of 60 MB. With them a process that published 500
MB peaked at 399 MB (432 MB with the default block size of 8 MB), at the same speed."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
TASKS_FOLDER = "tasks"
"""Folder of a miner's repository with one folder for each task, named after the task's id."""
_FOLDER = rf"{TASKS_FOLDER}/[A-Za-z0-9_-]{{1,40}}"
_PLACE = re.compile(
    rf"(?:hf://datasets/)?({_NAME}/{_NAME})(?:@([0-9a-f]{{40}}))?(?:/({_FOLDER}))?(?:#([0-9a-f]{{64}}))?"
)
REVISION = rf"({_NAME}/{_NAME})@([0-9a-f]{{40}})"
"""Expression for `owner/name@revision`, with a group for each part."""
_REPO = re.compile(rf"(?:{_NAME}/)?{_NAME}")


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit of a repository, or one folder in it."""

    repo: str
    """`owner/name`."""
    sha: str
    """40 hex digits."""
    folder: str = ""
    """Folder to which all paths are relative; "" for the whole repository."""

    def __str__(self) -> str:
        return f"{self.repo}@{self.sha}{self.folder and '/'}{self.folder}"

    def path(self, name: str) -> str:
        """Return the path in the repository of a file in the folder."""
        return f"{self.folder}/{name}" if self.folder else name


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub reports it."""

    path: str
    size_bytes: int
    blob: str
    """git's own hash of the blob; for a large file this is the hash of a pointer."""
    sha256: str | None
    """The sha256 of a large file's content; None if git itself stores the file."""

    def holds(self, size_bytes: int, sha256: str, blob: str) -> bool:
        """Return whether this is the file with this size, sha256 and git hash."""
        same = self.blob == blob if self.sha256 is None else self.sha256 == sha256
        return same and self.size_bytes == size_bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The newest commit of a repository."""

    sha: str
    private: bool


class HubPlace(NamedTuple):
    """A place on the Hub, as a text names it."""

    repo: str
    sha: str | None
    root: str | None
    folder: str = ""


def parse_place(text: str) -> HubPlace:
    """Split `owner/name[@revision][/tasks/id][#root]` into its parts; raises UsageError for anything else."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise UsageError(f"{text[:200]!r} is neither a folder nor OWNER/NAME@REVISION with a revision of 40 hex digits")
    return HubPlace(found[1], found[2], found[4], found[3] or "")


def is_pinned(place: str) -> bool:
    """Return whether a text names a dataset on the Hub at a revision."""
    found = _PLACE.fullmatch(place)
    return found is not None and found[2] is not None


def task_place(repo: str, sha: str, task: str | None) -> str:
    """Return the place of a task's dataset, `owner/name@revision/tasks/id`; without a task, that of the revision."""
    return str(Revision(repo, sha, f"{TASKS_FOLDER}/{task}" if task else ""))


def git_blob(data: bytes) -> str:
    """git's hash of a file: the sha1 of `blob <size>\\0` followed by the content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Hub:
    """One user's access to the Hub.

    Every call is bounded in time, retried as `hub_call` describes, and raises the errors of `hub_call`. `say` receives
    a message for each wait. Without `token`, the token comes from HF_TOKEN or the file that `hf auth login` writes, if
    there is one. All repositories are of one `kind`.
    """

    def __init__(self, token: str | None = None, say: Say = lambda _: None, *, kind: Kind = "dataset") -> None:
        for name, value in _XET_BOUNDS.items():
            os.environ.setdefault(name, value)
        import huggingface_hub

        self._say, self._kind = say, kind
        self._token = token or huggingface_hub.get_token()
        self._api = huggingface_hub.HfApi(token=self._token or False)
        try:
            _bound_connections()
        except (ImportError, OSError, ValueError) as error:
            raise unusable(error) from None

    @property
    def endpoint(self) -> str:
        """The Hub's base URL."""
        return str(self._api.endpoint)

    def full_name(self, name: str) -> str:
        """Return `name` with its owner, by default the token's user. Raises HubError without a token."""
        if not self._token:
            raise no_token()
        if not _REPO.fullmatch(name):
            raise UsageError(f"{name[:200]!r} is no repository's name; it is NAME or OWNER/NAME")
        if "/" in name:
            return name
        user = hub_call("ask who this token is", lambda: self._api.whoami(token=self._token), say=self._say)
        return f"{user['name']}/{name}"

    def head(self, repo: str) -> Head:
        """Return the newest commit on `main`."""
        info = hub_call(
            f"look up {repo}",
            lambda: self._api.repo_info(repo, repo_type=self._kind, timeout=_ANSWER_S),
            say=self._say,
        )
        if not info.sha:
            raise HubError(f"look up {repo}: the Hub names no commit")
        return Head(info.sha, bool(info.private))

    def create(self, repo: str, *, private: bool) -> None:
        """Create the repository if it does not exist."""
        hub_call(
            f"create {repo}",
            lambda: self._api.create_repo(repo, repo_type=self._kind, private=private, exist_ok=True),
            say=self._say,
        )

    def files(self, revision: Revision) -> dict[str, RemoteFile]:
        """Return every file of a revision, or of its folder, by path relative to it.

        Raises VerifyError if no dataset of ours can have so many.
        """
        return hub_call(f"list the files of {revision}", lambda: self._files(revision), say=self._say)

    def _files(self, revision: Revision) -> dict[str, RemoteFile]:
        found: dict[str, RemoteFile] = {}
        for seen, entry in enumerate(self._tree(revision, recursive=True)):
            if seen >= MAX_REPO_FILES:
                raise VerifyError(f"{revision}: more than {MAX_REPO_FILES} files, which no {self._kind} of ours has")
            if (file := _remote_file(entry, revision.folder)) is not None:
                found[file.path] = file
        return found

    def names(self, revision: Revision) -> dict[str, RemoteFile | None]:
        """Return the files of a revision, or of its folder, without those of folders in it; each folder gives None."""
        return hub_call(f"list {revision}", lambda: self._names(revision), say=self._say)

    def _names(self, revision: Revision) -> dict[str, RemoteFile | None]:
        start = len(revision.path(""))
        return {
            entry.path[start:]: _remote_file(entry, revision.folder) for entry in self._tree(revision, recursive=False)
        }

    def _tree(self, revision: Revision, *, recursive: bool) -> Iterable[Any]:
        return self._api.list_repo_tree(
            revision.repo, revision.folder or None, repo_type=self._kind, revision=revision.sha, recursive=recursive
        )

    def file(self, revision: Revision, path: str) -> RemoteFile | None:
        """Return one file of a revision; None if it has no such file."""
        return hub_call(f"look up {path} of {revision}", lambda: self._file(revision, path), say=self._say)

    def _file(self, revision: Revision, path: str) -> RemoteFile | None:
        found = self._api.get_paths_info(revision.repo, [path], repo_type=self._kind, revision=revision.sha)
        return next((_remote_file(entry, "") for entry in found if entry.path == path), None)

    def whole(self, revision: Revision, file: RemoteFile) -> bytes:
        """Return the content of a file; raises VerifyError if it is not the file that the Hub lists."""
        data = self.read(revision, file.path, 0, file.size_bytes)
        if not file.holds(len(data), hashlib.sha256(data).hexdigest(), git_blob(data)):
            raise VerifyError(f"{revision}: {file.path} is not the file that the Hub lists")
        return data

    def local_copy(self, revision: Revision, path: str) -> Path:
        """Return a copy of one file in the client's own cache; a download that was stopped continues."""

        def download() -> str:
            return str(self._api.hf_hub_download(
                revision.repo, revision.path(path), repo_type=self._kind, revision=revision.sha
            ))  # fmt: skip

        return Path(hub_call(f"download {path} of {revision}", download, say=self._say))

    def commits_titled(self, repo: str, part: str) -> list[str]:
        """Return the recent commits on `main` whose title contains `part`, newest first."""
        return hub_call(f"list the commits of {repo}", lambda: self._commits_titled(repo, part), say=self._say)

    def _commits_titled(self, repo: str, part: str) -> list[str]:
        # list_repo_commits would read the whole history, and a miner's repository has a commit for every task.
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        url = f"{self.endpoint}/api/{self._kind}s/{repo}/commits/main"
        answer = get_session().get(
            url, params={"limit": _RECENT_COMMITS}, headers=build_hf_headers(token=self._token or False),
            timeout=_ANSWER_S,
        )  # fmt: skip
        hf_raise_for_status(answer)
        return [str(commit["id"]) for commit in answer.json()[:_RECENT_COMMITS] if part in str(commit["title"])]

    def upload(self, repo: str, path: str, file: Path) -> CommitOperationAdd:
        """Upload one file before the commit that will name it; returns the operation that this commit needs."""
        from huggingface_hub import CommitOperationAdd

        addition = CommitOperationAdd(path_in_repo=path, path_or_fileobj=file)
        hub_call(
            f"upload {path} to {repo}",
            lambda: self._api.preupload_lfs_files(repo, [addition], repo_type=self._kind, free_memory=False),
            say=self._say,
        )
        return addition

    def commit_once(self, repo: str, changes: Sequence[Any], *, title: str, parent: str) -> str | Failure:
        """Make one commit on top of `parent`; returns the new revision, or why no response confirmed it.

        This call is not retried, because only the caller can tell whether the commit was made. `changes` are
        huggingface_hub's commit operations.
        """
        return once(
            lambda: str(
                self._api.create_commit(
                    repo, list(changes), repo_type=self._kind, commit_message=title, parent_commit=parent
                ).oid
            )
        )

    def read(self, revision: Revision, path: str, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a file, holding no more than these in memory."""
        if start >= end:
            return b""
        return hub_call(f"read {path} of {revision}", lambda: self._read(revision, path, start, end), say=self._say)

    def _read(self, revision: Revision, path: str, start: int, end: int) -> bytes:
        data = bytearray()
        for chunk in self._stream(revision, path, start, end):
            data += chunk
        if len(data) != end - start:
            raise ConnectionError(f"{len(data)} of {end - start} bytes came")
        return bytes(data)

    def _stream(self, revision: Revision, path: str, start: int, end: int) -> Iterator[bytes]:
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        path = revision.path(path)
        url = hf_hub_url(revision.repo, path, repo_type=self._kind, revision=revision.sha, endpoint=self.endpoint)
        headers = build_hf_headers(token=self._token or False) | {
            "Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity",
        }  # fmt: skip
        with get_session().stream("GET", url, headers=headers, timeout=_ANSWER_S, follow_redirects=True) as answer:
            if answer.status_code >= 400:
                answer.read()
                hf_raise_for_status(answer)
            whole = answer.status_code == 200 and start == 0
            if answer.status_code != 206 and not whole:
                raise HubUnavailable(f"read {path} of {revision}: a range was asked for, status {answer.status_code}")
            left = end - start
            for chunk in answer.iter_bytes(_CHUNK_BYTES):
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return


def _remote_file(entry: Any, folder: str) -> RemoteFile | None:
    """Return an entry of the Hub's listing with its path relative to `folder`; None for a folder."""
    size, lfs = getattr(entry, "size", None), getattr(entry, "lfs", None)
    if size is None:
        return None
    path = entry.path.removeprefix(f"{folder}/") if folder else entry.path
    return RemoteFile(path, int(size), str(getattr(entry, "blob_id", "")), lfs.sha256 if lfs else None)


def _bound_connections() -> None:
    """Set timeouts on huggingface_hub's connections: by default some calls, commits among them, have none.

    A client for which the user has configured timeouts is left unchanged.
    """
    from huggingface_hub import get_session, set_client_factory

    model = get_session()
    if model.timeout.read is not None:
        return
    kind, hooks = type(model), model.event_hooks
    deadline = type(model.timeout)(_ANSWER_S, connect=_CONNECT_S)
    set_client_factory(lambda: kind(event_hooks=hooks, follow_redirects=True, timeout=deadline))
