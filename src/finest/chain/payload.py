"""The lines that are committed on the chain: a miner's dataset, and the head of a task server's public log.

A miner commits the dataset, its revision and the Merkle root of its rows:

    fd1:<repository>@<revision, 40 hex digits>#<root, 32 to 64 hex digits>

A field on the chain has at most 128 bytes (`Raw128`, its largest plain text). "fd1:", "@", the revision and "#" take 46
of them, so 82 are left for the repository's name and the Merkle root of the dataset's rows. With a name of up to 18
characters the whole root fits (64 digits, 256 bits). Each further character of the name takes a digit from the root;
the longest allowed name, 50 characters, leaves its first 32 digits, which are 128 bits.

128 bits are enough. To pass off other rows under a commitment, an attacker needs a second dataset whose root begins
with the same digits. For the commitment of another miner that is a second preimage: 2^128 trials. A miner who
prepares both datasets needs a collision, which takes 2^64 trials, and must find it for two Git revisions whose SHA-1
collides too (2^63), because the revision is on the chain and its manifest holds the whole root. A line always has as
many digits as fit, so nobody can choose a shorter root.

A task server commits the number and the head of the newest entry of its log (finest.tasks.event_log):

    fdlog1:<number>#<head, 64 hex digits>
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from finest.errors import UsageError

LIMIT_BYTES = 128
"""`Data::Raw128`, the largest plain field of subtensor's commitments pallet."""
ROOT_DIGITS = 64
MIN_ROOT_DIGITS = 32
"""The shortest root, 128 bits; the module's docstring explains why that is enough."""
_FRAME_BYTES = len("fd1:") + len("@") + 40 + len("#")
MAX_REPO = LIMIT_BYTES - _FRAME_BYTES - MIN_ROOT_DIGITS
"""50 characters for `namespace/name`."""

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_LINE = re.compile(r"fd1:([^@#:\s]{3,50})@([0-9a-f]{40})#([0-9a-f]{32,64})", re.ASCII)
_ANCHOR = re.compile(r"fdlog1:([1-9][0-9]{0,18})#([0-9a-f]{64})", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Commitment:
    """The content of a commitment line: a repository on the Hub, its revision, and the first digits of the root."""

    repo: str
    revision: str
    root: str

    @property
    def line(self) -> str:
        """The commitment as text, in the form that is written to the chain."""
        return f"fd1:{self.repo}@{self.revision}#{self.root}"

    def covers(self, root: str) -> bool:
        """Whether this commitment is to `root` (64 hex digits, from the manifest)."""
        return len(root) == ROOT_DIGITS and root.startswith(self.root)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest entry of a task server's log: its number, and the hash over all entries up to it."""

    number: int
    head: str

    @property
    def line(self) -> str:
        """The anchor as text, in the form that is written to the chain."""
        return f"fdlog1:{self.number}#{self.head}"


def decode_anchor(text: object) -> Anchor | None:
    """Parse the line of an anchor; None for any other text. Never raises."""
    match = _ANCHOR.fullmatch(text) if isinstance(text, str) else None
    return Anchor(int(match[1]), match[2]) if match else None


def encode(repo: str, revision: str, root: str) -> str:
    """The commitment line for a dataset. Give the whole `root` (64 hex digits); the line has as many as fit.

    Raises UsageError for an invalid revision or root and for a name that the Hub or the limit does not allow.
    """
    _check_repo(repo)
    if len(revision) != 40 or not _HEX.fullmatch(revision):
        raise UsageError(
            f"{revision!r} is not a revision: it must have 40 lower-case hex digits (`finest publish` prints it)"
        )
    if len(root) != ROOT_DIGITS or not _HEX.fullmatch(root):
        raise UsageError(f"{root!r} is not a Merkle root: it must have 64 lower-case hex digits (manifest.json has it)")
    return Commitment(repo, revision, root[: _root_digits(repo)]).line


def decode(text: object) -> Commitment | None:
    """Parse a commitment line; None for any text that `encode` cannot have written. Never raises."""
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
    """Whether `namespace/name` is short enough, ASCII and valid on the Hub (huggingface_hub's validate_repo_id)."""
    if len(repo) > MAX_REPO or "--" in repo or ".." in repo or repo.endswith(".git"):
        return False
    return _REPO.fullmatch(repo) is not None


def _check_repo(repo: str) -> None:
    if len(repo) > MAX_REPO:
        raise UsageError(
            f"repository name {repo[:60]!r} has {len(repo)} characters, but a commitment allows {MAX_REPO}: "
            "publish under a shorter name (--hf-repo)"
        )
    if not _valid(repo):
        raise UsageError(f"{repo!r} is not a repository name: write namespace/name as on the Hub (--hf-repo)")
