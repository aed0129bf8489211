"""`finest publish`: a dataset's folder as one revision of a repository on the Hugging Face Hub.

Files are sent one by one, ahead of the one commit that names them all. Before each try of that commit the repository
is read anew: if it already holds this dataset, that revision is the answer. So a lost answer, a kill at any moment
and a second run end in exactly one commit.
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
"""Stands in a card for the repository's name until there is one."""
FOLDERS = ("data", "verdicts")
NOT_OURS_BUT_FINE = frozenset({".gitattributes"})
"""What the Hub itself puts into a repository."""

_STALE_PARENT = 412
"""The Hub's answer to a commit whose parent is not the newest commit any more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How far the upload is."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int


Progress = Callable[[Sent], None]


def publish(
    folder: Path, repo: str, *, private: bool = False, token: str | None = None, say: Say = lambda _: None,
    progress: Progress = lambda _: None,
) -> Revision:  # fmt: skip
    """Publish the dataset in `folder` as one commit of the dataset repository `repo`, and give its revision.

    `repo` is OWNER/NAME, or NAME under the token's user; it is made if it is not there. Data and verdict files of an
    earlier dataset in it are replaced. If the repository already holds exactly this dataset, in its newest commit or
    in one of the last, nothing is sent. Without `token`, HF_TOKEN or the file of `hf auth login` is used.

    Raises VerifyError where the folder's files are not those of its manifest, or the Hub's not these, or where names
    of sources hold user information or a query; HubError and its
    kinds where the Hub refuses or stays away; UsageError where the repository holds something else.
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
    """A file that the revision must hold: what the Hub will say of it, and where its bytes are."""

    path: str
    size_bytes: int
    sha256: str
    blob: str
    """git's hash of it; empty for what is surely a large file."""
    local: Path | None = None
    data: bytes = b""

    def is_in(self, files: dict[str, RemoteFile]) -> bool:
        remote = files.get(self.path)
        return remote is not None and remote.holds(self.size_bytes, self.sha256, self.blob)


@dataclass(frozen=True, slots=True)
class _Dataset:
    """What one revision must hold, to the last byte."""

    repo: str
    title: str
    files: tuple[_File, ...]
    sent: dict[str, Any] = field(default_factory=dict)
    """What was uploaded by path, as huggingface_hub needs it for the commit."""

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
        """Files that a revision with `files` does not hold as they are here."""
        return [file for file in self.files if not file.is_in(files)]

    def stale(self, files: dict[str, RemoteFile]) -> list[str]:
        """Data and verdict files of an earlier dataset."""
        ours = {file.path for file in self.files}
        return sorted(path for path in files if path.split("/")[0] in FOLDERS and path not in ours)

    def is_in(self, files: dict[str, RemoteFile]) -> bool:
        return not self.missing(files) and not self.stale(files)


def _large_file(folder: Path, shard: Shard) -> _File:
    """A shard, once its bytes are found to be the manifest's."""
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
    """Datasets of earlier versions may name sources by their whole address, passwords and signatures included."""
    for name in names:
        if holds_secrets(name):
            raise VerifyError(
                f"the source {public_address(name)} is named with user information or a query, which would be "
                "published: refine it again with this version (finest refine ... --restart), which leaves them out"
            )


def _refuse_secrets_in_files(folder: Path, manifest: Manifest) -> None:
    """The same of the names in rows and verdicts, and of the card."""
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
    """The newest commit of the repository, which is made if it is not there."""
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
    """The one revision that holds this dataset: found, or made with one commit on top of `head`.

    Where a commit gets no answer, or the answer that `head` is the newest no more, the repository is read anew.
    """
    what = f"commit to {dataset.repo}"
    backoff = Backoff(RETRY, budget_s=math.inf)  # uploads take what they take
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
    """One of the last commits whose title names this root and that holds this dataset."""
    for sha in hub.commits_titled(dataset.repo, dataset.root):
        revision = Revision(dataset.repo, sha)
        if dataset.is_in(hub.files(revision)):
            return revision
    return None


def _commit(
    hub: Hub, dataset: _Dataset, head: Revision, files: dict[str, RemoteFile], say: Say, progress: Progress
) -> str | Failure:
    """Upload what is not there, then commit once."""
    _refuse_other_things(dataset, files)
    missing = dataset.missing(files)
    _upload(hub, dataset, [file for file in missing if file.local], say, progress)
    changes = list(_changes(dataset, missing, dataset.stale(files)))
    return hub.commit_once(dataset.repo, changes, title=dataset.title, parent=head.sha)


def _refuse_other_things(dataset: _Dataset, files: dict[str, RemoteFile]) -> None:
    """A repository is a dataset's alone: nothing of somebody's other work is deleted, nothing foreign left beside."""
    ours = {file.path for file in dataset.files} | NOT_OURS_BUT_FINE
    foreign = [path for path in files if path not in ours and path.split("/")[0] not in FOLDERS]
    stale = dataset.stale(files)
    if foreign or (stale and MANIFEST_NAME not in files):
        first = min(foreign or stale)
        raise UsageError(f"{dataset.repo} holds other things ({first}); name a repository for these datasets alone")


def _upload(hub: Hub, dataset: _Dataset, files: list[_File], say: Say, progress: Progress) -> None:
    """Send shards and verdict files, one finished file at a time, each once."""
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
    """The revision, once what the Hub says of its every file is what the manifest says."""
    files = hub.files(revision)
    for file in dataset.missing(files):
        raise VerifyError(f"{file.path}: the Hub's sha256 in {revision} is not the manifest's; publish again")
    for path in dataset.stale(files):
        raise VerifyError(f"{path}: in {revision}, but not in the manifest; publish again")
    return revision
