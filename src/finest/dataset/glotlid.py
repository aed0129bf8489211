"""Fetch GlotLID v3, the language model of the recipe `fineweb-2`, from the Hub into the cache.

It has 1.7 GB. A download that was stopped continues where it stopped; the file gets its name when its sha256 is the one
that the Hub states.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from finest.atomic_files import Held, hold, size_and_sha256, sync
from finest.dataset.hub import Hub, RemoteFile, Revision
from finest.dataset.hub_retry import Say
from finest.errors import UsageError, VerifyError

REPOSITORY, FILE = "cis-lmu/glotlid", "model_v3.bin"
"""Where FineWeb-2 has it from (DataTrove's `GlotLID`); Apache-2.0."""
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
    cache: Path, *, repository: str = REPOSITORY, token: str | None = None, say: Say = lambda _: None,
    progress: Progress = lambda *_: None,
) -> tuple[Path, str]:  # fmt: skip
    """Return the path of the model in the cache and its sha256; download it if it is not there.

    Raises HubError or a subclass if the Hub does not give it, VerifyError if what comes is not the file that the Hub
    lists, and UsageError if another process is fetching it.
    """
    target = glotlid_path(cache)
    if target.is_file():
        return target, size_and_sha256(target)[1]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with hold(target.with_name(f".{GLOTLID}.lock")):
            return target, _fetch(target, repository, token, say, progress)
    except Held as error:
        raise UsageError(f"process {error.holder} is fetching {target} already; wait for it") from None


def _fetch(target: Path, repository: str, token: str | None, say: Say, progress: Progress) -> str:
    hub = Hub(token, say, kind="model")
    revision = Revision(repository, hub.head(repository).sha)
    file = hub.files(revision).get(FILE)
    if file is None or file.sha256 is None or file.size_bytes > MAX_BYTES:
        raise VerifyError(f"{revision} has no {FILE} of at most {MAX_BYTES:,} bytes whose sha256 the Hub states")
    part = target.with_name(f".{GLOTLID}.{file.sha256[:16]}.part")
    _continue(part, hub, revision, file, progress)
    size, sha256 = size_and_sha256(part)
    if (size, sha256) != (file.size_bytes, file.sha256):
        part.unlink()
        raise VerifyError(f"{revision}: what came of {FILE} has another sha256 than the Hub states; fetch it again")
    os.replace(part, target)
    sync(target.parent)
    return sha256


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
