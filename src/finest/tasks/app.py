"""The task server as an ASGI application: what it is made of, and what is around its routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

import finest
from finest.tasks import api, page
from finest.tasks.api_docs import describe
from finest.tasks.authority import TOO_OLD_S, Authority
from finest.tasks.connections import Connections, Room
from finest.tasks.leaderboard import FRESH_S, REST, read_board
from finest.tasks.metrics import Metrics
from finest.tasks.middleware import Frame, told
from finest.tasks.models import Rules
from finest.tasks.problems import KINDS, Problem
from finest.tasks.proxies import Proxies
from finest.tasks.responses import problem_answer
from finest.tasks.shared_read import Fresh
from finest.tasks.signed_requests import Desk
from finest.tasks.state import Served
from finest.tasks.throttle import Rates, Throttle

if TYPE_CHECKING:
    from finest.tasks.authority import Subnet
    from finest.tasks.store import Store

HUB = "https://huggingface.co"
LOOK_AT_DATABASE_S = 1.0
"""For /v1/health the database is written to at most so often, however many ask."""
_SAID = 400
"""Characters of a refusal that repeats what was wrong with a request."""


def create_app(
    store: Store,
    subnet: Subnet,
    receiver: str,
    rules: Rules,
    *,
    rates: Rates | None = None,
    proxies: Proxies | None = None,
    room: Room | None = None,
    hub: str = HUB,
    subnet_too_old_s: float = TOO_OLD_S,
    closing: Sequence[Callable[[], None]] = (),
) -> FastAPI:
    """The application; `receiver` is the server's own hotkey (ss58), `hub` where datasets are looked at.

    `proxies` write X-Forwarded-For; `room` is for connections, kept by `heads.Heads`. `closing` is called, in order,
    when the application ends: a chain that is being read then must be closed there, or its deadline is waited for.
    """
    authority = Authority(subnet, rules, too_old_s=subnet_too_old_s)
    metrics, throttle = Metrics(), Throttle(rates or Rates())
    proxies = proxies or Proxies()
    desk = Desk(store, authority, throttle, receiver)
    app = FastAPI(
        title="Finest Data task server", version=finest.__version__, docs_url=None, redoc_url=None,
        redirect_slashes=False, lifespan=_lifespan,
        middleware=[Middleware(Frame, throttle=throttle, metrics=metrics, authority=authority, proxies=proxies)],
    )  # fmt: skip
    app.state.connections = Connections(room or Room(), proxies)
    app.state.served = Served(
        store, rules, authority, desk, metrics, hub=hub.rstrip("/"), closing=tuple(closing),
        board=Fresh(lambda: read_board(store, _block(authority)), desk.readers, FRESH_S, rest=REST),
        database_works=Fresh(store.check, desk.pool, LOOK_AT_DATABASE_S),
    )  # fmt: skip
    app.include_router(api.router)
    app.include_router(page.router)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    served: Served = app.state.served
    await served.authority.open()
    try:
        yield
    finally:
        await served.authority.close()
        for close in served.closing:
            close()
        served.desk.close()


def _block(authority: Authority) -> int:
    """The block for who only looks: 0 while there has never been a view, so that nothing seems expired."""
    return authority.block if authority.view else 0


async def _http(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such route, wrong method, a body that is no JSON."""
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
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    clean = said.encode("ascii", "replace").decode()
    return _refuse(request, Problem("invalid-request", clean[:_SAID]), {})


def _refuse(request: Request, problem: Problem, headers: dict[str, Any]) -> Response:
    told(request.scope).problem = problem.name
    authority: Authority = request.app.state.served.authority
    return problem_answer(problem, authority.block_time_s, headers)
