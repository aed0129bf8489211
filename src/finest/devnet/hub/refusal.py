"""How the Hub says no: a status, an error code that its clients know, and a message."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException


class RefusalError(Exception):
    """A request that is not granted. `code` becomes X-Error-Code: RepoNotFound, RevisionNotFound, EntryNotFound."""

    def __init__(self, status: int, message: str, code: str = "", **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.extra = extra
        """More fields of the JSON body; `url` of a repository that exists is one that clients read."""


def as_answer(status: int, message: str, code: str = "", extra: dict[str, str] | None = None) -> Response:
    """The answer as the Hub's clients parse it."""
    headers = {"X-Error-Message": message.encode("ascii", "backslashreplace").decode().replace("\n", " ")}
    if code:
        headers["X-Error-Code"] = code
    return JSONResponse({"error": message, **(extra or {})}, status, headers)


async def refused(_request: Request, error: Exception) -> Response:
    """Exception handler for `RefusalError`."""
    assert isinstance(error, RefusalError)
    return as_answer(error.status, error.message, error.code, error.extra)


async def malformed(_request: Request, error: Exception) -> Response:
    """Exception handler: a body or a parameter that does not parse is a 400 on the Hub."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return as_answer(400, f"{first['msg']} at {'.'.join(str(part) for part in first['loc'])}")


async def no_route(_request: Request, error: Exception) -> Response:
    """Exception handler: an address that the devnet does not have."""
    assert isinstance(error, HTTPException)
    return as_answer(error.status_code, str(error.detail))


def invalid_credentials() -> RefusalError:
    """401 that clients tell from "no such repository" by its very words."""
    return RefusalError(401, "Invalid credentials in Authorization header")


def repo_not_found(*, known: bool) -> RefusalError:
    """A repository that is missing or not this caller's to see: 401 for strangers, 404 for those who showed a token."""
    if known:
        return RefusalError(404, "Repository not found", "RepoNotFound")
    return RefusalError(401, "Invalid username or password.", "RepoNotFound")


def revision_not_found(revision: str) -> RefusalError:
    return RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str) -> RefusalError:
    return RefusalError(404, f"{path} does not exist", "EntryNotFound")
