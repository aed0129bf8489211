"""Publish a dataset's folder as one revision of a repository on the Hugging Face Hub (`finest publish`).

The files are uploaded one by one before the single commit that names them all. Every attempt at that commit first reads
the repository: if it already holds this dataset, that revision is the result. A lost response, a kill at any moment and
a second run therefore all end in exactly one commit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from finest.atomic_files import size_and_sha256
from finest.dataset.card import CARD_NAME, card
from finest.dataset.hub import Hub, RemoteFile, Revision, git_blob
from finest.dataset.hub_retry import RETRY, Failure, Say, refusal, said
from finest.dataset.manifest import MANIFEST_NAME, Manifest, read_manifest
from finest.dataset.shards import Shard
from finest.errors import HubNotFound, HubUnavailable, UsageError, VerifyError
from finest.formatting import byte_size
from finest.masking import holds_secrets, masked, one_line, public_address
from finest.retry import Backoff, pause

CARD_REPO = "OWNER/NAME"
"""Placeholder in a card for the repository's name, until that name is known."""
FOLDERS = ("data", "verdicts")
NOT_OURS_BUT_FINE = frozenset({".gitattributes"})
"""Files that the Hub itself adds to a repository."""

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


def publish(
    folder: Path, repo: str, *, private: bool = False, token: str | None = None, say: Say = lambda _: None,
    progress: Progress = lambda _: None,
) -> Revision:  # fmt: skip
    """Publish the dataset in `folder` as one commit of the dataset repository `repo`, and return its revision.

    `repo` is OWNER/NAME, or NAME under the token's user; publish creates it if it does not exist. The commit replaces
    the data and verdict files of an earlier dataset in it. If the newest commit or one of the last few already holds
    exactly this dataset, nothing is sent. Without `token`, the token comes from HF_TOKEN or the file that `hf auth
    login` writes.

    Raises VerifyError if the files in the folder do not match its manifest, if the Hub's files do not match them, or if
    the names of sources contain user information or a query; HubError or a subclass if the Hub refuses or does not
    respond; UsageError if the repository holds something else.
    """
    manifest = read_manifest(folder)
    _refuse_named_secrets(source.name for source in manifest.sources)
    hub = Hub(token, say)
    name = hub.full_name(repo)
    say(f"Checking {len(manifest.shards) + len(manifest.verdicts)} files against the manifest")
    dataset = _Dataset.of(folder, manifest, name)
    _refuse_secrets_in_files(folder, manifest)
    head = _repository(hub, name, private=private, say=say)
    return _settle(hub, dataset, head, say, progress)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that the revision must hold: the size and hashes that the Hub will report, and where to read its bytes."""

    path: str
    size_bytes: int
    sha256: str
    blob: str
    """git's hash of the file; empty for a file that is certainly stored as a large file."""
    local: Path | None = None
    data: bytes = b""

    def is_in(self, files: dict[str, RemoteFile]) -> bool:
        remote = files.get(self.path)
        return remote is not None and remote.holds(self.size_bytes, self.sha256, self.blob)


@dataclass(frozen=True, slots=True)
class _Dataset:
    """The exact content that one revision must have."""

    repo: str
    title: str
    files: tuple[_File, ...]
    sent: dict[str, Any] = field(default_factory=dict)
    """Uploaded files by path, in the form that huggingface_hub needs for the commit."""

    @classmethod
    def of(cls, folder: Path, manifest: Manifest, repo: str) -> _Dataset:
        large = [_large_file(folder, shard) for shard in (*manifest.shards, *manifest.verdicts)]
        small = [
            _small_file(MANIFEST_NAME, (folder / MANIFEST_NAME).read_bytes()),
            _small_file(CARD_NAME, _card_of(folder, manifest, repo)),
        ]
        dumps = ", ".join(manifest.dumps[:3]) + (" and more" if len(manifest.dumps) > 3 else "")
        return cls(repo, f"{dumps or 'No dump'}: {manifest.rows:,} rows, root {manifest.root}", (*large, *small))

    @property
    def root(self) -> str:
        return self.title[-64:]

    def missing(self, files: dict[str, RemoteFile]) -> list[_File]:
        """Return the files that a revision with `files` lacks or holds with other content."""
        return [file for file in self.files if not file.is_in(files)]

    def stale(self, files: dict[str, RemoteFile]) -> list[str]:
        """Return the data and verdict files that an earlier dataset left in the repository."""
        ours = {file.path for file in self.files}
        return sorted(path for path in files if path.split("/")[0] in FOLDERS and path not in ours)

    def is_in(self, files: dict[str, RemoteFile]) -> bool:
        return not self.missing(files) and not self.stale(files)


def _large_file(folder: Path, shard: Shard) -> _File:
    """Return a shard as a file to publish, after checking that its bytes match the manifest."""
    try:
        found = size_and_sha256(folder / shard.path)
    except OSError as error:
        raise VerifyError(f"{shard.path}: {error.strerror}") from error
    if found != (shard.size_bytes, shard.sha256):
        raise VerifyError(f"{shard.path}: not the file that the manifest names; nothing was published")
    return _File(shard.path, shard.size_bytes, shard.sha256, "", local=folder / shard.path)


def _small_file(path: str, data: bytes) -> _File:
    return _File(path, len(data), hashlib.sha256(data).hexdigest(), git_blob(data), data=data)


def _refuse_named_secrets(names: Iterable[str]) -> None:
    """Refuse names with secrets: earlier versions kept passwords and signatures in the addresses of sources."""
    for name in names:
        if holds_secrets(name):
            raise VerifyError(
                f"the source {public_address(name)} is named with user information or a query, which would be "
                "published: refine it again with this version (finest refine ... --restart), which leaves them out"
            )


def _refuse_secrets_in_files(folder: Path, manifest: Manifest) -> None:
    """Refuse secrets in the source names of rows and verdicts, and in the card."""
    for shard in (*manifest.shards, *manifest.verdicts):
        try:
            with pq.ParquetFile(folder / shard.path) as file:
                batches = file.iter_batches(columns=["file_path"], use_threads=False)
                names = {str(name) for batch in batches for name in batch["file_path"].unique().to_pylist()}
        except (pa.ArrowException, OSError) as error:
            raise VerifyError(f"{shard.path}: not a Parquet file of rows: {one_line(error)}") from error
        _refuse_named_secrets(names)
    path = folder / CARD_NAME
    if path.exists() and masked(text := path.read_text(encoding="utf-8", errors="replace")) != text:
        raise VerifyError(
            f"{path} holds an address with a password or a signature, which would be published: cut it out"
        )


def _card_of(folder: Path, manifest: Manifest, repo: str) -> bytes:
    path = folder / CARD_NAME
    text = path.read_text(encoding="utf-8") if path.exists() else card(manifest)
    return text.replace(CARD_REPO, repo).encode()


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


def _settle(hub: Hub, dataset: _Dataset, head: Revision, say: Say, progress: Progress) -> Revision:
    """Return the one revision that holds this dataset: an existing one, or a new commit on top of `head`.

    If a commit gets no response, or the Hub responds that `head` is no longer the newest commit, read the repository
    again.
    """
    what = f"commit to {dataset.repo}"
    backoff = Backoff(RETRY, budget_s=math.inf)  # no time limit: an upload takes as long as it takes
    while True:
        files = hub.files(head)
        found = head if dataset.is_in(files) else _earlier(hub, dataset)
        if found is not None:
            say(f"{found} holds this dataset")
            return found
        answer = _commit(hub, dataset, head, files, say, progress)
        if isinstance(answer, str):
            return _confirmed(hub, dataset, Revision(dataset.repo, answer))
        if not answer.passes and answer.status != _STALE_PARENT:
            raise refusal(what, answer)
        wait_s = backoff.next_s(answer.asked_s)
        if wait_s is None:
            raise HubUnavailable(f"{what}: not done after {backoff.failures} tries; run the same command again later")
        say(f"{what}: {said(answer)}; looking again in {wait_s:.1f} s")
        pause(wait_s)
        head = Revision(dataset.repo, hub.head(dataset.repo).sha)


def _earlier(hub: Hub, dataset: _Dataset) -> Revision | None:
    """Find a recent commit whose title names this root and that holds this dataset."""
    for sha in hub.commits_titled(dataset.repo, dataset.root):
        revision = Revision(dataset.repo, sha)
        if dataset.is_in(hub.files(revision)):
            return revision
    return None


def _commit(
    hub: Hub, dataset: _Dataset, head: Revision, files: dict[str, RemoteFile], say: Say, progress: Progress
) -> str | Failure:
    """Upload what is missing, then try to commit once."""
    _refuse_other_things(dataset, files)
    missing = dataset.missing(files)
    _upload(hub, dataset, [file for file in missing if file.local], say, progress)
    changes = list(_changes(dataset, missing, dataset.stale(files)))
    return hub.commit_once(dataset.repo, changes, title=dataset.title, parent=head.sha)


def _refuse_other_things(dataset: _Dataset, files: dict[str, RemoteFile]) -> None:
    """Refuse a repository that holds anything but these datasets, so that publishing deletes nobody's other work."""
    ours = {file.path for file in dataset.files} | NOT_OURS_BUT_FINE
    foreign = [path for path in files if path not in ours and path.split("/")[0] not in FOLDERS]
    stale = dataset.stale(files)
    if foreign or (stale and MANIFEST_NAME not in files):
        first = min(foreign or stale)
        raise UsageError(f"{dataset.repo} holds other things ({first}); name a repository for these datasets alone")


def _upload(hub: Hub, dataset: _Dataset, files: list[_File], say: Say, progress: Progress) -> None:
    """Upload shards and verdict files, one finished file at a time, each only once."""
    of_bytes, done = sum(file.size_bytes for file in files), 0
    for number, file in enumerate(files):
        progress(Sent(number, len(files), done, of_bytes))
        if file.path not in dataset.sent and file.local is not None:
            addition = hub.upload(dataset.repo, file.path, file.local)
            if addition.upload_info.sha256.hex() != file.sha256:
                raise VerifyError(f"{file.path}: changed while it was sent; nothing was published")
            dataset.sent[file.path] = addition
        done += file.size_bytes
    if files:
        progress(Sent(len(files), len(files), of_bytes, of_bytes))
        say(f"{len(files)} files with {byte_size(of_bytes)} are on the Hub; one commit names them")


def _changes(dataset: _Dataset, missing: Iterable[_File], stale: Iterable[str]) -> Iterator[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    for file in missing:
        yield dataset.sent[file.path] if file.local else CommitOperationAdd(file.path, file.data)
    for path in stale:
        yield CommitOperationDelete(path, is_folder=False)


def _confirmed(hub: Hub, dataset: _Dataset, revision: Revision) -> Revision:
    """Return the revision after checking that the Hub reports the manifest's size and hash for every file."""
    files = hub.files(revision)
    for file in dataset.missing(files):
        raise VerifyError(f"{file.path}: the Hub's sha256 in {revision} is not the manifest's; publish again")
    for path in dataset.stale(files):
        raise VerifyError(f"{path}: in {revision}, but not in the manifest; publish again")
    return revision
