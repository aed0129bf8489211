"""The line that a miner commits on the chain: which dataset, at which revision, with which rows.

    fd1:<repository>@<revision, 40 hex digits>#<root, 32 to 64 hex digits>

The chain keeps 128 bytes a field (`Raw128`, its largest plain text). "fd1:", "@", the revision and "#" are 46 of them,
so 82 are left for the repository's name and the Merkle root of the dataset's rows. A name of up to 18 characters leaves
room for the whole root (64 digits, 256 bits); each further character costs the root a digit, and at the longest name
allowed, 50 characters, the first 32 digits remain: 128 bits.

128 bits are enough. Whoever would pass off other rows under a commitment needs a second dataset whose root begins with
the same digits. For somebody else's commitment that is a second preimage: 2^128 trials. A miner who prepares both
datasets needs a collision, 2^64 trials, and must make it with the same two Git revisions whose SHA-1 also collides
(2^63), for the revision is on the chain as well, and the manifest in it holds the whole root. A line holds as many
digits as fit, no fewer: nobody can choose a shorter root.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from finest.errors import UsageError

LIMIT_BYTES = 128
"""`Data::Raw128`, the largest plain field of subtensor's commitments pallet."""
ROOT_DIGITS = 64
MIN_ROOT_DIGITS = 32
"""128 bits; see the module's head."""
_FRAME_BYTES = len("fd1:") + len("@") + 40 + len("#")
MAX_REPO = LIMIT_BYTES - _FRAME_BYTES - MIN_ROOT_DIGITS
"""50 characters for `namespace/name`."""

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_LINE = re.compile(r"fd1:([^@#:\s]{3,50})@([0-9a-f]{40})#([0-9a-f]{32,64})", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a committed line says: a repository on the Hub, its revision, and how the root of its rows begins."""

    repo: str
    revision: str
    root: str

    @property
    def line(self) -> str:
        """As it stands on the chain."""
        return f"fd1:{self.repo}@{self.revision}#{self.root}"

    def covers(self, root: str) -> bool:
        """Whether `root` (64 hex digits, from the manifest) is the one committed to."""
        return len(root) == ROOT_DIGITS and root.startswith(self.root)


def encode(repo: str, revision: str, root: str) -> str:
    """The line for a dataset; `root` is whole (64 hex digits) and cut to what fits.

    Raises UsageError for a name that the Hub or the limit does not allow, or for what is no revision or root.
    """
    _check_repo(repo)
    if len(revision) != 40 or not _HEX.fullmatch(revision):
        raise UsageError(
            f"{revision!r} is no revision of a dataset: 40 lower-case hex digits are (`finest publish` says it)"
        )
    if len(root) != ROOT_DIGITS or not _HEX.fullmatch(root):
        raise UsageError(f"{root!r} is no Merkle root: 64 lower-case hex digits are (manifest.json has it)")
    return Commitment(repo, revision, root[: _root_digits(repo)]).line


def decode(text: object) -> Commitment | None:
    """What a line says; None for anything that `encode` cannot have written. Never raises."""
    match = _LINE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    repo, revision, root = match.groups()
    if not _valid(repo) or len(root) != _root_digits(repo):
        return None
    return Commitment(repo, revision, root)


def _root_digits(repo: str) -> int:
    return min(ROOT_DIGITS, LIMIT_BYTES - _FRAME_BYTES - len(repo))


def _valid(repo: str) -> bool:
    """The Hub's rules for `namespace/name` (huggingface_hub's validate_repo_id), in ASCII, within our length."""
    if len(repo) > MAX_REPO or "--" in repo or ".." in repo or repo.endswith(".git"):
        return False
    return _REPO.fullmatch(repo) is not None


def _check_repo(repo: str) -> None:
    if len(repo) > MAX_REPO:
        raise UsageError(
            f"repository name {repo[:60]!r} has {len(repo)} characters; a commitment has room for {MAX_REPO}: "
            "publish under a shorter name (--hf-repo)"
        )
    if not _valid(repo):
        raise UsageError(f"{repo!r} is no repository name: write namespace/name as the Hub has it (--hf-repo)")
