"""The task server as an ASGI application: builds its parts, routes, middleware and error handlers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

import finest
from finest.tasks import api, page
from finest.tasks.api_docs import describe
from finest.tasks.authority import VIEW_MAX_AGE_S, Authority
from finest.tasks.connections import ConnectionLimits, Connections
from finest.tasks.leaderboard import DASHBOARD_MAX_AGE_S, DASHBOARD_PAUSE_FACTOR, read_dashboard
from finest.tasks.metrics import Metrics
from finest.tasks.middleware import RequestMiddleware, request_record
from finest.tasks.models import Rules
from finest.tasks.problems import KINDS, Problem
from finest.tasks.proxies import Proxies
from finest.tasks.rate_limits import RateLimiter, RateLimits
from finest.tasks.responses import problem_answer
from finest.tasks.shared_read import SharedRead
from finest.tasks.signed_requests import RequestExecutor
from finest.tasks.state import ServerState

if TYPE_CHECKING:
    from finest.chain.view import SubnetView
    from finest.tasks.authority import Subnet
    from finest.tasks.store import Store

log = logging.getLogger(__name__)

HUB = "https://huggingface.co"
DATABASE_CHECK_EVERY_S = 1.0
"""Shortest time between two test writes for /v1/health, however many clients ask."""
MAX_DETAIL_CHARS = 400
"""Length limit of a refusal that quotes what was wrong with a request."""


def create_app(
    store: Store,
    subnet: Subnet,
    receiver: str,
    rules: Rules,
    *,
    rates: RateLimits | None = None,
    proxies: Proxies | None = None,
    connection_limits: ConnectionLimits | None = None,
    hub: str = HUB,
    view_max_age_s: float = VIEW_MAX_AGE_S,
    on_close: Sequence[Callable[[], None]] = (),
) -> FastAPI:
    """Build the application. `receiver` is the server's own hotkey (ss58), `hub` the site that links to datasets use.

    Only `proxies` may set X-Forwarded-For. http_timeouts.LimitedHttpProtocol enforces `connection_limits`. The
    application calls the functions in `on_close`, in order, when it ends; they must close a chain that is being read,
    or the shutdown waits for its deadline.
    """
    authority = Authority(subnet, rules, max_age_s=view_max_age_s, on_view=partial(_note_alive, store))
    metrics, rate_limiter = Metrics(), RateLimiter(rates or RateLimits())
    proxies = proxies or Proxies()
    executor = RequestExecutor(store, authority, rate_limiter, receiver)
    app = FastAPI(
        title="Finest Data task server", version=finest.__version__, docs_url=None, redoc_url=None,
        redirect_slashes=False, lifespan=_lifespan,
        middleware=[
            Middleware(
                RequestMiddleware, rate_limiter=rate_limiter, metrics=metrics, authority=authority, proxies=proxies
            )
        ],
    )  # fmt: skip
    app.state.connections = Connections(connection_limits or ConnectionLimits(), proxies)
    app.state.server = ServerState(
        store, rules, authority, executor, metrics, hub=hub.rstrip("/"), on_close=tuple(on_close),
        dashboard=SharedRead(
            lambda: read_dashboard(store, _block(authority)), executor.readers, DASHBOARD_MAX_AGE_S,
            pause_factor=DASHBOARD_PAUSE_FACTOR,
        ),
        database_check=SharedRead(store.check, executor.workers, DATABASE_CHECK_EVERY_S),
    )  # fmt: skip
    app.include_router(api.router)
    app.include_router(page.router)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    server_state: ServerState = app.state.server
    await server_state.authority.open()
    try:
        yield
    finally:
        await server_state.authority.close()
        for close in server_state.on_close:
            close()
        server_state.executor.close()


def _note_alive(store: Store, view: SubnetView) -> None:
    """Note the block in the database, and extend open leases if the server was away; a failing database is logged."""
    try:
        extended = store.note_alive(view.block)
    except SQLAlchemyError:
        log.exception("the block could not be noted in the database")
    else:
        if extended:
            log.warning("the server was away: %d open leases end as much later", extended)


def _block(authority: Authority) -> int:
    """The block for the dashboard; 0 until the first view of the subnet, so that no lease seems expired."""
    return authority.block if authority.view else 0


async def _http(request: Request, error: Exception) -> Response:
    """Turn Starlette's own errors into problems: unknown route, wrong method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    if error.status_code == KINDS["not-found"].status:
        problem = Problem("not-found", "there is nothing at this address; the API is described at /openapi.json")
    elif error.status_code == KINDS["method-not-allowed"].status:
        problem = Problem("method-not-allowed", KINDS["method-not-allowed"].title)
    else:
        problem = Problem("invalid-request", "the body cannot be read as JSON")
    return _refuse(request, problem, dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    message = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    clean = message.encode("ascii", "replace").decode()
    return _refuse(request, Problem("invalid-request", clean[:MAX_DETAIL_CHARS]), {})


def _refuse(request: Request, problem: Problem, headers: dict[str, Any]) -> Response:
    request_record(request.scope).problem = problem.name
    authority: Authority = request.app.state.server.authority
    return problem_answer(problem, authority.block_time_s, headers)
