"""The API's request and answer models, and the rules of a server.

Leases are counted in blocks of the chain (12 s each on the main network), because blocks are a clock that everybody
shares. No request names its sender: the signature says who it is (finest.chain.auth).
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from finest.dataset.merge_inputs import MergeLease
from finest.dataset.page_choice import PageChoice
from finest.formatting import counted

DAY_BLOCKS = 7200
"""The number of 12 s blocks in a day."""
MAX_WARCS = 64
"""The most WARCs in one lease: about a day's work of a big cluster."""

Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Root = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TaskId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Address = Annotated[str, StringConstraints(pattern=r"^[1-9A-HJ-NP-Za-km-z]{46,50}$")]
"""A hotkey as an ss58 address."""
EvidencePlace = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,96}/[A-Za-z0-9._-]{1,96}@[0-9a-f]{40}#[0-9a-f]{64}$")
]
"""A published batch of evidence: OWNER/NAME@REVISION#ROOT, with the Merkle root over its records."""
Verdict = Literal["pass", "fail", "no_evidence"]
WorkKind = Literal["crawl", "language", "refinement", "packets", "merge"]
"""Kinds of work: a crawl with any recipe; a language of a crawl; a crawl once more after a change of the recipe; pages
of a crawl that its index chose, in packets; accepted datasets of a crawl, which become one."""
WORK_KINDS: tuple[WorkKind, ...] = get_args(WorkKind)
FIRST_KINDS: tuple[WorkKind, ...] = ("crawl", "language", "refinement")
"""Kinds that miners do whose requests name none, as those of earlier versions."""
MAX_PRICE = 10.0
"""The highest price of a verified token. Validators take a higher one for this, so a server cannot give one miner the
whole pay of a subnet with one small task."""
MAX_RECIPES = 256
Price = Annotated[float, Field(gt=0, le=MAX_PRICE, allow_inf_nan=False)]
EventKind = Literal[
    "leased", "renewed", "finished", "released", "expired", "sealed", "scored", "reopened", "revealed", "imported",
    "removed",
]  # fmt: skip
CanaryKind = Literal["good", "bad"]


class TaskState(str, Enum):
    """The state of a task. All states but `leased` are final; tasks are never deleted."""

    LEASED = "leased"
    FINISHED = "finished"
    RELEASED = "released"
    EXPIRED = "expired"


class Rules(BaseModel):
    """The limits of a server, chosen by its operator."""

    model_config = ConfigDict(frozen=True)

    redundancy: int = Field(default=1, ge=1, le=16, description="Number of miners that get the same WARC.")
    lease_blocks: int = Field(
        default=1800, ge=1, description="Blocks until a lease expires; a renewal restarts the count."
    )
    window_blocks: int = Field(default=DAY_BLOCKS, ge=1)
    tasks_per_window: int = Field(default=48, ge=1, description="Leases that a hotkey gets in any `window_blocks`.")
    open_leases: int = Field(default=2, ge=1, le=8, description="Leases that a hotkey may hold at a time.")
    coldkey_leases: int = Field(
        default=16, ge=1, description="Leases that all hotkeys of a coldkey together may hold at a time."
    )
    lease_lengths: int = Field(
        default=4, ge=1, description="A lease ends after so many times `lease_blocks`, however often it is renewed."
    )
    fails_to_reopen: int = Field(
        default=1, ge=1, description="Fails, and more fails than passes, after which a task's WARCs are leased again."
    )
    min_validator_stake: float = Field(
        default=0.0, ge=0, description="Stake in alpha that a validator needs besides its permit."
    )


class Body(BaseModel):
    """Base of all request bodies: an unknown field is an error, and `true` or `"1"` is not accepted as a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LeaseRequest(Body):
    """Request for a lease. The server returns an open lease again, unless `besides` names it: then it adds another."""

    warcs: int = Field(default=4, ge=1, le=MAX_WARCS)
    crawl: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    besides: TaskId | None = None
    recipes: list[Root] = Field(
        default=[], max_length=MAX_RECIPES,
        description="Hashes of the recipes that the miner can use. Work that asks for another one is not leased to it.",
    )  # fmt: skip
    kinds: list[WorkKind] = Field(
        default=list(FIRST_KINDS), max_length=16,
        description="Kinds of work that the miner can do. Work of another kind is not leased to it.",
    )  # fmt: skip


class FinishRequest(Body):
    """The published dataset, committed on the chain before as finest.chain.payload.encode(repo, revision, root)."""

    repo: str = Field(min_length=3, max_length=50)
    revision: Revision
    root: Root


class ScoreRequest(Body):
    """A validator's verdict on a finished task. A later one of the same validator replaces it in all sums."""

    verdict: Verdict
    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    tokens: int | None = Field(default=None, ge=0, le=10**15, description="Verified tokens; 0 unless it is a pass.")
    evidence_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    evidence: EvidencePlace | None = Field(
        default=None, description="Where the evidence is published: OWNER/NAME@REVISION#ROOT, a dataset on the Hub."
    )
    note: str = Field(default="", max_length=400, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")


class SealRequest(Body):
    """The hash of a validator's evidence, before its verdict is told. A validator's first one for a task counts."""

    evidence_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Score(BaseModel):
    validator: str
    verdict: Verdict
    score: float
    block: int
    tokens: int | None = None
    evidence_sha256: str | None = None
    sealed_block: int | None = Field(
        default=None, description="The block at which the validator named this evidence, without its verdict."
    )
    evidence: str | None = Field(default=None, description="OWNER/NAME@REVISION#ROOT of the published evidence.")
    note: str = Field(default="", description="Empty in lists of tasks; read the single task to get it.")


class Task(BaseModel):
    """The current state of one task."""

    id: str
    hotkey: str
    state: TaskState
    crawl: str
    kind: WorkKind = "crawl"
    language: str | None = Field(default=None, description="The language that the work asks for.")
    recipe: str | None = Field(default=None, description="Name of the recipe that the work asks for; null for any.")
    recipe_hash: str | None = Field(default=None, description="Hash of that recipe.")
    price: float = Field(default=1.0, description="Multiple of the usual pay of a verified token.")
    warcs: list[str] = Field(
        description="Paths under data.commoncrawl.org, crawl-data/...; of a packet or merge its name, "
        "packets/CRAWL/ROOT or merges/CRAWL/ROOT."
    )
    packet: PageChoice | None = Field(
        default=None,
        description="The only pages that the task is of: their number, the root over them, and what chose them. "
        "/v1/packets/ROOT lists them. Null for whole WARCs.",
    )
    merge: MergeLease | None = Field(default=None, description="The datasets to merge, of work of this kind.")
    block: int = Field(description="The chain's block at the time of the answer.")
    leased_block: int = Field(
        description="The newest block that the server had read from the chain when it leased the task."
    )
    expires_block: int
    due_block: int | None = Field(
        default=None, description="The block at which the lease ended before any renewal; promptness counts up to it."
    )
    closed_block: int | None = None
    repo: str | None = None
    revision: str | None = None
    root: str | None = None
    commitment: str | None = None
    seal: str | None = Field(
        default=None, description="DAY:HASH on servers with canaries, for every task; opens with the key of the day."
    )
    canary: CanaryKind | None = Field(
        default=None, description="Once revealed: the operator made this dataset good or bad on purpose."
    )
    canary_key: str | None = Field(default=None, description="The revealed key of the seal's day.")
    revealed_block: int | None = None
    scores: list[Score] = Field(default=[], description="The latest score of each validator.")

    @property
    def contents(self) -> str:
        """Its WARCs, pages or datasets, counted for a person."""
        if self.merge:
            return counted(len(self.merge.inputs), "dataset")
        return counted(self.packet.pages, "page") if self.packet else counted(len(self.warcs), "WARC")


class ReferenceRecipe(BaseModel):
    """An entry of the list of recipes that tasks ask for."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    hash: Root = Field(description="The recipe's hash, which says exactly which recipe it is.")
    source: str = Field(max_length=160, description="REPO@REVISION on the Hub, or the name of a shipped recipe.")
    language: str = Field(
        default="eng_Latn", pattern=r"^[a-z]{3}_[A-Z][a-z]{3}$", description="The language of its tasks."
    )
    since_block: int | None = Field(
        default=None, ge=0,
        description="Tasks of work that names no recipe, leased from this block on, have it as their reference; null "
        "if only work that names it asks for it.",
    )  # fmt: skip


class RecipeList(BaseModel):
    """The list of recipes that tasks ask for, oldest entry first; nothing in it is ever changed or removed."""

    recipes: list[ReferenceRecipe] = Field(description="References, each with the block from which it is one.")
    others: list[ReferenceRecipe] = Field(default=[], description="Recipes that only work that names them asks for.")


class TaskPage(BaseModel):
    """One page of tasks, newest first. A page also ends at 256 KiB, so only a null `next` marks the last page."""

    tasks: list[Task]
    next: str | None = Field(default=None, description="`after` of the next page; null on the last one.")


class LogEntry(BaseModel):
    """One event of the public log. `head` is the hash over all events up to this one."""

    number: int = Field(ge=1, description="1 for the first event; no number is left out.")
    block: int
    time_s: float = Field(description="Seconds since 1970, by the server's clock.")
    hotkey: str = Field(description="Empty for an import.")
    task_id: str | None = Field(description="Null for an import.")
    what: EventKind
    detail: dict[str, Any]
    head: str = Field(pattern=r"^[0-9a-f]{64}$")


class LogPage(BaseModel):
    """One page of the public log, oldest first. A page also ends at 256 KiB."""

    entries: list[LogEntry]
    next: int | None = Field(default=None, description="`after` of the next page; null on the last one.")


class WarcPage(BaseModel):
    """One page of a crawl's list of WARCs, in the order in which they were imported."""

    paths: list[str]
    next: int | None = Field(default=None, description="`after` of the next page; null on the last one.")


class ServerInfo(BaseModel):
    """The server's identity, clocks and rules. Clients sign for `hotkey`, and refuse to sign if they expect another."""

    version: str
    hotkey: str
    netuid: int
    block: int
    block_time_s: float
    time_s: float = Field(
        description="The server's clock, seconds since 1970; it refuses signatures that are 30 s off."
    )
    rules: Rules


class Health(BaseModel):
    """Health of the server. `ok` means that the database can be written to, its disk has free space, and the view of
    the subnet is recent enough to authorise requests.
    """

    ok: bool
    database: bool
    subnet_age_s: float | None
    detail: str = ""


class Leader(BaseModel):
    hotkey: str
    paid_tokens: int = Field(
        description="Sum of score x verified tokens x price over its finished tasks, by the median verdict of each."
    )
    finished_tasks: int
    finished_warcs: int
    mean_score: float | None = Field(description="Mean over its finished tasks that have a pass or a fail.")
    last_finished_block: int


class CrawlStatistics(BaseModel):
    """One piece of work: a crawl, or a crawl in another language or with a new recipe."""

    crawl: str = Field(description="Name of the work; of a whole crawl, the crawl's own.")
    kind: WorkKind = "crawl"
    language: str | None = None
    recipe: str | None = None
    price: float = 1.0
    warcs: int
    open: int
    leased: int
    finished: int


class Statistics(BaseModel):
    block: int
    crawls: list[CrawlStatistics]
    tasks: dict[TaskState, int]
    miners: int
    scores: dict[Verdict, int]
