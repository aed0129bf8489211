"""Every way in which the task server says no: RFC 9457 problem details, `type` = `/problems/<name>`.

The same list makes the answers, their documentation and the client's decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, Field

ProblemName = Literal[
    "not-authenticated",
    "not-registered",
    "not-a-validator",
    "not-yours",
    "not-found",
    "method-not-allowed",
    "no-work",
    "window-full",
    "too-many-leases",
    "rate-limited",
    "lease-expired",
    "task-closed",
    "already-finished",
    "not-finished",
    "commitment-missing",
    "subnet-unknown",
    "overloaded",
    "body-too-large",
    "invalid-request",
    "server-error",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its HTTP status, and what it means to whoever gets it."""

    status: int
    title: str
    may_pass: bool = False
    """Whether the same request may succeed later; `Retry-After` says when to ask."""

    ask_again_s: float = 60.0
    """`Retry-After` where it may pass and nothing better is known."""


KINDS: dict[ProblemName, Kind] = {
    "not-authenticated": Kind(
        401, "The request's signature is missing, wrong, stale, used before or for another server."
    ),
    "not-registered": Kind(403, "The hotkey has no seat on the subnet."),
    "not-a-validator": Kind(403, "The hotkey has no validator permit, or too little stake."),
    "not-yours": Kind(403, "The task belongs to another hotkey."),
    "not-found": Kind(404, "There is no such thing."),
    "method-not-allowed": Kind(405, "The address does not take this method."),
    "no-work": Kind(409, "Every WARC is leased or finished.", may_pass=True),
    "window-full": Kind(429, "The hotkey has had its tasks of this window of blocks.", may_pass=True),
    "too-many-leases": Kind(409, "The hotkey holds as many leases as it may; finish or release one.", may_pass=True),
    "rate-limited": Kind(429, "Too many requests.", may_pass=True),
    "lease-expired": Kind(409, "The lease ended before it was renewed; its WARCs are given out again."),
    "task-closed": Kind(409, "The task was released."),
    "already-finished": Kind(409, "The task is finished with another revision or root."),
    "not-finished": Kind(409, "Only a finished task can be scored."),
    "commitment-missing": Kind(
        409, "The commitment does not stand on the chain under this hotkey.", may_pass=True, ask_again_s=12.0
    ),
    "subnet-unknown": Kind(
        503, "The server's view of the subnet is too old to tell who may do what.", may_pass=True, ask_again_s=15.0
    ),
    "overloaded": Kind(503, "The server has as much to do as it takes on at a time.", may_pass=True, ask_again_s=2.0),
    "body-too-large": Kind(413, "The request's body is too large."),
    "invalid-request": Kind(422, "The request does not follow the API's description."),
    "server-error": Kind(500, "The server failed; it has logged why.", may_pass=True, ask_again_s=10.0),
}
assert set(KINDS) == set(get_args(ProblemName))


class ProblemDetails(BaseModel):
    """The body of every answer that is no success (application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    retry_after_s: float | None = None
    retry_after_blocks: int | None = None
    reason: str | None = Field(default=None, description="Why a request is not authenticated, in one word.")


class Problem(Exception):
    """The request cannot be served. Raised by store and handlers; the API turns it into ProblemDetails."""

    def __init__(
        self, name: ProblemName, detail: str, *, retry_after_s: float | None = None,
        retry_after_blocks: int | None = None, reason: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(f"{name}: {detail}")
        self.name, self.detail, self.reason = name, detail, reason
        self.retry_after_s, self.retry_after_blocks = retry_after_s, retry_after_blocks

    @property
    def details(self) -> ProblemDetails:
        kind = KINDS[self.name]
        return ProblemDetails(
            type=f"/problems/{self.name}", title=kind.title, status=kind.status, detail=self.detail,
            retry_after_s=self.retry_after_s, retry_after_blocks=self.retry_after_blocks, reason=self.reason,
        )  # fmt: skip
