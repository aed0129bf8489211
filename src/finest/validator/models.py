"""Data models of an audit: its plan and subject, its findings, and the evidence record `finest-evidence/1`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from finest.dataset.merge_inputs import MergeLease
from finest.dataset.page_choice import PageChoice
from finest.validator.score import Measured, Score

Outcome = Literal["pass", "fail", "no_evidence"]
PageOutcome = Literal["held", "duplicate", "left_out", "missed", "no_evidence"]
"""`left_out`: the dataset is a selection, and the page's row does not satisfy its rule."""
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
    """Minimum number of rows to compare for duplicates; whole row groups are read until there are so many."""


class Submission(_Model):
    """The submitted dataset. Fields are missing for a local folder or an uncommitted dataset."""

    repo: str | None = None
    revision: str | None = None
    line: str | None = Field(default=None, max_length=1024)
    """The line on the chain, even if it is invalid."""
    hotkey: str | None = None
    uid: int | None = None
    committed_block: Count | None = None
    """The block of the commitment. For a line that was replaced since, the block in which the task server saw it."""


class Assignment(_Model):
    """The WARCs that the dataset must be made from; with `id`, a task that a server leased to a miner."""

    warcs: tuple[str, ...]
    """The WARCs' names as in the rows: `s3://commoncrawl/crawl-data/...`."""
    id: str | None = None
    hotkey: str | None = None
    state: str | None = None
    commitment: str | None = None
    """The line with which the task was finished."""
    leased_block: Count | None = None
    expires_block: Count | None = None
    due_block: Count | None = None
    """The block at which the lease ended before any renewal."""
    closed_block: Count | None = None
    language: str | None = Field(default=None, max_length=16)
    """The language of the task, such as `deu_Latn`; None for English and for tasks that name none."""
    recipe_hash: Hash | None = None
    """The recipe that the task asks for; None for any."""
    price: float = Field(default=1.0, ge=0)
    """Multiple of the usual pay of a verified token."""
    packet: PageChoice | None = None
    """The only pages that the task is of; None for whole WARCs."""
    merge: MergeLease | None = None
    """The datasets that the task is to merge."""

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the fields of special work where they say nothing, so that earlier signatures still hold."""
        data: dict[str, Any] = handler(self)
        usual = {"language": None, "recipe_hash": None, "price": 1.0, "packet": None, "merge": None}
        return {name: value for name, value in data.items() if name not in usual or value != usual[name]}


class Beacon(_Model):
    """A block after the commitment, whose hash gives the seed."""

    block: Count
    hash: str = Field(pattern=r"^0x[0-9a-f]{64}$")


class Subject(_Model):
    """The subject of an audit: submission, task, validator and seed."""

    submission: Submission
    task: Assignment
    seed: Hash
    validator: str | None = None
    """Hotkey of the validator that audits; without one, nobody vouches for the evidence."""
    beacon: Beacon | None = None
    """The block from which the seed is computed; None if somebody chose the seed."""


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
    """Whether this version has the recipe; rows of an unknown recipe are compared with their pages' visible text."""
    root: Hash
    rows: Count
    pages: Count
    token_count: Count
    size_bytes: Count


class RowFinding(_Model):
    """The finding of a row that was judged again from its WARC record."""

    number: Count
    """The row's index in the dataset."""
    id: str
    source: str
    offset: int
    expected: str
    """The row hash in the dataset."""
    found: str | None
    """The hash of the row that the recipe makes from the record; None if it makes no row."""
    outcome: Literal["same", "forged", "no_evidence"]
    words: Count | None = None
    """Under an unknown recipe, the number of words in the row's text."""
    taken: float | None = None
    """Under an unknown recipe, the share of these words that is taken from the page in its order."""
    detail: str = ""


class PageFinding(_Model):
    """The finding of a page that the recipe keeps: whether the dataset has it."""

    id: str
    source: str
    offset: int
    tokens: Count
    outcome: PageOutcome
    row_tokens: Count | None = None
    """For a held page under an unknown recipe, the tokens of its row's text; None means as many as `tokens`."""
    witness: str | None = None
    """For a duplicate, the id of the row that was kept instead."""
    detail: str = ""


class WindowFinding(_Model):
    """A window of a source: the pages from the first record at or after `offset` on."""

    source: str
    offset: Count
    pages: Count
    """Number of pages that were judged."""
    kept: tuple[PageFinding, ...]
    """Pages that the recipe keeps. A page of an earlier window is not repeated."""
    detail: str = ""
    """Why the window gives no evidence; empty if it does."""


class Copy(_Model):
    """An earlier submission that contains the same texts."""

    hotkey: str
    line: str
    block: Count
    hits: Count
    """Number of fingerprints of this submission that the other one had first."""
    of: Count
    same_warcs: bool
    """Whether both submissions share source WARCs, in which case all of their texts may be equal."""


class Uniqueness(_Model):
    """Duplicates within a submission, and texts that others submitted before."""

    rows: Count
    """Number of rows that were read."""
    tokens: Count
    exact: Count
    """Rows with exactly the text of an earlier row."""
    near: Count
    """Other rows whose MinHash signature agrees with an earlier row's in a bucket."""
    duplicate_tokens: Count
    unique_tokens: Count
    """Unique tokens of the whole dataset: all tokens minus those of duplicates, scaled up if not all rows were read."""
    fingerprints: Hash
    """The sha256 over the fingerprints that are added to the index."""
    copies: tuple[Copy, ...] = ()


class Quality(_Model):
    """Bits per byte of held-out text, for models of the submission, of the reference and of raw text."""

    tier: int
    """1: an n-gram model; 2: a small Llama whose training continues from a pinned checkpoint."""
    tokens: Count
    bpb: float
    """Infinite if there is nothing to measure, or if the held-out text itself was submitted."""
    bpb_reference: float
    bpb_raw: float
    error_bpb: float
    figures: dict[str, int | float | str | None] = {}
    """Other measured figures."""
    hashes: dict[str, str] = {}
    """The sha256s of the model's parts, and of the texts it was trained and tested on."""


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
    """The validator's sr25519 signature over the sha256 of the canonical JSON of all other fields."""
