"""Make the entries of a server's index from its accepted tasks and their datasets on the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from finest.dataset.hub import Revision, task_place
from finest.dataset.index import PARALLEL, IndexEntry, data_files, read_index
from finest.dataset.open import open_dataset
from finest.errors import HubError, HubNotFound, HubUnavailable, UsageError, VerifyError
from finest.warc.source import common_crawl_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.dataset.hub import Hub
    from finest.dataset.merge_inputs import MergeInput, MergeLease
    from finest.tasks.accepted import AcceptedTask

    Say = Callable[[str], None]
    Done = Callable[[int, int], None]


def earlier_entries(hub: Hub, repo: str) -> dict[str, IndexEntry]:
    """Return the entries of the newest index in a repository by task; none if there is no repository or no index."""
    try:
        index = read_index(hub, Revision(repo, hub.head(repo).sha))
    except (HubNotFound, VerifyError):
        return {}
    return {entry.task: entry for entry in index.entries}


def entries_of(
    tasks: Iterable[AcceptedTask], earlier: Mapping[str, IndexEntry], say: Say, done: Done = lambda *_: None
) -> list[IndexEntry]:  # fmt: skip
    """Return an entry for each task, in their order, from its dataset's manifest or from an earlier index.

    A dataset that is part of an accepted merge has no entry: that of the merge stands for it.
    A dataset that is gone, or is not the one that the task was finished with, is named through `say` and left out.
    `done` receives how many of how many datasets are read. Raises HubError or a subclass if the Hub refuses.
    """
    every = list(tasks)
    merged = {root for task in every for root in task.merged}
    wanted = [task for task in every if task.root not in merged]
    known = [_updated(earlier.get(task.id), task) for task in wanted]
    new = [task for task, entry in zip(wanted, known, strict=True) if entry is None]
    with ThreadPoolExecutor(PARALLEL) as pool:
        read = {}
        for task, found in zip(new, pool.map(_read, new), strict=True):
            read[task.id] = found
            done(len(read), len(new))
    entries = []
    for task, entry in zip(wanted, known, strict=True):
        found = entry or read[task.id]
        if isinstance(found, IndexEntry):
            entries.append(found)
        else:
            say(f"Left out: task {task.id} of {task.hotkey}: {found}")
    return entries


def gone_inputs(merges: Iterable[MergeLease], done: Done = lambda *_: None) -> dict[str, str]:
    """Return the datasets of merges that are gone from the Hub, by their places, each with the reason.

    A dataset is gone if its revision or a file of it is, if it has another root, or if the Hub refuses it to this
    user. A byte of each file is read: a revision may name a file whose content was deleted. `done` receives how many of
    how many datasets are checked. Raises HubUnavailable if the Hub does not respond, UsageError if it cannot be asked.
    """
    inputs = list({one.place: one for merge in merges for one in merge.inputs}.values())
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = {}
        for number, (one, why) in enumerate(zip(inputs, pool.map(_why_gone, inputs), strict=True), 1):
            if why is not None:
                found[one.place] = why
            done(number, len(inputs))
    return found


def _why_gone(one: MergeInput) -> str | None:
    try:
        with open_dataset(one.place) as dataset:
            dataset.check_files()
            root = dataset.manifest.root
    except HubUnavailable:
        raise
    except (HubError, VerifyError) as error:
        return str(error)
    return None if root == one.root else f"its root is {root}, and it was leased with {one.root}"


def _updated(entry: IndexEntry | None, task: AcceptedTask) -> IndexEntry | None:
    """Return an earlier entry with what the server knows now; None if it is not of what the task was finished with."""
    if entry is None or (entry.repo, entry.revision, entry.root) != (task.repo, task.revision, task.root):
        return None
    return entry.model_copy(
        update={
            "crawl": task.crawl, "kind": task.kind, "hotkey": task.hotkey, "verified_tokens": task.verified_tokens,
            "warcs": entry.warcs if task.merged else task.warcs,
        }
    )  # fmt: skip


def _read(task: AcceptedTask) -> IndexEntry | str:
    """Return the entry of a task, from its manifest on the Hub, or why it has none."""
    try:
        with open_dataset(task_place(task.repo, task.revision, task.id)) as dataset:
            manifest, place = dataset.manifest, dataset.place
            names = [source.name for source in dataset.sources()] if task.merged else []
    except (HubNotFound, UsageError, VerifyError) as error:
        return str(error)
    if manifest.root != task.root:
        return f"{place} has the root {manifest.root}, and the task was finished with {task.root}"
    assert isinstance(place, Revision)  # a place with a revision is on the Hub
    warcs = tuple(path for name in names if (path := common_crawl_path(name))) if task.merged else task.warcs
    languages = sorted(manifest.languages, key=lambda code: (-manifest.languages[code], code))
    return IndexEntry(
        task=task.id, crawl=task.crawl, kind=task.kind, hotkey=task.hotkey, repo=task.repo, revision=task.revision,
        folder=place.folder, root=manifest.root, rows=manifest.rows, tokens=manifest.token_count,
        verified_tokens=task.verified_tokens, recipe=str(manifest.recipe.get("name", ""))[:64],
        recipe_hash=manifest.recipe_hash, languages=tuple(languages), warcs=warcs,
        files=data_files(place, manifest),
    )  # fmt: skip
