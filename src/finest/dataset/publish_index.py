"""Publish the index of a task server as one commit of a dataset repository (`finest tasks publish-index`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import finest
from finest.dataset.card import CARD_NAME, size_category, table
from finest.dataset.commit import Content, File, commit
from finest.dataset.index import IndexHead
from finest.dataset.manifest import MANIFEST_NAME
from finest.dataset.task_list import LIST_NAME, to_jsonl

if TYPE_CHECKING:
    from finest.dataset.hub import Hub, Revision
    from finest.dataset.hub_retry import Say
    from finest.dataset.index import IndexEntry


def publish_index(
    entries: Sequence[IndexEntry], hub: Hub, repo: str, *, private: bool = False, say: Say = lambda _: None
) -> Revision:  # fmt: skip
    """Publish an index with these entries, in this order, and return its revision.

    `repo` is OWNER/NAME; it is created if it does not exist. If the newest commit or one of the last few already holds
    exactly this index, nothing is sent. Raises UsageError if the repository holds something else, HubError or a
    subclass if the Hub refuses.
    """
    head = IndexHead.of(entries, f"finest-data {finest.__version__}")
    files = (
        File.of(MANIFEST_NAME, head.model_dump_json(indent=1).encode() + b"\n"),
        File.of(LIST_NAME, to_jsonl(entries)),
        File.of(CARD_NAME, _card(repo, entries, head).encode()),
    )
    title = f"{head.tasks:,} tasks with {head.rows:,} rows, root {head.root}"
    content = Content("index", repo, title, head.root, files, MANIFEST_NAME, owned=lambda _: False)
    return commit(hub, content, private=private, say=say, progress=lambda _: None)


def _card(repo: str, entries: Sequence[IndexEntry], head: IndexHead) -> str:
    # Import late: huggingface_hub reads its settings from the environment once, when it is imported.
    from huggingface_hub import DatasetCardData

    data = DatasetCardData(
        pretty_name="Finest Data: index of accepted tasks", size_categories=size_category(head.tasks),
        tags=["finest-data", "web"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": LIST_NAME}]}],
    )  # fmt: skip
    crawls = sorted({one.crawl for one in entries})
    return f"""---
{data.to_yaml()}
---

# Finest Data: index of accepted tasks

{head.tasks:,} datasets of miners that the validators of a Finest Data subnet passed: {head.rows:,} rows with
{head.tokens:,} GPT-2 tokens. Each row of this index names a dataset at its pinned revision, with its Merkle root, its
WARC files and its data files. What a miner changes in its repository afterwards does not change what is read.

{_table(entries, crawls)}
## Load it

```python
from datasets import load_dataset

index = load_dataset("{repo}", split="train")
files = [file for task in index if task["crawl"] == "{crawls[0] if crawls else "CRAWL"}" for file in task["files"]]
rows = load_dataset("parquet", data_files=files, split="train", streaming=True)
```

Pin the index with `revision=`, and every row that it leads to is pinned.

## Check it

```bash
pip install finest-data
finest open {repo} --latest
```

This checks the index against its `{MANIFEST_NAME}`, and the manifest of every dataset against the index.
"""


def _table(entries: Sequence[IndexEntry], crawls: Sequence[str]) -> str:
    lines = []
    for crawl in crawls:
        own = [one for one in entries if one.crawl == crawl]
        rows, tokens = sum(one.rows for one in own), sum(one.tokens for one in own)
        lines.append((crawl, f"{len(own):,}", f"{rows:,}", f"{tokens:,}"))
    return table(("Crawl", "Tasks", "Rows", "Tokens"), lines)
