"""Version 1 of the HTTP API: each route's request, the right it needs, and the store call that serves it."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

import finest
from finest.chain.payload import LIMIT_BYTES, encode
from finest.dataset.packet import Packet
from finest.errors import UsageError
from finest.tasks.api_docs import SIGNED, refusals
from finest.tasks.leaderboard import DASHBOARD_MAX_AGE_S, MAX_LEADERS
from finest.tasks.models import (
    Address,
    FinishRequest,
    Health,
    Leader,
    LeaseRequest,
    LogPage,
    RecipeList,
    Root,
    ScoreRequest,
    SealRequest,
    ServerInfo,
    Statistics,
    Task,
    TaskId,
    TaskPage,
    TaskState,
    WarcPage,
)
from finest.tasks.problems import Problem
from finest.tasks.responses import answer
from finest.tasks.state import server_state

log = logging.getLogger(__name__)

HEALTH_S = 5.0
"""Time limit for the health check of the database; a slower database counts as down."""
Line = Annotated[str, Query(pattern=r"^fd1:[!-~]+$", max_length=LIMIT_BYTES, examples=["fd1:alice/web@4c1f…#9a0e…"])]
CrawlName = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]

router = APIRouter(prefix="/v1")


@router.get("/info", response_model=ServerInfo, responses=refusals("subnet-unknown"), tags=["server"])
async def info(request: Request) -> Response:
    """The server's identity, clocks and rules. Sign your requests for this hotkey."""
    server = server_state(request)
    block = server.authority.block
    view = server.authority.view
    assert view is not None
    return answer(
        ServerInfo(
            version=finest.__version__,
            hotkey=server.executor.receiver,
            netuid=view.netuid,
            block=block,
            block_time_s=view.block_time_s,
            time_s=time.time(),
            rules=server.rules,
        )
    )


@router.get(
    "/health", response_model=Health, tags=["server"],
    responses={**refusals(), 503: {"model": Health, "description": "Not able to serve; `detail` says why."}},
)  # fmt: skip
async def health(request: Request) -> Response:
    """Check that the database can be written to, its disk has free space, and the view of the subnet is recent."""
    server = server_state(request)
    try:
        detail = await asyncio.wait_for(server.database_check.get(1.0), HEALTH_S)
    except Exception:
        log.exception("the database does not answer")
        detail = "the database does not answer"
    database = not detail
    try:
        server.authority.check_age()
    except Problem as problem:
        detail = "; ".join(filter(None, (detail, problem.detail)))
    state = Health(ok=not detail, database=database, subnet_age_s=server.authority.age_s, detail=detail)
    return answer(state, status=200 if state.ok else 503)


@router.post(
    "/tasks/lease", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals("no-work", "window-full", "too-many-leases", "not-found", "not-yours", signed=True),
)  # fmt: skip
async def lease(request: Request, body: LeaseRequest) -> Response:
    """Lease a task. A miner with an open lease gets that one again, unless `besides` names it."""
    server = server_state(request)

    def work(hotkey: str, block: int) -> Task:
        basis = server.authority.lease_basis
        return server.store.lease(
            hotkey, body.warcs, block, seen_block=basis.seen_block, crawl=body.crawl, besides=body.besides,
            coldkey=server.authority.coldkey(hotkey), recipes=body.recipes, kinds=body.kinds, beacon=basis.beacon,
        )  # fmt: skip

    task = await server.executor.run_signed(request, server.authority.check_miner, work)
    server.metrics.leases.inc()
    return answer(task)


@router.post(
    "/tasks/{task_id}/renew", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals("lease-expired", "task-closed", "not-yours", "not-found", signed=True),
)  # fmt: skip
async def renew(request: Request, task_id: TaskId) -> Response:
    """Renew the lease, which restarts its count of blocks, up to four lease lengths in all."""
    server = server_state(request)

    def work(hotkey: str, block: int) -> Task:
        return server.store.renew(hotkey, task_id, block)

    return answer(await server.executor.run_signed(request, server.authority.check_miner, work))


@router.post(
    "/tasks/{task_id}/finish", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals(
        "lease-expired", "task-closed", "already-finished", "commitment-missing", "not-yours", "not-found", signed=True
    ),
)  # fmt: skip
async def finish(request: Request, task_id: TaskId, body: FinishRequest) -> Response:
    """Report what was published. The commitment line must be on the chain already, and not be older than the lease."""
    server = server_state(request)
    try:
        line = encode(body.repo, body.revision, body.root)
    except UsageError as error:
        raise Problem("invalid-request", str(error)) from error

    def finished(hotkey: str, block: int) -> Task:
        return server.store.finish(hotkey, task_id, body.repo, body.revision, body.root, line, block)

    def look(hotkey: str, block: int) -> tuple[str, Task]:
        """The caller's open lease. The store finishes or refuses any other task at once, without reading the chain."""
        task = server.store.task(task_id, block)
        open_lease = task.hotkey == hotkey and task.state is TaskState.LEASED
        return hotkey, task if open_lease else finished(hotkey, block)

    hotkey, task = await server.executor.run_signed(request, server.authority.check_miner, look)
    if task.state is TaskState.LEASED:
        await server.authority.check_commitment(hotkey, line, task.leased_block)
        task = await server.executor.run(partial(finished, hotkey, server.authority.block))
    server.metrics.finishes.inc()
    return answer(task)


@router.post(
    "/tasks/{task_id}/release", response_model=Task, tags=["miners"], openapi_extra=SIGNED,
    responses=refusals("lease-expired", "already-finished", "not-yours", "not-found", signed=True),
)  # fmt: skip
async def release(request: Request, task_id: TaskId) -> Response:
    """Release the task unfinished; the server leases its WARCs again."""
    server = server_state(request)

    def work(hotkey: str, block: int) -> Task:
        return server.store.release(hotkey, task_id, block)

    return answer(await server.executor.run_signed(request, server.authority.check_miner, work))


@router.post(
    "/tasks/{task_id}/scores", response_model=Task, tags=["validators"], openapi_extra=SIGNED,
    responses=refusals("not-a-validator", "not-finished", "not-found", signed=True),
)  # fmt: skip
async def report(request: Request, task_id: TaskId, body: ScoreRequest) -> Response:
    """Score a finished task. A validator's later score replaces its earlier one."""
    server = server_state(request)

    def work(hotkey: str, block: int) -> Task:
        return server.store.report(hotkey, task_id, body, block)

    return answer(await server.executor.run_signed(request, server.authority.check_validator, work))


@router.post(
    "/tasks/{task_id}/seal", response_model=Task, tags=["validators"], openapi_extra=SIGNED,
    responses=refusals("not-a-validator", "not-finished", "not-found", signed=True),
)  # fmt: skip
async def seal(request: Request, task_id: TaskId, body: SealRequest) -> Response:
    """Name the hash of the evidence of a verdict that is told later. A validator's first one for a task counts."""
    server = server_state(request)

    def work(hotkey: str, block: int) -> Task:
        return server.store.seal(hotkey, task_id, body.evidence_sha256, block)

    return answer(await server.executor.run_signed(request, server.authority.check_validator, work))


@router.get("/tasks", response_model=TaskPage, responses=refusals("subnet-unknown"), tags=["anybody"])
async def tasks(
    request: Request,
    state: TaskState | None = None,
    hotkey: Address | None = None,
    after: TaskId | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    canaries: bool = False,
) -> Response:
    """List tasks page by page, newest first; `after` is the `next` of the previous page.

    With `canaries`, only tasks that were revealed as canaries.

    A page has at most `limit` tasks and ends at 256 KiB. Scores come without their notes.
    """
    server = server_state(request)
    block = server.authority.block

    def work() -> Response:
        return answer(
            server.store.tasks(block, state=state, hotkey=hotkey, after=after, limit=limit, canaries=canaries)
        )

    return await server.executor.read(work)


@router.get(
    "/tasks/by-commitment", response_model=Task, responses=refusals("not-found", "subnet-unknown"), tags=["anybody"]
)
async def task_by_commitment(request: Request, hotkey: Address, line: Line) -> Response:
    """The task that a miner finished with this commitment line."""
    server = server_state(request)
    return answer(
        await server.executor.read(partial(server.store.task_by_commitment, hotkey, line, server.authority.block))
    )


@router.get(
    "/tasks/{task_id}", response_model=Task, responses=refusals("not-found", "subnet-unknown"), tags=["anybody"]
)
async def task(request: Request, task_id: TaskId) -> Response:
    """The current state of one task."""
    server = server_state(request)
    return answer(await server.executor.read(partial(server.store.task, task_id, server.authority.block)))


@router.get("/log", response_model=LogPage, responses=refusals(), tags=["anybody"])
async def log_page(
    request: Request,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    """List the events of all tasks, oldest first, each with a hash over all events up to it."""
    server = server_state(request)

    def work() -> Response:
        return answer(server.store.log(after, limit))

    return await server.executor.read(work)


@router.get("/recipes", response_model=RecipeList, responses=refusals(), tags=["anybody"])
async def recipes(request: Request) -> Response:
    """The recipes that tasks ask for: references by language, of which the newest that has begun is in force, and those
    that only work that names them asks for.
    """
    server = server_state(request)

    def work() -> Response:
        found = server.store.recipes()
        references = [one for one in found if one.since_block is not None]
        return answer(RecipeList(recipes=references, others=[one for one in found if one.since_block is None]))

    return await server.executor.read(work)


@router.get("/crawls/{crawl}/warcs", response_model=WarcPage, responses=refusals("not-found"), tags=["anybody"])
async def warcs_of_crawl(
    request: Request,
    crawl: CrawlName,
    after: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
) -> Response:
    """The list of WARCs of a crawl or other work, in the order of their import; assignments refer to places in it."""
    server = server_state(request)

    def work() -> Response:
        return answer(server.store.warcs_of(crawl, after, limit))

    return await server.executor.read(work)


@router.get("/packets/{root}", response_model=Packet, responses=refusals("not-found"), tags=["anybody"])
async def packet(request: Request, root: Root) -> Response:
    """The pages of a packet: offset and length of each record, by WARC. The root commits to all of them."""
    server = server_state(request)

    def work() -> Response:
        return Response(server.store.packet(root), media_type="application/json")

    return await server.executor.read(work)


@router.get("/leaderboard", response_model=list[Leader], responses=refusals(), tags=["anybody"])
async def leaderboard(request: Request, limit: Annotated[int, Query(ge=1, le=MAX_LEADERS)] = 50) -> Response:
    """The miners, ranked by the verified tokens that they are paid for."""
    leaders = (await server_state(request).dashboard.get(DASHBOARD_MAX_AGE_S)).leaders[:limit]
    body = f"[{','.join(leader.model_dump_json() for leader in leaders)}]"
    return Response(body, media_type="application/json")


@router.get("/statistics", response_model=Statistics, responses=refusals(), tags=["anybody"])
async def statistics(request: Request) -> Response:
    """Progress of the crawls, and the numbers of tasks, miners and scores."""
    return answer((await server_state(request).dashboard.get(DASHBOARD_MAX_AGE_S)).statistics)
