"""Publish batches of evidence in a dataset repository of the validator's own, one commit per batch.

Earlier batches stay in the repository. A publish that was interrupted is repeated with the same files and finds the
commit if it was made (finest.dataset.commit).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.dataset.commit import Content, File, commit
from finest.dataset.hub import Hub, Revision
from finest.errors import HubNotFound
from finest.formatting import counted
from finest.validator.published.batch import Batch, Place, is_file, manifest_path, records_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CARD = """---
configs:
- config_name: default
  data_files: "evidence/*/*.jsonl.gz"
tags:
- finest-data-evidence
---
# Evidence of a validator

Each record is the evidence of one verdict on a dataset of Finest Data: what was drawn, what was found in each row and
each window, and the score. The validator with the hotkey `{validator}` signed each of them. Each batch has a manifest
with the Merkle root over its records.

Anybody can repeat a verdict and compare:

```sh
pip install 'finest-data[validator]'
finest audit --replay {repo}@REVISION#ROOT --task TASK
```

The task server names revision and root with each verdict.
"""
"""The card of a repository of evidence."""


def publish_batch(
    batch: Batch, data: bytes, repo: str, folder: Path, say: Callable[[str], None], *, token: str | None = None
) -> Place:  # fmt: skip
    """Publish a batch as one commit of `repo`, OWNER/NAME or NAME under the token's user; return its place.

    Creates the repository if it does not exist. `folder` holds the file of records while it is sent. Raises UsageError
    if the repository holds something else; HubError or a subclass if the Hub refuses or does not respond.
    """
    hub = Hub(token, say)
    name = hub.full_name(repo)
    folder.mkdir(parents=True, exist_ok=True)
    local = folder / f"{batch.root}.jsonl.gz"
    write_whole(local, data)
    large = File(records_path(batch.root), len(data), hashlib.sha256(data).hexdigest(), "", local=local)
    small = (
        File.of(manifest_path(batch.root), batch.to_json()),
        File.of("README.md", CARD.format(validator=batch.validator, repo=name).encode()),
    )
    title = f"Evidence of {counted(len(batch.items), 'verdict')}, batch {batch.number}, root {batch.root}"
    content = Content(
        "evidence", name, title, batch.root, (large, *small), "README.md", is_file, also_fine=_earlier(hub, name)
    )
    revision = commit(hub, content, private=False, say=say, progress=lambda _: None)
    local.unlink(missing_ok=True)
    return Place(revision.repo, revision.sha, batch.root)


def _earlier(hub: Hub, repo: str) -> frozenset[str]:
    """Return the files of earlier batches, which stay."""
    try:
        files = hub.files(Revision(repo, hub.head(repo).sha))
    except HubNotFound:
        return frozenset()
    return frozenset(path for path in files if is_file(path))
