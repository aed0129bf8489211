"""Model files by place: a local path, or `hf:OWNER/NAME@REVISION` for a model repository on the Hub.

A model on the Hub is one commit of a repository with exactly one `*.safetensors` file and a `model.json` at its root.
Whatever a stranger put there costs at most MAX_MODEL_BYTES of memory, and nothing is written to the cache before its
sha256 is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from finest.atomic_files import size_and_sha256, write_whole
from finest.dataset.hub import REVISION, Hub, RemoteFile, Revision
from finest.dataset.hub_retry import Say
from finest.errors import UsageError, VerifyError
from finest.recipe.quality_model import MAX_MODEL_BYTES
from finest.recipe.quality_model.place import cached_path
from finest.recipe.stages.quality_model import SUFFIX

HUB_PREFIX = "hf:"
RECORD_NAME = "model.json"
"""File beside the weights that says what the model was trained on and how it was evaluated."""
MAX_RECORD_BYTES = 16 << 20
"""Maximum size of a model.json; it holds evaluations and samples, about 100 kB."""

_PLACE = re.compile(rf"(?:{HUB_PREFIX})?{REVISION}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model of the Hub, whose weights are in the cache."""

    revision: Revision
    name: str
    """File name of the weights in the repository."""
    weights: Path
    sha256: str
    record: bytes
    """The untrusted content of `model.json`."""


def parse_model_place(text: str) -> Revision:
    """Parse `hf:OWNER/NAME@REVISION` (the `hf:` may be left out); raises UsageError for anything else."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise UsageError(f"{text[:200]!r} is no model on the Hub: write hf:OWNER/NAME@REVISION with 40 hex digits")
    return Revision(found[1], found[2])


def fetch_model(spec: str, sha256: str, cache: Path, *, token: str | None = None, say: Say = lambda _: None) -> Path:
    """Return a local file with this sha256: `spec` itself if it is a path, else a copy of the Hub's file in `cache`.

    A file in the cache is checked and used without a request. Raises VerifyError if the file at `spec` has another
    sha256 or is too large; HubNotFound, HubUnavailable or HubError if the Hub does not give it; UsageError for a
    `spec` that is neither.
    """
    if not _SHA256.fullmatch(sha256):
        raise UsageError(f"the sha256 of model {spec[:200]!r} has to be 64 lower-case hex digits")
    if not spec.startswith(HUB_PREFIX):
        return _local(Path(spec), sha256)
    revision = parse_model_place(spec)
    cached = cached_path(cache, sha256)
    if _is_whole(cached, sha256):
        return cached
    hub = Hub(token, say, kind="model")
    file = _weights(revision, hub.files(revision))
    if file.sha256 != sha256:
        raise VerifyError(f"{revision}: {file.path} has the sha256 {file.sha256}, not the {sha256} that was named")
    return _download(hub, revision, file, cached)


def published_model(place: str, cache: Path, *, token: str | None = None, say: Say = lambda _: None) -> PublishedModel:
    """Fetch the model at `hf:OWNER/NAME@REVISION` with its record. Raises as `fetch_model` does."""
    revision = parse_model_place(place)
    hub = Hub(token, say, kind="model")
    files = hub.files(revision)
    file = _weights(revision, files)
    record = files.get(RECORD_NAME)
    if record is None or record.size_bytes > MAX_RECORD_BYTES:
        raise VerifyError(f"{revision} holds no {RECORD_NAME} of at most {MAX_RECORD_BYTES} bytes: no model of ours")
    data = hub.whole(revision, record)
    cached = cached_path(cache, str(file.sha256))
    if not _is_whole(cached, str(file.sha256)):
        _download(hub, revision, file, cached)
    return PublishedModel(revision, file.path, cached, str(file.sha256), data)


def _local(path: Path, sha256: str) -> Path:
    if not path.is_file():
        raise UsageError(f"{path}: no such model file; name a file, or hf:OWNER/NAME@REVISION")
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise VerifyError(f"{path}: larger than the {MAX_MODEL_BYTES} bytes that a model may have")
    found = size_and_sha256(path)[1]
    if found != sha256:
        raise VerifyError(f"{path} has the sha256 {found}, not the {sha256} that was named")
    return path


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and path.stat().st_size <= MAX_MODEL_BYTES and size_and_sha256(path)[1] == sha256


def _weights(revision: Revision, files: dict[str, RemoteFile]) -> RemoteFile:
    """Return the one file of weights at the root of the repository, after checking its size as the Hub states it."""
    found = [file for path, file in files.items() if path.endswith(SUFFIX) and "/" not in path]
    if len(found) != 1:
        raise VerifyError(f"{revision} holds {len(found)} files *{SUFFIX}, and a model of ours is exactly one")
    if found[0].sha256 is None:
        raise VerifyError(f"{revision}: {found[0].path} is not stored as a large file, so the Hub states no sha256")
    if found[0].size_bytes > MAX_MODEL_BYTES:
        raise VerifyError(f"{revision}: {found[0].path} is larger than the {MAX_MODEL_BYTES} bytes a model may have")
    return found[0]


def _download(hub: Hub, revision: Revision, file: RemoteFile, target: Path) -> Path:
    data = hub.whole(revision, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, data)
    return target
