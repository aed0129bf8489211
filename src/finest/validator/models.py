"""Data models of an audit: its plan and subject, its findings, and the evidence record `finest-evidence/1`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from finest.validator.score import Measured, Score

Outcome = Literal["pass", "fail", "no_evidence"]
PageOutcome = Literal["held", "duplicate", "missed", "no_evidence"]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
MAX_WORDS = 400
"""Length limit of a check's detail, in characters."""
SHOWN_CHARS = 200
"""Length limit of an untrusted id or name, in characters."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Plan(_Model):
    """How much an audit checks. docs/concepts/scoring.md explains the defaults."""

    rows: int = Field(default=128, ge=1, le=100_000)
    """The most rows to recompute; the sequential test may stop earlier."""
    windows: int = Field(default=32, ge=1, le=10_000)
    window_pages: int = Field(default=15, ge=1, le=1_000)
    """Pages per window."""
    unique_rows: int = Field(default=50_000, ge=0)
    """Rows to compare for duplicates; whole row groups are read until there are so many."""


class Submission(_Model):
    """The submitted dataset. Fields are missing for a local folder or an uncommitted dataset."""

    repo: str | None = None
    revision: str | None = None
    line: str | None = Field(default=None, max_length=1024)
    """What stands on the chain, whatever it is."""
    hotkey: str | None = None
    uid: int | None = None
    committed_block: Count | None = None
    """Of a line that another has replaced since: the block in which the task server saw it stand."""


class Assignment(_Model):
    """The WARCs that it is to be made of; with `id`, a task that a server leased to a miner."""

    warcs: tuple[str, ...]
    """As rows name them: `s3://commoncrawl/crawl-data/...`."""
    id: str | None = None
    hotkey: str | None = None
    state: str | None = None
    commitment: str | None = None
    """The line that the task was finished with."""
    leased_block: Count | None = None
    expires_block: Count | None = None
    closed_block: Count | None = None


class Beacon(_Model):
    """The block after the commitment whose hash gives the seed."""

    block: Count
    hash: str = Field(pattern=r"^0x[0-9a-f]{64}$")


class Subject(_Model):
    """What is audited: submission, task, validator and seed."""

    submission: Submission
    task: Assignment
    seed: Hash
    validator: str | None = None
    """Hotkey of who audits; without one the evidence is nobody's word."""
    beacon: Beacon | None = None
    """What the seed follows from; without one somebody chose it."""


class Versions(_Model):
    """The software versions of an audit."""

    finest: str
    python: str
    libraries: dict[str, str]
    recipes: dict[str, Hash]
    """Hashes of the recipes that this version knows."""


class Check(_Model):
    """One admission check, or the reason why the audit ended early."""

    name: str
    outcome: Outcome
    detail: str = Field(default="", max_length=MAX_WORDS)


class Declared(_Model):
    """The manifest's statements about the dataset."""

    recipe: str
    recipe_hash: Hash
    known: bool
    """Whether this version has that recipe; rows of any other one are held against the page's visible text."""
    root: Hash
    rows: Count
    pages: Count
    token_count: Count
    size_bytes: Count


class RowFinding(_Model):
    """A row, judged again from its WARC record."""

    number: Count
    """Its number in the dataset."""
    id: str
    source: str
    offset: int
    expected: str
    """The row hash in the dataset."""
    found: str | None
    """The hash of the row that the recipe makes of the record; None where it makes none."""
    outcome: Literal["same", "forged", "no_evidence"]
    words: Count | None = None
    """Under a recipe that we do not have: the words of its text."""
    taken: float | None = None
    """And their share that is taken from the page in its order."""
    detail: str = ""


class PageFinding(_Model):
    """A page of a window that the recipe keeps: is it in the dataset?"""

    id: str
    source: str
    offset: int
    tokens: Count
    outcome: PageOutcome
    row_tokens: Count | None = None
    """Of a page that is held under a recipe that we do not have: tokens of its row's text. Else they are `tokens`."""
    witness: str | None = None
    """Of a duplicate: the id of the row that it lost against."""
    detail: str = ""


class WindowFinding(_Model):
    """A window of a source: the pages from the first record at or after `offset` on."""

    source: str
    offset: Count
    pages: Count
    """Pages that were judged."""
    kept: tuple[PageFinding, ...]
    """Those that the recipe keeps. One that an earlier window has had is not named again."""
    detail: str = ""
    """Why there is no evidence, where there is none."""


class Copy(_Model):
    """An earlier submission that holds the same texts."""

    hotkey: str
    line: str
    block: Count
    hits: Count
    """Fingerprints of this submission that the other one had first."""
    of: Count
    same_warcs: bool
    """Whether it was made of some of the same WARCs: then all of its texts may be equal."""


class Uniqueness(_Model):
    """Duplicates within a submission, and of what others submitted before."""

    rows: Count
    """Rows that were read."""
    tokens: Count
    exact: Count
    """Of them, those with the very text of an earlier one."""
    near: Count
    """Others whose MinHash agrees with an earlier one's in a bucket."""
    duplicate_tokens: Count
    unique_tokens: Count
    """Of the whole dataset: its tokens less those of duplicates, scaled up where not all rows were read."""
    fingerprints: Hash
    """sha256 over the fingerprints that go into the index."""
    copies: tuple[Copy, ...] = ()


class Quality(_Model):
    """Bits per byte of held-out text, by models of the submission, of the reference and of raw text."""

    tier: int
    """1: an n-gram model; 2: a small Llama, trained on from a pinned checkpoint."""
    tokens: Count
    bpb: float
    """Infinite where there is nothing to measure, or where the held-out text itself was submitted."""
    bpb_reference: float
    bpb_raw: float
    error_bpb: float
    figures: dict[str, int | float | str | None] = {}
    """What else was measured."""
    hashes: dict[str, str] = {}
    """Of the model's parts, and of what it was fitted and tried on."""


class Evidence(_Model):
    """A verdict and all the findings that it is based on."""

    format: Literal["finest-evidence/1"] = "finest-evidence/1"
    subject: Subject
    plan: Plan
    versions: Versions
    admission: tuple[Check, ...]
    declared: Declared | None = None
    rows: tuple[RowFinding, ...] = ()
    windows: tuple[WindowFinding, ...] = ()
    uniqueness: Uniqueness | None = None
    quality: Quality | None = None
    measured: Measured | None = None
    score: Score | None = None
    total: float | None = None
    verdict: Outcome
    why: str = Field(max_length=2 * MAX_WORDS)
    signature: str | None = Field(default=None, pattern=r"^[0-9a-f]{128}$")
    """The validator's, sr25519, over the sha256 of the canonical JSON of all else."""
