"""The Hub's error responses: a status, an error code that its clients know, and a message."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException


class RefusalError(Exception):
    """Raised to refuse a request. `code` becomes X-Error-Code: RepoNotFound, RevisionNotFound or EntryNotFound."""

    def __init__(self, status: int, message: str, code: str = "", **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.extra = extra
        """More fields of the JSON body; clients read the `url` of a repository that already exists."""


def as_answer(status: int, message: str, code: str = "", extra: dict[str, str] | None = None) -> Response:
    """Return the error response in the form that the Hub's clients parse."""
    headers = {"X-Error-Message": message.encode("ascii", "backslashreplace").decode().replace("\n", " ")}
    if code:
        headers["X-Error-Code"] = code
    return JSONResponse({"error": message, **(extra or {})}, status, headers)


async def refused(_request: Request, error: Exception) -> Response:
    """Handle `RefusalError`."""
    assert isinstance(error, RefusalError)
    return as_answer(error.status, error.message, error.code, error.extra)


async def malformed(_request: Request, error: Exception) -> Response:
    """Handle a body or parameter that does not parse: the Hub responds with 400."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return as_answer(400, f"{first['msg']} at {'.'.join(str(part) for part in first['loc'])}")


async def no_route(_request: Request, error: Exception) -> Response:
    """Handle a request for a path that the devnet does not serve."""
    assert isinstance(error, HTTPException)
    return as_answer(error.status_code, str(error.detail))


def invalid_credentials() -> RefusalError:
    """Return the 401 that clients distinguish from "no such repository" by its exact message."""
    return RefusalError(401, "Invalid credentials in Authorization header")


def repo_not_found(*, known: bool) -> RefusalError:
    """Return the error for a repository that is missing or hidden from the caller: 404 if the caller is `known` by a
    token, else 401.
    """
    if known:
        return RefusalError(404, "Repository not found", "RepoNotFound")
    return RefusalError(401, "Invalid username or password.", "RepoNotFound")


def revision_not_found(revision: str) -> RefusalError:
    return RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str) -> RefusalError:
    return RefusalError(404, f"{path} does not exist", "EntryNotFound")
