"""Fetch GlotLID v3, the language model of the recipe `fineweb-2`, from the Hub into the cache.

It has 1.7 GB. A download that was stopped continues where it stopped; the file gets its name when its sha256 is the
pinned one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from finest.atomic_files import Held, hold, size_and_sha256, sync
from finest.dataset.hub import Hub, RemoteFile, Revision
from finest.dataset.hub_retry import Say
from finest.errors import UsageError, VerifyError

FILE = "model_v3.bin"


class Model(NamedTuple):
    """One revision of a repository that has the file, and the file's sha256."""

    repository: str
    revision: str
    sha256: str


GLOTLID_V3 = Model(
    "cis-lmu/glotlid",
    "85cd6716494360367b75f642b5bc78667605d0b4",
    "a818b6bd42a628ab47d3dfc1578c7ea615c45381f3494c42535e31e8c4cafc9e",
)
"""Where FineWeb-2 has it from (DataTrove's `GlotLID`); Apache-2.0. The sha256 is that of the Hub's LFS file of this
revision, which has 1,687,094,687 bytes."""
GLOTLID = "glotlid-v3.bin"
"""Its name in the cache, and in the recipe `fineweb-2`."""
MAX_BYTES = 4 << 30
"""A larger file is refused: GlotLID v3 has 1.7 GB."""
_PART_BYTES = 16 << 20

Progress = Callable[[int, int], None]
"""Receives the bytes that are here, and all bytes of the file."""


def glotlid_path(cache: Path) -> Path:
    """Return where the cache keeps the model."""
    return cache / "models" / GLOTLID


def fetch_glotlid(
    cache: Path, *, model: Model = GLOTLID_V3, token: str | None = None, say: Say = lambda _: None,
    progress: Progress = lambda *_: None,
) -> Path:  # fmt: skip
    """Return the path of the model in the cache; download it if it is not there.

    Raises HubError or a subclass if the Hub does not give it, VerifyError if the file in the cache or what comes has
    another sha256 than the model's, and UsageError if another process is fetching it.
    """
    target = glotlid_path(cache)
    if target.is_file():
        if size_and_sha256(target)[1] != model.sha256:
            raise VerifyError(f"{target} is not GlotLID v3: its sha256 is another; remove it and fetch it again")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with hold(target.with_name(f".{GLOTLID}.lock")):
            _fetch(target, model, token, say, progress)
            return target
    except Held as error:
        raise UsageError(f"process {error.holder} is fetching {target} already; wait for it") from None


def _fetch(target: Path, model: Model, token: str | None, say: Say, progress: Progress) -> None:
    hub = Hub(token, say, kind="model")
    revision = Revision(model.repository, model.revision)
    file = hub.files(revision).get(FILE)
    if file is None or file.sha256 != model.sha256 or file.size_bytes > MAX_BYTES:
        raise VerifyError(f"{revision} has no {FILE} with the sha256 {model.sha256}")
    part = target.with_name(f".{GLOTLID}.{model.sha256[:16]}.part")
    _continue(part, hub, revision, file, progress)
    if size_and_sha256(part) != (file.size_bytes, model.sha256):
        part.unlink()
        raise VerifyError(f"{revision}: what came of {FILE} has another sha256 than the pinned one; fetch it again")
    os.replace(part, target)
    sync(target.parent)


def _continue(part: Path, hub: Hub, revision: Revision, file: RemoteFile, progress: Progress) -> None:
    """Append to the part what it lacks of the file."""
    with part.open("ab") as out:
        have = out.tell()
        while have < file.size_bytes:
            progress(have, file.size_bytes)
            data = hub.read(revision, FILE, have, min(have + _PART_BYTES, file.size_bytes))
            out.write(data)
            out.flush()
            have += len(data)
        os.fsync(out.fileno())
    progress(have, file.size_bytes)
