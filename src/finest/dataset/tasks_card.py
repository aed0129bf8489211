"""The card of a repository with the datasets of many tasks, made from the list of tasks and the newest manifest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from finest.dataset.card import columns_part, is_common_crawl, licence_part, privacy_part, size_category, table
from finest.dataset.hub import TASKS_FOLDER
from finest.dataset.rows import SCHEMA

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest
    from finest.dataset.task_list import TaskEntry

MAX_TASKS_SHOWN = 200
"""Newest tasks that have a configuration of their own and a line in the card's table. `data_dir` loads any other one. A
miner finishes some ten tasks a day, and the Hub reads the configurations on each visit."""
_ALL = "data/*/*.parquet"


def tasks_card(repo: str, entries: Sequence[TaskEntry], newest: Manifest, *, also_at_top: bool = False) -> str:
    """Return the text of README.md: a YAML header, then Markdown.

    `newest` is the manifest of the last task. With `also_at_top`, the repository has one more dataset at its top.
    """
    shown = entries[: -MAX_TASKS_SHOWN - 1 : -1]
    parts = (
        _what(repo, entries), _load(repo, shown), _tasks(entries, shown), columns_part(newest), _verify(repo, shown),
        privacy_part(newest), licence_part(newest),
    )  # fmt: skip
    return f"---\n{_header(entries, shown, newest, also_at_top=also_at_top)}---\n\n" + "\n".join(parts)


def _header(
    entries: Sequence[TaskEntry], shown: Sequence[TaskEntry], newest: Manifest, *, also_at_top: bool
) -> str:  # fmt: skip
    # Import late: huggingface_hub reads its settings from the environment once, when it is imported.
    from huggingface_hub import DatasetCardData

    languages = {code for entry in entries for code in entry.languages if re.fullmatch(r"[a-z]{2,3}", code)}
    common = is_common_crawl(newest)
    data = DatasetCardData(
        language=sorted(languages) or None,
        license="odc-by" if common else "unknown",
        pretty_name="Finest Data",
        size_categories=size_category(sum(entry.rows for entry in entries)),
        task_categories=["text-generation"],
        tags=[*(["common-crawl"] if common else []), "web", "finest-data"],
        configs=_configs(entries, shown, also_at_top=also_at_top),
    )
    return data.to_yaml() + "\n"


def _configs(
    entries: Sequence[TaskEntry], shown: Sequence[TaskEntry], *, also_at_top: bool
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the configurations: all rows, those of each crawl, and those of each of the newest tasks.

    If tasks have different columns, all rows together are loaded with the columns that every row has.
    """
    top = [_ALL] if also_at_top else []
    full = [entry for entry in entries if entry.rows]
    found = [{"config_name": "default", "default": True, **_files([*top, f"{TASKS_FOLDER}/*/{_ALL}"], full)}]
    for dump in sorted({dump for entry in full for dump in entry.dumps}):
        of_dump = [entry for entry in full if dump in entry.dumps]
        found.append({"config_name": dump, **_files([f"{TASKS_FOLDER}/*/data/{dump}/*.parquet"], of_dump)})
    found += [{"config_name": one.task, **_files([f"{one.folder}/{_ALL}"], [one])} for one in shown if one.rows]
    return found if full or also_at_top else []


def _files(paths: list[str], entries: Sequence[TaskEntry]) -> dict[str, Any]:
    mixed = len({entry.columns for entry in entries}) > 1
    columns = {"columns": SCHEMA.names} if mixed else {}
    return {**columns, "data_files": [{"split": "train", "path": paths if len(paths) > 1 else paths[0]}]}


def _what(repo: str, entries: Sequence[TaskEntry]) -> str:
    rows, tokens = sum(entry.rows for entry in entries), sum(entry.tokens for entry in entries)
    return f"""# Finest Data: {repo}

{rows:,} pages with {tokens:,} GPT-2 tokens from {len(entries):,} tasks of a Finest Data subnet. Each task has its own
folder with a manifest, which names its WARC files and proves its rows.
"""


def _load(repo: str, shown: Sequence[TaskEntry]) -> str:
    task = shown[0].task
    dump = shown[0].dumps[0] if shown[0].dumps else "CRAWL"
    return f"""## Load it

```python
from datasets import load_dataset

rows = load_dataset("{repo}", split="train")                 # all tasks
rows = load_dataset("{repo}", "{dump}", split="train")  # one crawl
rows = load_dataset("{repo}", "{task}", split="train")  # one task
rows = load_dataset("{repo}", data_dir="{TASKS_FOLDER}/{task}/data", split="train")  # any task
```
"""


def _tasks(entries: Sequence[TaskEntry], shown: Sequence[TaskEntry]) -> str:
    lines = [
        (f"`{one.task}`", ", ".join(one.dumps[:3]), f"{one.rows:,}", f"{one.tokens:,}", f"`{one.root}`")
        for one in shown
    ]
    more = len(entries) - len(shown)
    rest = f"\nAnd {more:,} earlier ones, in `tasks.jsonl`.\n" if more else ""
    return f"## Tasks\n\n{table(('Task', 'Crawl', 'Rows', 'Tokens', 'Merkle root'), lines)}{rest}"


def _verify(repo: str, shown: Sequence[TaskEntry]) -> str:
    return f"""## Verify it yourself

```bash
pip install finest-data
finest verify {repo}@REVISION/{TASKS_FOLDER}/{shown[0].task}
```

This checks every file's sha256, every row's hash and the Merkle root against the task's `manifest.json`, and judges a
random sample of pages again from the source WARC files.
"""
