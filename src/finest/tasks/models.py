"""What goes over the wire between a task server and those who call it, and the rules that a server keeps.

Blocks are the chain's (12 s each on the main network); a lease lives in blocks: everybody has the same clock there.
Nobody is named in a request: who asks is what the signature says (finest.chain.auth).
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DAY_BLOCKS = 7200
"""A day of 12 s blocks."""
MAX_WARCS = 64
"""More than a day's work of a big cluster is not leased at once."""

Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Root = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TaskId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Address = Annotated[str, StringConstraints(pattern=r"^[1-9A-HJ-NP-Za-km-z]{46,50}$")]
"""A hotkey, ss58."""
Verdict = Literal["pass", "fail", "no_evidence"]


class TaskState(str, Enum):
    """Where a task is. All but `leased` are final; nothing is ever deleted."""

    LEASED = "leased"
    FINISHED = "finished"
    RELEASED = "released"
    EXPIRED = "expired"


class Rules(BaseModel):
    """What a server allows; its operator chooses."""

    model_config = ConfigDict(frozen=True)

    redundancy: int = Field(default=1, ge=1, le=16, description="Miners that get the same WARC.")
    lease_blocks: int = Field(default=1800, ge=1, description="A lease's life; each renewal begins it anew.")
    window_blocks: int = Field(default=DAY_BLOCKS, ge=1)
    tasks_per_window: int = Field(default=48, ge=1, description="Leases that a hotkey gets in any `window_blocks`.")
    open_leases: int = Field(default=2, ge=1, le=8, description="Leases that a hotkey holds at a time.")
    min_validator_stake: float = Field(default=0.0, ge=0, description="Alpha; a validator needs its permit too.")


class Body(BaseModel):
    """A request's body: an unknown field is an error, not a silence, and `true` or `"1"` is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LeaseRequest(Body):
    """An open lease is given again. `besides` names one that the miner knows and wants another one to."""

    warcs: int = Field(default=4, ge=1, le=MAX_WARCS)
    crawl: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    besides: TaskId | None = None


class FinishRequest(Body):
    """What the miner published, and committed on the chain as finest.chain.payload.encode(repo, revision, root)."""

    repo: str = Field(min_length=3, max_length=50)
    revision: Revision
    root: Root


class ScoreRequest(Body):
    """A validator's verdict on a finished task; a later one of the same validator replaces it where sums are made."""

    verdict: Verdict
    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    evidence_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    note: str = Field(default="", max_length=400, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")


class Score(BaseModel):
    validator: str
    verdict: Verdict
    score: float
    block: int
    evidence_sha256: str | None = None
    note: str = Field(default="", description="Empty in lists of tasks; ask for the one task to read it.")


class Task(BaseModel):
    """One task as it stands."""

    id: str
    hotkey: str
    state: TaskState
    crawl: str
    warcs: list[str] = Field(description="Paths under data.commoncrawl.org, crawl-data/...")
    block: int = Field(description="The chain's block as this was answered.")
    leased_block: int = Field(description="The newest block that the server had seen then.")
    expires_block: int
    closed_block: int | None = None
    repo: str | None = None
    revision: str | None = None
    root: str | None = None
    commitment: str | None = None
    scores: list[Score] = Field(default=[], description="The last of each validator.")


class TaskPage(BaseModel):
    """Newest first. May hold fewer tasks than were asked for: a page ends at 256 KiB too. Only `next` says the end."""

    tasks: list[Task]
    next: str | None = Field(default=None, description="`after` of the next page; null on the last one.")


class ServerInfo(BaseModel):
    """Who answers. Requests are signed for `hotkey`; a caller that was told another one does not sign."""

    version: str
    hotkey: str
    netuid: int
    block: int
    block_time_s: float
    time_s: float = Field(description="The server's clock, seconds since 1970; signatures are refused 30 s off it.")
    rules: Rules


class Health(BaseModel):
    """`ok` only if the database takes what is written, its disk has room, and the view of the subnet is young enough
    to authorise by.
    """

    ok: bool
    database: bool
    subnet_age_s: float | None
    detail: str = ""


class Leader(BaseModel):
    hotkey: str
    finished_tasks: int
    finished_warcs: int
    mean_score: float | None = Field(description="Over its finished tasks that have a pass or a fail.")
    last_finished_block: int


class CrawlStatistics(BaseModel):
    crawl: str
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
