"""Parquet, JSONL and CSV files of any dataset repository on the Hub, as sources of training texts.

They are named `OWNER/NAME@REVISION`, or `OWNER/NAME@REVISION:PATTERN` for the files that match a pattern of the shell.
The revision is a commit of 40 hex digits, so that a model says exactly what it was trained on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from finest.dataset.hub import REVISION, TASKS_FOLDER, Hub, Revision
from finest.dataset.manifest import MANIFEST_NAME
from finest.errors import SourceError
from finest.models.tables import SUFFIXES, form_of

_PLACE = re.compile(rf"{REVISION}(?::(.+))?")


@dataclass(frozen=True, slots=True)
class HubFile:
    name: str
    """`OWNER/NAME@REVISION:PATH`."""
    path: Path
    """The local copy, in the cache of the Hub's client."""
    revision: str


def is_hub_place(spec: str) -> bool:
    """Return whether `spec` has the form of a repository at a revision, with or without a pattern."""
    return _PLACE.fullmatch(spec) is not None


def hub_files(spec: str) -> list[HubFile] | None:
    """Download the files that `spec` names, sorted by path; None if it names no repository, or a dataset of ours.

    A download that was stopped continues. Raises SourceError if no file of the repository fits; HubNotFound,
    HubUnavailable or another HubError if the Hub does not give it.
    """
    found = _PLACE.fullmatch(spec)
    if not found:
        return None
    revision, pattern = Revision(found[1], found[2]), found[3]
    hub = Hub()
    paths = sorted(hub.files(revision))
    if pattern is None and any(path == MANIFEST_NAME or path.startswith(f"{TASKS_FOLDER}/") for path in paths):
        return None
    wanted = [path for path in paths if form_of(path) and (pattern is None or fnmatchcase(path, pattern))]
    if not wanted:
        fitting = f"fits {pattern} and " if pattern else ""
        raise SourceError(f"{spec}: none of its {len(paths)} files {fitting}ends in {', '.join(SUFFIXES)}")
    place = f"{revision.repo}@{revision.sha}"
    return [HubFile(f"{place}:{path}", hub.local_copy(revision, path), revision.sha) for path in wanted]
