"""Version 1 of the API: what a request is, who may make it, and what the store does about it."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

import finest
from finest.chain.payload import LIMIT_BYTES, encode
from finest.errors import UsageError
from finest.tasks.api_docs import SIGNED, refusals
from finest.tasks.leaderboard import FRESH_S, MOST_LEADERS
from finest.tasks.models import (
    Address,
    FinishRequest,
    Health,
    Leader,
    LeaseRequest,
    ScoreRequest,
    ServerInfo,
    Statistics,
    Task,
    TaskId,
    TaskPage,
    TaskState,
)
from finest.tasks.problems import Problem
from finest.tasks.responses import answer
from finest.tasks.state import served

log = logging.getLogger(__name__)

HEALTH_S = 5.0
"""A database that takes longer to show one task is as good as down."""
Line = Annotated[str, Query(pattern=r"^fd1:[!-~]+$", max_length=LIMIT_BYTES, examples=["fd1:alice/web@4c1f…#9a0e…"])]

router = APIRouter(prefix="/v1")


@router.get("/info", response_model=ServerInfo, responses=refusals("subnet-unknown"), tags=["server"])
async def info(request: Request) -> Response:
    """Who answers, by which clocks and rules. Sign your requests for this hotkey."""
    own = served(request)
    block = own.authority.block
    view = own.authority.view
    assert view is not None
    return answer(
        ServerInfo(
            version=finest.__version__,
            hotkey=own.desk.receiver,
            netuid=view.netuid,
            block=block,
            block_time_s=view.block_time_s,
            time_s=time.time(),
            rules=own.rules,
        )
    )


@router.get(
    "/health", response_model=Health, tags=["server"],
    responses={**refusals(), 503: {"model": Health, "description": "Not fit to serve; `detail` says why."}},
)  # fmt: skip
async def health(request: Request) -> Response:
    """Whether the database takes what is written, its disk has room, and the view of the subnet is young enough."""
    own = served(request)
    try:
        detail = await asyncio.wait_for(own.database_works.get(1.0), HEALTH_S)
    except Exception:
        log.exception("the database does not answer")
        detail = "the database does not answer"
    database = not detail
    try:
        own.authority.check_age()
    except Problem as problem:
        detail = "; ".join(filter(None, (detail, problem.detail)))
    state = Health(ok=not detail, database=database, subnet_age_s=own.authority.age_s, detail=detail)
    return answer(state, status=200 if state.ok else 503)


@router.post(
    "/tasks/lease", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals("no-work", "window-full", "too-many-leases", "not-found", "not-yours", signed=True),
)  # fmt: skip
async def lease(request: Request, body: LeaseRequest) -> Response:
    """Get a task. A miner with an open lease gets that one again, unless `besides` names it."""
    own = served(request)

    def work(hotkey: str, block: int) -> Task:
        seen_block = own.authority.seen_block
        return own.store.lease(hotkey, body.warcs, block, seen_block=seen_block, crawl=body.crawl, besides=body.besides)

    task = await own.desk.ask_as_caller(request, own.authority.check_miner, work)
    own.metrics.leases.inc()
    return answer(task)


@router.post(
    "/tasks/{task_id}/renew", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals("lease-expired", "task-closed", "not-yours", "not-found", signed=True),
)  # fmt: skip
async def renew(request: Request, task_id: TaskId) -> Response:
    """Begin the lease's life anew."""
    own = served(request)

    def work(hotkey: str, block: int) -> Task:
        return own.store.renew(hotkey, task_id, block)

    return answer(await own.desk.ask_as_caller(request, own.authority.check_miner, work))


@router.post(
    "/tasks/{task_id}/finish", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals(
        "lease-expired", "task-closed", "already-finished", "commitment-missing", "not-yours", "not-found", signed=True
    ),
)  # fmt: skip
async def finish(request: Request, task_id: TaskId, body: FinishRequest) -> Response:
    """Say what was published. The line must stand on the chain by now, committed since the lease."""
    own = served(request)
    try:
        line = encode(body.repo, body.revision, body.root)
    except UsageError as error:
        raise Problem("invalid-request", str(error)) from error

    def finished(hotkey: str, block: int) -> Task:
        return own.store.finish(hotkey, task_id, body.repo, body.revision, body.root, line, block)

    def look(hotkey: str, block: int) -> tuple[str, Task]:
        """The lease as it stands. Any other task is answered by the store at once, with no look at the chain."""
        task = own.store.task(task_id, block)
        open_lease = task.hotkey == hotkey and task.state is TaskState.LEASED
        return hotkey, task if open_lease else finished(hotkey, block)

    hotkey, task = await own.desk.ask_as_caller(request, own.authority.check_miner, look)
    if task.state is TaskState.LEASED:
        await own.authority.check_commitment(hotkey, line, task.leased_block)
        task = await own.desk.ask(partial(finished, hotkey, own.authority.block))
    own.metrics.finishes.inc()
    return answer(task)


@router.post(
    "/tasks/{task_id}/release", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals("lease-expired", "already-finished", "not-yours", "not-found", signed=True),
)  # fmt: skip
async def release(request: Request, task_id: TaskId) -> Response:
    """Give the task back unfinished; its WARCs are given out again."""
    own = served(request)

    def work(hotkey: str, block: int) -> Task:
        return own.store.release(hotkey, task_id, block)

    return answer(await own.desk.ask_as_caller(request, own.authority.check_miner, work))


@router.post(
    "/tasks/{task_id}/scores", response_model=Task, tags=["validators"], openapi_extra=SIGNED,
    responses=refusals("not-a-validator", "not-finished", "not-found", signed=True),
)  # fmt: skip
async def report(request: Request, task_id: TaskId, body: ScoreRequest) -> Response:
    """Score a finished task; a validator's later score replaces the one before."""
    own = served(request)

    def work(hotkey: str, block: int) -> Task:
        return own.store.report(hotkey, task_id, body, block)

    return answer(await own.desk.ask_as_caller(request, own.authority.check_validator, work))


@router.get("/tasks", response_model=TaskPage, responses=refusals("subnet-unknown"), tags=["anybody"])
async def tasks(
    request: Request,
    state: TaskState | None = None,
    hotkey: Address | None = None,
    after: TaskId | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Tasks, a page at a time; `after` is the last page's `next`.

    A page has at most `limit` tasks and ends at 256 KiB; scores are without their notes.
    """
    own = served(request)
    block = own.authority.block

    def work() -> Response:
        return answer(own.store.tasks(block, state=state, hotkey=hotkey, after=after, limit=limit))

    return await own.desk.read(work)


@router.get(
    "/tasks/by-commitment", response_model=Task, responses=refusals("not-found", "subnet-unknown"), tags=["anybody"]
)
async def task_by_commitment(request: Request, hotkey: Address, line: Line) -> Response:
    """The task that a miner finished with this line."""
    own = served(request)
    return answer(await own.desk.read(partial(own.store.task_by_commitment, hotkey, line, own.authority.block)))


@router.get(
    "/tasks/{task_id}", response_model=Task, responses=refusals("not-found", "subnet-unknown"), tags=["anybody"]
)
async def task(request: Request, task_id: TaskId) -> Response:
    """One task as it stands."""
    own = served(request)
    return answer(await own.desk.read(partial(own.store.task, task_id, own.authority.block)))


@router.get("/leaderboard", response_model=list[Leader], responses=refusals(), tags=["anybody"])
async def leaderboard(request: Request, limit: Annotated[int, Query(ge=1, le=MOST_LEADERS)] = 50) -> Response:
    """Miners by what they finished."""
    leaders = (await served(request).board.get(FRESH_S)).leaders[:limit]
    body = f"[{','.join(leader.model_dump_json() for leader in leaders)}]"
    return Response(body, media_type="application/json")


@router.get("/statistics", response_model=Statistics, responses=refusals(), tags=["anybody"])
async def statistics(request: Request) -> Response:
    """How far the crawls are."""
    return answer((await served(request).board.get(FRESH_S)).statistics)
