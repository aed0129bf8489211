"""The OpenAPI description beyond the types: signatures, examples, and every problem that an operation can answer."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from finest.chain.auth import HEADERS, MAX_AGE_S, SKEW_S
from finest.tasks.problems import KINDS, Problem, ProblemDetails, ProblemName
from finest.tasks.responses import PROBLEM_TYPE

SUMMARY = "Leases Common Crawl WARC files to miners and records who refined which files and how well."
DESCRIPTION = f"""
**A task** is some WARC files leased to one miner for a number of blocks. The miner refines them, publishes the dataset
as one revision on the Hugging Face Hub, commits `fd1:<repository>@<revision>#<root>` on the chain, and finishes the
task. Validators score finished tasks. Nothing is ever deleted.

**Signatures.** A request that changes something is signed with the caller's hotkey (`btauth/1`, sr25519,
`bittensor.http_auth`) for the server's hotkey, which `/v1/info` returns. The server accepts a signature once, within
{MAX_AGE_S:.0f} s ({SKEW_S:.0f} s if the caller's clock is ahead). A body never names its sender. Reading needs no
signature.

**Problems.** Every refusal is `application/problem+json` (RFC 9457) of one of the types under `/problems/`. If the same
request may succeed later, `Retry-After` says when to retry. Every call is idempotent and may be repeated.
"""
_EVERYWHERE: tuple[ProblemName, ...] = ("invalid-request", "rate-limited", "overloaded", "server-error")
_SIGNED: tuple[ProblemName, ...] = ("not-authenticated", "not-registered", "subnet-unknown", "body-too-large")
SIGNED: dict[str, Any] = {"security": [{name: [] for name in HEADERS}]}
"""`openapi_extra` of an operation that the caller must sign."""

_ABOUT = dict(
    zip(
        HEADERS,
        (
            "`1`",
            "The signer's hotkey, an ss58 address.",
            "The receiver: the server's hotkey, from `/v1/info`.",
            "The nonce: the time in nanoseconds since 1970, different for each request.",
            (
                "`0x` and 128 hex digits: the sr25519 signature over `btauth/1`, `sr25519`, method, target, sha256 of "
                "the body, nonce, signer and receiver, joined by newlines."
            ),
        ),
        strict=True,
    )
)
_EXAMPLES: dict[ProblemName, Problem] = {
    "not-authenticated": Problem("not-authenticated", "this nonce was already accepted", reason="replayed"),
    "no-work": Problem("no-work", "all 90,000 WARCs are leased or finished", retry_after_s=300),
    "window-full": Problem("window-full", "48 leases in 7200 blocks", retry_after_s=1800, retry_after_blocks=150),
}


def refusals(*names: ProblemName, signed: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation: all its problems by status, each with an example."""
    by_status: defaultdict[int, list[ProblemName]] = defaultdict(list)
    for name in dict.fromkeys((*names, *(_SIGNED if signed else ()), *_EVERYWHERE)):
        by_status[KINDS[name].status].append(name)
    return {status: _response(found) for status, found in sorted(by_status.items())}


def _response(names: list[ProblemName]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": " ".join(f"`{name}`: {KINDS[name].title}" for name in names),
        "content": {
            PROBLEM_TYPE: {
                "schema": {"$ref": "#/components/schemas/ProblemDetails"},
                "examples": {name: {"value": _example(name)} for name in names},
            }
        },
    }
    if any(KINDS[name].may_pass for name in names):
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return described


def _example(name: ProblemName) -> dict[str, Any]:
    problem = _EXAMPLES.get(name) or Problem(name, KINDS[name].title)
    return problem.details.model_dump(exclude_none=True)


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole OpenAPI description, built on the first call."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, summary=SUMMARY, description=DESCRIPTION, routes=app.routes
        )
        parts = schema.setdefault("components", {})
        parts["schemas"]["ProblemDetails"] = ProblemDetails.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        parts["securitySchemes"] = {
            name: {"type": "apiKey", "in": "header", "name": name, "description": about}
            for name, about in _ABOUT.items()
        }
        app.openapi_schema = schema
    return app.openapi_schema
