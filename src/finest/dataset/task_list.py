"""The list of the tasks in a miner's repository, `tasks.jsonl`: one line for each folder `tasks/ID`.

Each publish adds a line. The list only helps to find a task and to write the card: whoever reads a task's rows checks
its own manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.dataset.hub import TASKS_FOLDER, Hub, RemoteFile, Revision
from finest.dataset.limits import MAX_DUMPS
from finest.dataset.manifest import Manifest
from finest.dataset.sources import Count, Name, Sha256
from finest.errors import VerifyError

LIST_NAME = "tasks.jsonl"
MAX_LIST_BYTES = 64 * 1024 * 1024
"""Maximum size of a list that is read: 100,000 tasks, which are a year of the largest leases, take about 50 MB."""
MAX_LANGUAGES = 2_000
"""FineWeb-2 knows 1,868 languages (https://huggingface.co/datasets/HuggingFaceFW/fineweb-2)."""


class TaskEntry(BaseModel):
    """An entry of the list: one task."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    """The task's id, which names its folder."""
    root: Sha256
    rows: Count
    tokens: Count
    size_bytes: Count
    dumps: tuple[Name, ...] = Field(max_length=MAX_DUMPS)
    languages: dict[Annotated[str, Field(max_length=64)], Count] = Field(max_length=MAX_LANGUAGES)
    """Rows by language."""
    recipe: str = Field(max_length=64)
    recipe_hash: Sha256
    columns: tuple[Name, ...] = ()
    """Columns that the recipe's stages add to each row."""

    @classmethod
    def of(cls, task: str, manifest: Manifest) -> TaskEntry:
        """Return the entry of a task with this manifest."""
        return cls(
            task=task, root=manifest.root, rows=manifest.rows, tokens=manifest.token_count,
            size_bytes=manifest.size_bytes, dumps=manifest.dumps, languages=manifest.languages,
            recipe=str(manifest.recipe.get("name", ""))[:64], recipe_hash=manifest.recipe_hash,
            columns=tuple(column.name for column in manifest.columns),
        )  # fmt: skip

    @property
    def folder(self) -> str:
        """The task's folder in the repository."""
        return f"{TASKS_FOLDER}/{self.task}"


def to_jsonl(entries: Iterable[BaseModel]) -> bytes:
    """Return the lines of entries, in their order."""
    return b"".join(entry.model_dump_json().encode() + b"\n" for entry in entries)


def read_list(hub: Hub, revision: Revision, names: Mapping[str, RemoteFile | None]) -> list[TaskEntry]:
    """Return the entries of a repository's list, of which `names` are the files at its top.

    Lines that are no entries are left out: a list that is damaged or missing is made again from the manifests. Raises
    VerifyError if the list is larger than MAX_LIST_BYTES; HubError or a subclass if the Hub refuses.
    """
    file = names.get(LIST_NAME)
    if file is None:
        return []
    if file.size_bytes > MAX_LIST_BYTES:
        raise VerifyError(f"{revision}: a {LIST_NAME} of {file.size_bytes} bytes, at most {MAX_LIST_BYTES} are read")
    lines = hub.read(revision, LIST_NAME, 0, file.size_bytes).splitlines()
    return [entry for entry in map(_parsed, lines) if entry is not None]


def _parsed(line: bytes) -> TaskEntry | None:
    try:
        return TaskEntry.model_validate_json(line)
    except ValidationError:
        return None
