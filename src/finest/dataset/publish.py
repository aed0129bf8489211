"""Publish a dataset's folder as one revision of a dataset repository on the Hugging Face Hub (`finest publish`).

`publish` gives the repository that dataset alone. finest.dataset.task_folders adds a task's dataset to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from finest.atomic_files import size_and_sha256
from finest.dataset.card import CARD_NAME, card
from finest.dataset.commit import Content, File, Progress, commit
from finest.dataset.hub import Hub, Revision, git_blob
from finest.dataset.hub_retry import Say
from finest.dataset.manifest import MANIFEST_NAME, Manifest, NamedFile, read_manifest
from finest.dataset.shards import Shard
from finest.dataset.sources import sources_in
from finest.errors import VerifyError
from finest.masking import holds_secrets, masked, one_line, public_address

CARD_REPO = "OWNER/NAME"
"""Placeholder in a card for the repository's name, until that name is known."""
FOLDERS = ("data", "verdicts", "sources", "index")
MAX_REGULAR_BYTES = 10 << 20
"""Size above which the Hub stores no file as git does
(https://huggingface.co/docs/hub/repositories-getting-started#requirements)."""


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
    manifest = read_public(folder)
    hub = Hub(token, say)
    name = hub.full_name(repo)
    content = content_of(folder, manifest, name, say)
    return commit(hub, content, private=private, say=say, progress=progress)


def read_public(folder: Path) -> Manifest:
    """Return the manifest of a dataset that is to be published; raises VerifyError if it holds secrets."""
    manifest = read_manifest(folder)
    _refuse_named_secrets(source.name for source in sources_in(folder, manifest))
    return manifest


def content_of(folder: Path, manifest: Manifest, repo: str, say: Say = lambda _: None) -> Content:
    """Return what a revision with this dataset holds, after comparing the files in the folder with the manifest."""
    files = files_of(folder, manifest, say)
    card = File.of(CARD_NAME, _card_of(folder, manifest, repo))
    return Content(
        "dataset", repo, title_of(manifest), manifest.root, (*files, card), MANIFEST_NAME,
        lambda path: path.split("/")[0] in FOLDERS,
    )  # fmt: skip


def files_of(folder: Path, manifest: Manifest, say: Say) -> tuple[File, ...]:
    """Return the dataset's files without the card; raises VerifyError if one holds secrets or is not the manifest's."""
    say(f"Checking {len(manifest.files):,} files against the manifest")
    files = [_named_file(folder, file) for file in manifest.files]
    _refuse_secrets_in_files(folder, manifest)
    return (*files, File.of(MANIFEST_NAME, (folder / MANIFEST_NAME).read_bytes()))


def title_of(manifest: Manifest) -> str:
    """Return the title of the commit that publishes this dataset."""
    dumps = ", ".join(manifest.dumps[:3]) + (" and more" if len(manifest.dumps) > 3 else "")
    return f"{dumps or 'No dump'}: {manifest.rows:,} rows, root {manifest.root}"


def _named_file(folder: Path, file: NamedFile) -> File:
    """Return a file of the manifest as a file to publish, after checking that its bytes match the manifest.

    The Hub may store a small file other than Parquet as git does, and then states git's hash of it.
    """
    path = folder / file.path
    try:
        found = size_and_sha256(path)
        is_large = isinstance(file, Shard) or file.size_bytes > MAX_REGULAR_BYTES
        blob = "" if is_large else git_blob(path.read_bytes())
    except OSError as error:
        raise VerifyError(f"{file.path}: {error.strerror}") from error
    if found != (file.size_bytes, file.sha256):
        raise VerifyError(f"{file.path}: not the file that the manifest names; nothing was published")
    return File(file.path, file.size_bytes, file.sha256, blob, local=path)


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
