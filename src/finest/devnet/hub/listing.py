"""The files of a commit as the Hub's API lists them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from finest.devnet.hub.cas import Cas
from finest.devnet.hub.repos import Commit, Entry

Files = dict[str, Entry]


def children(files: Files, folder: str, *, recursive: bool) -> list[str]:
    """Paths in `folder` ("" for the root), folders included and ending in a slash; in the order of their names."""
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
    """One entry of a tree; `commits` are those by which "last commit" is told, empty where nobody asked."""
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
    """Every file as `repo_info` lists it, with sizes and hashes where asked for."""
    for path, entry in sorted(files.items()):
        if not blobs:
            yield {"rfilename": path}
            continue
        told: dict[str, Any] = {"rfilename": path, "size": entry.size, "blobId": entry.oid}
        if entry.in_lfs:
            told["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        yield told
