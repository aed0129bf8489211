"""Give a repository on the Hub exactly some content (`finest publish`, `finest model publish`).

Files are uploaded several at a time, before the commit that names them. Up to FILES_A_COMMIT large files are named by
one commit. More are named by commits of so many, which only add files; the last one also has the manifest and the card
and removes what an earlier content left. Every attempt at a commit first reads the repository: what it already holds is
not sent again, and if it holds this content, that revision is the result. So a lost response, a kill at any moment and
a second run all end in exactly one commit that completes the content.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from finest.dataset.hub import Hub, RemoteFile, Revision, git_blob
from finest.dataset.hub_retry import RETRY, Failure, Say, refusal, said
from finest.errors import HubNotFound, HubUnavailable, UsageError, VerifyError
from finest.formatting import byte_size
from finest.retry import Backoff, pause

_HUBS_OWN = frozenset({".gitattributes"})
"""Files that the Hub itself adds to a repository."""
FILES_A_COMMIT = 100
"""Large files that one commit names: the Hub advises 50 to 100
(https://huggingface.co/docs/hub/storage-limits#repository-limitations-and-recommendations)."""
UPLOADS = 4
"""Files that are uploaded at a time."""
_PART = "Some files of an unfinished"
"""Beginning of the title of a commit that only adds files."""
_STALE_PARENT = 412
"""The Hub's status for a commit whose parent is no longer the newest commit."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Progress of an upload."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int


Progress = Callable[[Sent], None]


@dataclass(frozen=True, slots=True)
class File:
    """A file that the revision must hold: the size and hashes that the Hub will report, and where to read its bytes."""

    path: str
    size_bytes: int
    sha256: str
    blob: str
    """git's hash of the file; empty for a file that is certainly stored as a large file."""
    local: Path | None = None
    data: bytes = b""

    @classmethod
    def of(cls, path: str, data: bytes) -> File:
        """Return a small file with this content."""
        return cls(path, len(data), hashlib.sha256(data).hexdigest(), git_blob(data), data=data)

    def is_in(self, files: dict[str, RemoteFile]) -> bool:
        remote = files.get(self.path)
        return remote is not None and remote.holds(self.size_bytes, self.sha256, self.blob)


@dataclass(frozen=True, slots=True)
class Content:
    """The exact content that one revision must have."""

    what: str
    """What the content is, for messages: `dataset` or `model`."""
    repo: str
    title: str
    """The commit's title."""
    mark: str
    """Part of the title that names this content."""
    files: tuple[File, ...]
    main: str
    """File that every earlier content of ours has; without it, files that are `owned` are somebody's other work."""
    owned: Callable[[str], bool]
    """Whether a path is one that an earlier content of ours may have left; the commit removes it."""
    also_fine: frozenset[str] = frozenset()
    """Files of the repository's owner that stay."""
    folder: str = ""
    """Folder that must hold exactly these files, whose paths are relative to it; "" for the whole repository."""
    beside: Callable[[Revision], Sequence[File]] = lambda _: ()
    """Returns the files outside of the folder that a commit on top of this newest one also writes. Raises UsageError if
    the repository holds something else."""
    sent: dict[str, Any] = field(default_factory=dict)
    """Uploaded files by path, in the form that huggingface_hub needs for the commit."""

    def missing(self, files: dict[str, RemoteFile]) -> list[File]:
        """Return the files that a revision with `files` lacks or holds with other content."""
        return [file for file in self.files if not file.is_in(files)]

    def stale(self, files: dict[str, RemoteFile]) -> list[str]:
        """Return the files that an earlier content left in the repository."""
        ours = {file.path for file in self.files} | _HUBS_OWN | self.also_fine
        return sorted(path for path in files if self.owned(path) and path not in ours)

    def is_in(self, files: dict[str, RemoteFile]) -> bool:
        return not self.missing(files) and not self.stale(files)


def commit(hub: Hub, content: Content, *, private: bool, say: Say, progress: Progress) -> Revision:
    """Return the one revision that holds the content: an existing one, or a new commit.

    Creates the repository if it does not exist. Raises UsageError if it holds something else, or is public and
    `private` is set; VerifyError if a file changed meanwhile, or the Hub reports another hash; HubError or a subclass
    if the Hub refuses or does not respond.
    """
    head = _repository(hub, content.repo, private=private, say=say)
    return _settle(hub, content, replace(head, folder=content.folder), say, progress)


def _repository(hub: Hub, repo: str, *, private: bool, say: Say) -> Revision:
    """Return the newest commit of the repository; create the repository if it does not exist."""
    try:
        head = hub.head(repo)
    except HubNotFound:
        say(f"Creating {'private' if private else 'public'} repository {repo}")
        hub.create(repo, private=private)
        head = hub.head(repo)
    if private and not head.private:
        raise UsageError(
            f"{repo} is public: make it private in its settings on the Hub, name another, or leave out --private"
        )
    return Revision(repo, head.sha)


def _listed(hub: Hub, revision: Revision) -> dict[str, RemoteFile]:
    """Return the files of a revision or of its folder, which may not be there yet."""
    try:
        return hub.files(revision)
    except HubNotFound:
        if not revision.folder:
            raise
        return {}


def _settle(hub: Hub, content: Content, head: Revision, say: Say, progress: Progress) -> Revision:
    """Return the one revision that holds this content: an existing one, or a new commit on top of `head`.

    If a commit gets no response, or the Hub responds that `head` is no longer the newest commit, read the repository
    again.
    """
    what = f"commit to {content.repo}"
    backoff = Backoff(RETRY, budget_s=math.inf)  # no time limit: an upload takes as long as it takes
    upload = _Upload(hub, content, say, progress)
    while True:
        files = _listed(hub, head)
        found = head if content.is_in(files) else _earlier(hub, content)
        if found is not None:
            say(f"{found} holds this {content.what}")
            return found
        answer = _commit(hub, content, head, files, upload)
        if isinstance(answer, str):
            head = Revision(content.repo, answer, content.folder)
            if upload.is_done:
                return _confirmed(hub, content, head)
            backoff = Backoff(RETRY, budget_s=math.inf)
            continue
        if not answer.passes and answer.status != _STALE_PARENT:
            raise refusal(what, answer)
        wait_s = backoff.next_s(answer.asked_s)
        if wait_s is None:
            raise HubUnavailable(f"{what}: not done after {backoff.failures} tries; run the same command again later")
        say(f"{what}: {said(answer)}; looking again in {wait_s:.1f} s")
        pause(wait_s)
        head = Revision(content.repo, hub.head(content.repo).sha, content.folder)


def _earlier(hub: Hub, content: Content) -> Revision | None:
    """Find a recent commit whose title names this root and that holds this content."""
    for sha in hub.commits_titled(content.repo, content.mark):
        revision = Revision(content.repo, sha, content.folder)
        if content.is_in(_listed(hub, revision)):
            return revision
    return None


def _commit(
    hub: Hub, content: Content, head: Revision, files: dict[str, RemoteFile], upload: _Upload
) -> str | Failure:  # fmt: skip
    """Upload what is missing, at most FILES_A_COMMIT large files, then try to commit once."""
    _refuse_other_things(hub, content, files)
    beside = content.beside(Revision(content.repo, head.sha))
    missing = content.missing(files)
    part = upload.send(head, [file for file in missing if file.local])
    if not upload.is_done:
        title = f"{_PART} {content.what}: {len(part)} of {upload.of_files:,}"
        return hub.commit_once(content.repo, [content.sent[file.path] for file in part], title=title, parent=head.sha)
    changes = list(_changes(content, head, missing, content.stale(files), beside))
    return hub.commit_once(content.repo, changes, title=content.title, parent=head.sha)


def _refuse_other_things(hub: Hub, content: Content, files: dict[str, RemoteFile]) -> None:
    """Refuse a repository that holds anything but such contents, so that publishing deletes nobody's other work."""
    fine = {file.path for file in content.files} | _HUBS_OWN | content.also_fine
    foreign = [path for path in files if path not in fine and not content.owned(path)]
    stale = content.stale(files)
    is_somebodys = bool(stale) and content.main not in files and not hub.commits_titled(content.repo, _PART)
    if foreign or is_somebodys:
        first = min(foreign or stale)
        raise UsageError(
            f"{content.repo} holds other things ({first}); name a repository for these {content.what}s alone"
        )


class _Upload:
    """Uploads the large files of a content, each only once, and counts what was sent."""

    def __init__(self, hub: Hub, content: Content, say: Say, progress: Progress) -> None:
        self._hub, self._content, self._say, self._progress = hub, content, say, progress
        self._files = self._bytes = self._of_bytes = 0
        self.of_files = 0
        """Files to send in all."""
        self.is_done = False
        """Whether every large file has been sent, so that the next commit can complete the content."""

    def send(self, head: Revision, missing: Sequence[File]) -> list[File]:
        """Send the first FILES_A_COMMIT of the files that the repository lacks, UPLOADS at a time, and return them.

        Raises VerifyError if a file changes meanwhile; HubError or a subclass if the Hub refuses or does not respond.
        """
        part = list(missing[:FILES_A_COMMIT])
        waiting = [file for file in missing if file.path not in self._content.sent]
        self.of_files, self._of_bytes = self._files + len(waiting), self._bytes + _bytes(waiting)
        self._show()
        self._send_all(head, [file for file in part if file.path not in self._content.sent])
        self.is_done = len(part) == len(missing)
        if missing and self.is_done:
            self._say(f"{self.of_files:,} files with {byte_size(self._of_bytes)} are on the Hub; one commit names them")
        return part

    def _send_all(self, head: Revision, files: Sequence[File]) -> None:
        pool = ThreadPoolExecutor(UPLOADS)
        try:
            for sent in as_completed([pool.submit(self._send, head, file) for file in files]):
                file, addition = sent.result()
                self._content.sent[file.path] = addition
                self._files, self._bytes = self._files + 1, self._bytes + file.size_bytes
                self._show()
        finally:
            pool.shutdown(cancel_futures=True)

    def _send(self, head: Revision, file: File) -> tuple[File, Any]:
        assert file.local is not None
        addition = self._hub.upload(head.repo, head.path(file.path), file.local)
        if addition.upload_info.sha256.hex() != file.sha256:
            raise VerifyError(f"{file.path}: changed while it was sent; nothing was published")
        return file, addition

    def _show(self) -> None:
        self._progress(Sent(self._files, self.of_files, self._bytes, self._of_bytes))


def _bytes(files: Iterable[File]) -> int:
    return sum(file.size_bytes for file in files)


def _changes(
    content: Content, head: Revision, missing: Iterable[File], stale: Iterable[str], beside: Iterable[File]
) -> Iterator[Any]:  # fmt: skip
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    for file in missing:
        yield content.sent[file.path] if file.local else CommitOperationAdd(head.path(file.path), file.data)
    for path in stale:
        yield CommitOperationDelete(head.path(path), is_folder=False)
    for file in beside:
        yield CommitOperationAdd(file.path, file.data)


def _confirmed(hub: Hub, content: Content, revision: Revision) -> Revision:
    """Return the revision after checking that the Hub reports the right size and hash for every file."""
    files = hub.files(revision)
    for file in content.missing(files):
        raise VerifyError(f"{file.path}: the Hub's sha256 in {revision} is not that of the local file; publish again")
    for path in content.stale(files):
        raise VerifyError(f"{path}: in {revision}, but not part of this {content.what}; publish again")
    return revision
