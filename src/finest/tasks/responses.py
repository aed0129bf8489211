"""HTTP responses of the API: a model as JSON, a Problem as RFC 9457 problem details."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from starlette.responses import Response

from finest.tasks.problems import KINDS, Problem

if TYPE_CHECKING:
    from pydantic import BaseModel

PROBLEM_TYPE = "application/problem+json"


def answer(model: BaseModel, *, status: int = 200) -> Response:
    """The model as a JSON response, without a second validation."""
    return Response(model.model_dump_json(), status, media_type="application/json")


def problem_answer(problem: Problem, block_time_s: float, headers: dict[str, str] | None = None) -> Response:
    """The problem as a response, with `Retry-After` in whole seconds if the same request may succeed later."""
    details = problem.details
    if KINDS[problem.name].may_pass:
        details.retry_after_s = _retry_after_s(problem, block_time_s)
        headers = {**(headers or {}), "Retry-After": str(math.ceil(details.retry_after_s))}
    body = details.model_dump_json(exclude_none=True)
    return Response(body, details.status, headers=headers, media_type=PROBLEM_TYPE)


def _retry_after_s(problem: Problem, block_time_s: float) -> float:
    if problem.retry_after_s is not None:
        return round(problem.retry_after_s, 3)
    if problem.retry_after_blocks is not None:
        return round(problem.retry_after_blocks * block_time_s, 3)
    return KINDS[problem.name].ask_again_s
