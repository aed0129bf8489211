"""List the files of a commit in the format of the Hub's API."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from finest.devnet.hub.cas import Cas
from finest.devnet.hub.repos import Commit, Entry

Files = dict[str, Entry]


def children(files: Files, folder: str, *, recursive: bool) -> list[str]:
    """Return the paths in `folder` ("" for the root), sorted by name; folders end in a slash."""
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    found: dict[str, None] = {}
    for path in sorted(files):
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) :].split("/")
        folders = len(parts) - 1 if recursive else min(1, len(parts) - 1)
        found.update((f"{prefix}{'/'.join(parts[: depth + 1])}/", None) for depth in range(folders))
        if recursive or len(parts) == 1:
            found[path] = None
    return list(found)


def has_folder(files: Files, folder: str) -> bool:
    return any(path.startswith(f"{folder}/") for path in files)


def item(files: Files, path: str, cas: Cas, commits: dict[str, Commit]) -> dict[str, Any]:
    """Return one entry of a tree; `commits` supplies "last commit" and is empty if the client did not request it."""
    entry = files.get(path)
    if entry is None:
        return _folder(files, path.rstrip("/"), commits)
    told: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    if entry.in_lfs:
        told["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        if xet_hash := cas.hash_of(entry.sha256):
            told["xetHash"] = xet_hash
    return {**told, **_last_commit(commits.get(entry.commit))}


def _folder(files: Files, path: str, commits: dict[str, Commit]) -> dict[str, Any]:
    inside = {name: entry for name, entry in files.items() if name.startswith(f"{path}/")}
    listing = "\n".join(f"{entry.oid} {name}" for name, entry in sorted(inside.items()))
    oid = hashlib.sha1(listing.encode(), usedforsecurity=False).hexdigest()
    changed = [commits[entry.commit] for entry in inside.values() if entry.commit in commits]
    last = max(changed, key=lambda commit: commit.date, default=None)
    return {"type": "directory", "oid": oid, "size": 0, "path": path, **_last_commit(last)}


def _last_commit(commit: Commit | None) -> dict[str, Any]:
    return {"lastCommit": {"id": commit.id, "title": commit.title, "date": commit.date}} if commit else {}


def siblings(files: Files, *, blobs: bool) -> Iterator[dict[str, Any]]:
    """Yield every file in the format of `repo_info`, with sizes and hashes if `blobs` is set."""
    for path, entry in sorted(files.items()):
        if not blobs:
            yield {"rfilename": path}
            continue
        told: dict[str, Any] = {"rfilename": path, "size": entry.size, "blobId": entry.oid}
        if entry.in_lfs:
            told["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        yield told
