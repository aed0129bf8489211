"""Submit a recipe: seal it on the chain, and publish and open it when the round's seals are closed.

Nothing of it is on the Hub before that, so nobody can read it. The salt is written before the seal is sent: without it
the seal could never be opened. Each step is repeatable; the same command continues where it was stopped.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from finest.atomic_files import write_whole
from finest.chain.payload import MAX_REPO
from finest.chain.recipe_lines import Opening, new_salt, sealed
from finest.contest.submission import RECIPE_NAME
from finest.dataset.commit import Content, File, commit
from finest.dataset.hub import Hub, Revision
from finest.errors import UsageError
from finest.formatting import duration
from finest.recipe.stages.quality_model import SUFFIX

if TYPE_CHECKING:
    from finest.chain.subnet import Chain
    from finest.contest.calendar import Calendar
    from finest.contest.submission import Submission

Say = Callable[[str], None]
_OWNERS = frozenset({"README.md", "LICENSE"})


class Sealed(BaseModel):
    """A submission on its way, as its file keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hotkey: str
    track: int
    digest: str
    repo: str
    salt: str
    block: int | None = None
    """The block of the seal; None until it is on the chain."""
    number: int | None = None
    """The round."""
    opened: str | None = None
    """REPO@REVISION once it is open."""


def seal(chain: Chain, calendar: Calendar, submission: Submission, track: int, repo: str, path: Path) -> Sealed:
    """Seal a submission in the running round, and remember it in `path`. Does nothing if that is done already.

    Raises UsageError if `path` has another submission whose round is not over, ChainError.
    """
    hotkey, digest = chain.hotkey.address, submission.digest
    if "/" not in repo or len(repo) > MAX_REPO:
        raise UsageError(f"--hf-repo {repo[:80]!r}: write OWNER/NAME of at most {MAX_REPO} characters")
    before = read_sealed(path)
    if before is not None and (before.opened or _is_over(chain, calendar, before)):
        before = None
    state = before or Sealed(hotkey=hotkey, track=track, digest=digest, repo=repo, salt=new_salt())
    if (state.hotkey, state.track, state.digest) != (hotkey, track, digest):
        raise UsageError(
            f"{path} has another submission, sealed and not opened yet: open it with finest contest open, or name "
            "another file with --state"
        )
    if state.block is None:
        write_sealed(path, state)
        receipt = chain.commit(sealed(hotkey, track, digest, state.salt).line)
        number = calendar.number_at(receipt.block)
        state = state.model_copy(update={"block": receipt.block, "number": number})
        write_sealed(path, state)
    return state


def _is_over(chain: Chain, calendar: Calendar, state: Sealed) -> bool:
    """Return whether the round takes no more openings; what was sealed for it and not opened is worth nothing."""
    return state.number is not None and chain.block() > calendar.opened(state.number)


def blocks_to_opening(chain: Chain, calendar: Calendar, state: Sealed) -> int:
    """Return the blocks until the submission may be opened; 0 if it may now. Raises UsageError if it is too late."""
    if state.number is None:
        raise UsageError("nothing is sealed yet; run: finest contest submit")
    block = chain.block()
    if block > calendar.opened(state.number):
        raise UsageError(
            f"round {state.number} took openings up to block {calendar.opened(state.number)}, and it is block {block}: "
            "submit again"
        )
    return max(0, calendar.close(state.number) + 1 - block)


def open_sealed(chain: Chain, state: Sealed, submission: Submission, path: Path, say: Say) -> Sealed:
    """Publish the submission and open its seal; raises UsageError if it is another one, HubError, ChainError."""
    if submission.digest != state.digest:
        raise UsageError("the folder has changed since it was sealed: restore it, or submit it in the next round")
    revision = publish(submission, state.repo, say)
    chain.commit(Opening(revision.repo, revision.sha, state.salt).line)
    state = state.model_copy(update={"opened": str(revision)})
    write_sealed(path, state)
    return state


def publish(submission: Submission, repo: str, say: Say) -> Revision:
    """Publish a submission as one commit of a public model repository; an equal one is not published again."""
    with tempfile.TemporaryDirectory(prefix="finest-contest-") as folder:
        files = []
        for name, data in submission.files.items():
            file = File.of(name, data)
            if name.endswith(SUFFIX):
                (Path(folder) / name).write_bytes(data)
                file = File(name, len(data), file.sha256, "", local=Path(folder) / name)
            files.append(file)
        content = Content(
            "recipe", repo, f"{submission.recipe.name}: recipe {submission.digest}", submission.digest, tuple(files),
            RECIPE_NAME, lambda path: "/" not in path and path.endswith((SUFFIX, ".toml")), _OWNERS,
        )  # fmt: skip
        return commit(Hub(say=say, kind="model"), content, private=False, say=say, progress=lambda _: None)


def waiting(blocks: int, block_time_s: float) -> str:
    """Say how long it is until the submission may be opened."""
    return f"It may be opened in {blocks:,} blocks, {duration(blocks * block_time_s)} from now"


def read_sealed(path: Path) -> Sealed | None:
    """Read the file of a submission; None if there is none. Raises UsageError if it is no such file."""
    if not path.exists():
        return None
    try:
        return Sealed.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise UsageError(f"{path} is no file of finest contest submit: {str(error)[:200]}") from error


def write_sealed(path: Path, state: Sealed) -> None:
    """Write the file, readable by its owner alone: the salt is a secret until the opening."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, state.model_dump_json(indent=1).encode() + b"\n", 0o600)
