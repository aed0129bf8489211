"""Publish the dataset of a task beside those of earlier tasks: each keeps a folder of its own in the repository.

    README.md           card: `load_dataset(REPO)` gives all rows, `load_dataset(REPO, "ID")` those of one task
    tasks.jsonl         one line for each task (finest.dataset.task_list)
    tasks/ID/           manifest.json, data/ and verdicts/ of one task

A publish is one commit that adds a folder and replaces the card and the list; it removes no other task's files. A
dataset that an earlier version published at the top of the repository stays there and is loaded with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from finest.dataset.card import CARD_NAME
from finest.dataset.commit import Content, File, Progress, commit
from finest.dataset.hub import TASKS_FOLDER, Hub, RemoteFile, Revision
from finest.dataset.hub_retry import Say
from finest.dataset.limits import MAX_MANIFEST_BYTES
from finest.dataset.manifest import MANIFEST_NAME, Manifest, parse_manifest
from finest.dataset.publish import FOLDERS, files_of, read_public, title_of
from finest.dataset.task_list import LIST_NAME, TaskEntry, read_list, to_jsonl
from finest.dataset.tasks_card import tasks_card
from finest.errors import HubNotFound, UsageError, VerifyError
from finest.formatting import counted

_TOP = frozenset({CARD_NAME, LIST_NAME, TASKS_FOLDER, ".gitattributes", MANIFEST_NAME, *FOLDERS})
"""Files and folders at the top of a repository of tasks; the last three are those of earlier versions."""


def publish_task(
    folder: Path, repo: str, task: str, *, token: str | None = None, say: Say = lambda _: None,
    progress: Progress = lambda _: None,
) -> Revision:  # fmt: skip
    """Publish the dataset in `folder` as `tasks/TASK` of the repository, by one commit, and return its revision.

    Creates the repository if it does not exist. If the newest commit already holds exactly this dataset in that folder,
    nothing is sent. Several miners may publish to one repository at a time. Raises as `finest.dataset.publish.publish`.
    """
    manifest = read_public(folder)
    hub = Hub(token, say)
    name = hub.full_name(repo)
    entry = TaskEntry.of(task, manifest)
    content = Content(
        "dataset", name, f"{task}: {title_of(manifest)}", manifest.root, files_of(folder, manifest, say),
        MANIFEST_NAME,
        owned=lambda _: True, folder=entry.folder, beside=lambda head: _card_and_list(hub, head, entry, manifest, say),
    )  # fmt: skip
    return commit(hub, content, private=False, say=say, progress=progress)


def _card_and_list(hub: Hub, head: Revision, entry: TaskEntry, manifest: Manifest, say: Say) -> tuple[File, File]:
    """Return the card and the list of the repository after `entry` is added to it."""
    names = hub.names(head)
    _refuse_other_things(head, names)
    entries = [one for one in entries_of(hub, head, names, say) if one.task != entry.task]
    entries.append(entry)
    card = tasks_card(head.repo, entries, manifest, also_at_top=MANIFEST_NAME in names)
    return File.of(CARD_NAME, card.encode()), File.of(LIST_NAME, to_jsonl(entries))


def _refuse_other_things(head: Revision, names: Mapping[str, RemoteFile | None]) -> None:
    foreign = sorted(names.keys() - _TOP)
    if CARD_NAME in names and not names.keys() & {LIST_NAME, TASKS_FOLDER, MANIFEST_NAME}:
        foreign.append(CARD_NAME)
    if foreign:
        raise UsageError(
            f"{head.repo} holds other things ({foreign[0]}); name a repository for the datasets of tasks alone"
        )


def entries_of(hub: Hub, head: Revision, names: Mapping[str, RemoteFile | None], say: Say) -> list[TaskEntry]:
    """Return the entries of all tasks whose folders a revision has, in the order of the list.

    A task that the list does not name is described by its manifest.
    """
    if TASKS_FOLDER not in names:
        return []
    folders = hub.names(Revision(head.repo, head.sha, TASKS_FOLDER))
    entries = {entry.task: entry for entry in read_list(hub, head, names) if entry.task in folders}
    missing = sorted(folders.keys() - entries.keys())
    if missing:
        say(f"{LIST_NAME} of {head.repo} lacks {counted(len(missing), 'task')}: reading manifests")
    for task in missing:
        revision = Revision(head.repo, head.sha, f"{TASKS_FOLDER}/{task}")
        entries[task] = TaskEntry.of(task, _manifest(hub, revision))
    return list(entries.values())


def _manifest(hub: Hub, revision: Revision) -> Manifest:
    file = hub.names(revision).get(MANIFEST_NAME)
    if file is None or file.size_bytes > MAX_MANIFEST_BYTES:
        raise VerifyError(f"{revision} holds no {MANIFEST_NAME}; remove this folder, or name another repository")
    return parse_manifest(hub.read(revision, MANIFEST_NAME, 0, file.size_bytes), f"{revision}: {MANIFEST_NAME}")


def changed_since(revision: Revision, *, token: str | None = None) -> str | None:
    """Return what became of a task's folder on `main` since a revision; None if it is still there as it was.

    Raises HubError or a subclass if the Hub does not say; HubNotFound if the repository or the revision is gone.
    """
    hub = Hub(token)
    sha = hub.head(revision.repo).sha
    if not revision.folder or sha == revision.sha:
        return None
    try:
        now = hub.files(replace(revision, sha=sha))
    except HubNotFound:
        return f"{revision.folder} was removed from {revision.repo}"
    if now != hub.files(revision):
        return f"{revision.folder} was changed in {revision.repo}"
    return None
