"""The closed list of refusals of the task server: RFC 9457 problem details, `type` = `/problems/<name>`.

Answers, their documentation and the client's retry decisions all use this list.
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
class ProblemKind:
    """One kind of problem: its HTTP status, and its meaning for the caller."""

    status: int
    title: str
    may_pass: bool = False
    """Whether the same request may succeed later; `Retry-After` says when to retry."""

    ask_again_s: float = 60.0
    """`Retry-After` of a problem that may pass, if the server knows no better time."""


KINDS: dict[ProblemName, ProblemKind] = {
    "not-authenticated": ProblemKind(
        401, "The request's signature is missing, wrong, stale, already used or meant for another server."
    ),
    "not-registered": ProblemKind(403, "The hotkey is not registered on the subnet."),
    "not-a-validator": ProblemKind(403, "The hotkey has no validator permit, or too little stake."),
    "not-yours": ProblemKind(403, "The task belongs to another hotkey."),
    "not-found": ProblemKind(404, "Not found."),
    "method-not-allowed": ProblemKind(405, "The address does not support this method."),
    "no-work": ProblemKind(409, "Every WARC is leased or finished.", may_pass=True),
    "window-full": ProblemKind(429, "The hotkey has had all its tasks for this window of blocks.", may_pass=True),
    "too-many-leases": ProblemKind(
        409, "The hotkey has reached its limit of open leases; finish or release one.", may_pass=True
    ),
    "rate-limited": ProblemKind(429, "Too many requests.", may_pass=True),
    "lease-expired": ProblemKind(
        409, "The lease expired before the miner renewed it; the server leases its WARCs again."
    ),
    "task-closed": ProblemKind(409, "The task was released."),
    "already-finished": ProblemKind(409, "The task is finished with another revision or root."),
    "not-finished": ProblemKind(409, "Only a finished task can be scored."),
    "commitment-missing": ProblemKind(
        409, "The chain has no such commitment of this hotkey.", may_pass=True, ask_again_s=12.0
    ),
    "subnet-unknown": ProblemKind(
        503, "The server's view of the subnet is too old to authorise requests.", may_pass=True, ask_again_s=15.0
    ),
    "overloaded": ProblemKind(
        503, "The server is busy and accepts no more requests at the moment.", may_pass=True, ask_again_s=2.0
    ),
    "body-too-large": ProblemKind(413, "The request's body is too large."),
    "invalid-request": ProblemKind(422, "The request does not follow the API's description."),
    "server-error": ProblemKind(500, "The server failed; it has logged why.", may_pass=True, ask_again_s=10.0),
}
assert set(KINDS) == set(get_args(ProblemName))


class ProblemDetails(BaseModel):
    """The body of every refusal (application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    retry_after_s: float | None = None
    retry_after_blocks: int | None = None
    reason: str | None = Field(default=None, description="One word for why the server did not authenticate a request.")


class Problem(Exception):
    """The server refuses the request. Store and handlers raise it, and the API answers it as ProblemDetails."""

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
