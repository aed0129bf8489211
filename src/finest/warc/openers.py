"""Openers for WARCs in local files, over HTTPS and in S3; `store_openers` has those of the Hub and of other stores.

Each process creates its sessions and clients at first use, never at import: importing boto3 takes longer than starting
the rest of the program, and processes must not share a connection across a fork.
"""

from __future__ import annotations

import os
import stat
from functools import cache
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from finest import __version__
from finest.errors import SourceError
from finest.masking import masked_error, public_address
from finest.reachable import is_passing, lasting, missing_certificates
from finest.retry import retry_after_s
from finest.warc.http_session import CONNECTIONS, session
from finest.warc.stream import Interrupted, Opened, changed

if TYPE_CHECKING:
    from finest.warc.http_session import Response

USER_AGENT = f"finest-data/{__version__} (+https://pypi.org/project/finest-data/)"
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
"""Longest silence of a connection before it counts as stalled."""

REFUSED_STATUS = frozenset({403, 429, 503})
"""HTTP statuses that mean "too many requests". Common Crawl's 403 over HTTPS is CloudFront's rate limit, not a missing
permission (status.commoncrawl.org)."""

_FRESH = "; give an address whose user information or signature is valid, in quotes"

_COPY = "; copy the file to this machine and name that"

S3_RETRY_CODES = frozenset(
    {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "RequestLimitExceeded", "ThrottlingException"}
)


def _open_at_once(path: str, flags: int) -> int:
    """Open a named pipe, too, without waiting for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


class LocalOpener:
    """Opens a local file; its modification time in nanoseconds serves as the ETag."""

    transient: tuple[type[Exception], ...] = ()

    host = ""

    def __init__(self, location: str) -> None:
        self.location = location

    def open(self, position: int, etag: str | None, end: int | None = None) -> Opened:  # noqa: ARG002
        try:
            body = open(self.location, "rb", buffering=0, opener=_open_at_once)  # noqa: SIM115 - the stream closes it
            status = os.fstat(body.fileno())
            if not stat.S_ISREG(status.st_mode):
                body.close()
                raise SourceError(
                    f"{self.location}: a pipe, device or socket, from which parts cannot be read again; "
                    "save it to a file, and name that"
                )
            body.seek(position)
        except FileNotFoundError as error:
            raise SourceError(f"{self.location}: no such file") from error
        except PermissionError as error:
            raise SourceError(f"{self.location}: no permission to read it; see `ls -l` and `chmod`") from error
        except OSError as error:
            raise SourceError(f"{self.location}: {error.strerror}") from error
        return Opened(body, str(status.st_mtime_ns), status.st_size, status.st_size)


class HttpsOpener:
    """Opens an object over HTTP(S) with one streaming GET."""

    def __init__(self, location: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        import urllib3

        self.location = public_address(location)
        self.host = self.location.partition("://")[2].partition("/")[0]
        self.transient: tuple[type[Exception], ...] = (OSError, HTTPException, urllib3.exceptions.HTTPError)
        self._address = location
        self._headers = {"User-Agent": USER_AGENT}
        self._timeout_s = (CONNECT_TIMEOUT_S, read_timeout_s)

    def open(self, position: int, etag: str | None, end: int | None = None) -> Opened:
        response = self._get(position, etag, end)
        if response.status == 416 and end is not None and not position:
            response.close()
            return self.open(position, etag)  # no range of an empty object can be satisfied (RFC 9110, 15.5.17)
        content_range = response.headers.get("Content-Range") or ""
        try:
            self._check(response, position, content_range)
            size_bytes = self._size(response, content_range)
        except (Interrupted, SourceError):
            response.close()
            raise
        return Opened(response, response.headers.get("ETag"), size_bytes, _body_end(content_range, size_bytes))

    def _get(self, position: int, etag: str | None, end: int | None) -> Response:
        import requests
        import urllib3

        headers = {**self._headers, "Accept-Encoding": "identity", **_range(position, end)}
        if etag and not etag.startswith("W/"):  # a weak ETag never matches If-Match (RFC 9110, 13.1.1)
            headers["If-Match"] = etag
        try:
            return session(os.getpid()).get(self._address, headers, self._timeout_s)
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            raise SourceError(f"{self.location}: not a URL that can be read: {masked_error(error)}") from None
        except (
            UnicodeError,
            OSError,
            HTTPException,
            urllib3.exceptions.HTTPError,
        ) as error:
            if why := lasting(error, first=not position and etag is None):
                raise SourceError(f"{self.location}: {why}") from None
            raise Interrupted(masked_error(error)) from None  # the library's message contains the whole address

    def _check(self, response: Response, position: int, content_range: str) -> None:
        status = response.status
        if status in (401, 407) or (status == 403 and "?" in self._address):
            raise SourceError(f"{self.location}: the server does not let you read it (HTTP {status}){_FRESH}")
        if is_passing(status) or status in REFUSED_STATUS:
            raise Interrupted(
                f"HTTP {status}" + (" (rate limit, or no right to read it)" if status == 403 else ""),
                retry_after_s=retry_after_s(response.headers.get("Retry-After")),
                refused=status in REFUSED_STATUS,
                forbidden=status == 403,
            )
        if status in (412, 416):
            raise changed(self.location)
        if status in (404, 410):
            raise SourceError(f"{self.location}: not found (HTTP {status}); check the address")
        if status not in (200, 206):
            raise SourceError(f"{self.location}: the server answers HTTP {status} {response.reason}")
        if position and status != 206:
            raise SourceError(f"{self.location}: the server ignores Range, so it cannot be read from the middle{_COPY}")
        if status == 206 and not content_range.startswith(f"bytes {position}-"):
            raise SourceError(f"{self.location}: the server answers another Range than was asked for{_COPY}")

    def _size(self, response: Response, content_range: str) -> int:
        headers = response.headers
        size = content_range.rpartition("/")[2] or headers.get("Content-Length", "")
        if not size.isdigit() and headers.get("Content-Type", "").lower().startswith("text/html"):
            raise SourceError(f"{self.location}: the server answers with an HTML page, not a WARC; check the address")
        if not (size.isascii() and size.isdigit()):
            raise SourceError(f"{self.location}: the server names no Content-Length, so a cut would go unseen{_COPY}")
        return int(size)


class S3Opener:
    """Opens an object in a bucket with one streaming GetObject; boto3 finds the credentials, region and endpoint."""

    def __init__(self, location: str, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        import urllib3
        from botocore.exceptions import BotoCoreError

        self.location = location
        self.bucket, _, self.key = location.removeprefix("s3://").partition("/")
        self.host = f"s3://{self.bucket}"
        broken: tuple[type[Exception], ...] = (OSError, HTTPException, urllib3.exceptions.HTTPError, BotoCoreError)
        self.transient = broken
        self._read_timeout_s = read_timeout_s

    def open(self, position: int, etag: str | None, end: int | None = None) -> Opened:
        wanted = _range(position, end)
        if etag:
            wanted["IfMatch"] = etag
        try:
            client = s3_client(os.getpid(), self._read_timeout_s)
            answer = client.get_object(Bucket=self.bucket, Key=self.key, **wanted)
        except s3_errors() as error:
            if end is not None and not position and _status(error) in (400, 416):  # 400 is what nanio answers
                return self.open(position, etag)
            raise s3_failure(error, self.location) from None
        if position and not str(answer.get("ContentRange", "")).startswith(f"bytes {position}-"):
            answer["Body"].close()
            raise SourceError(f"{self.location}: the server ignores Range, so it cannot be read from the middle{_COPY}")
        size = int(str(answer.get("ContentRange", "")).rpartition("/")[2] or answer["ContentLength"])
        return Opened(answer["Body"], answer.get("ETag"), size, _body_end(answer.get("ContentRange"), size))


def _range(position: int, end: int | None) -> dict[str, str]:
    """Return the header that asks for the bytes [position, end), or for all from `position` on."""
    if not position and end is None:
        return {}
    return {"Range": f"bytes={position}-{'' if end is None else end - 1}"}


def _body_end(content_range: str | None, size_bytes: int) -> int:
    """Return the offset at which the body of a response ends; without a Content-Range it is the whole object."""
    last = (content_range or "").partition("-")[2].partition("/")[0]
    return int(last) + 1 if last.isascii() and last.isdigit() else size_bytes


def s3_errors() -> tuple[type[Exception], ...]:
    """Return the errors that boto3 raises for a bad endpoint, credentials or connection; some are not its own."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return (BotoCoreError, ClientError, ResponseParserError, OSError, ValueError)


def s3_failure(error: Exception, location: str) -> Interrupted | SourceError:
    """Return the error to raise for a boto3 error at `location`: Interrupted if a retry may help, else SourceError."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, ResponseParserError):
        return SourceError(f"{location}: what answers at {_endpoint()} is no S3 server; check AWS_ENDPOINT_URL")
    is_cut = isinstance(error, (boto.HTTPClientError, boto.ConnectionError))
    if why := lasting(error) or (missing_certificates() if is_cut else None):
        return SourceError(f"{location}: {why}")
    if isinstance(error, boto.ClientError):
        return _s3_refusal(error.response, location)
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return SourceError(f"{location}: no AWS credentials{_how_to_sign(location)}")
    if is_cut:
        return Interrupted(masked_error(error))
    if "endpoint" in str(error).lower():
        return SourceError(f"{location}: AWS_ENDPOINT_URL is not an address: {_endpoint()}")
    return SourceError(f"{location}: {masked_error(error)}")


def _status(error: Exception) -> int:
    """Return the HTTP status of an S3 error response; 0 if there was no response."""
    response: Any = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _endpoint() -> str:
    return public_address(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "the endpoint")


def _s3_refusal(response: Any, location: str) -> Interrupted | SourceError:
    """Return the error to raise for an S3 error response; the codes are from the S3 API reference."""
    bucket = location.removeprefix("s3://").partition("/")[0]
    code = str(response.get("Error", {}).get("Code", ""))
    about = response.get("ResponseMetadata", {})
    status = about.get("HTTPStatusCode", 0)
    if code in S3_RETRY_CODES or is_passing(status):
        return Interrupted(
            f"HTTP {status} {code}",
            retry_after_s=retry_after_s(about.get("HTTPHeaders", {}).get("retry-after")),
            refused=code == "SlowDown" or status in REFUSED_STATUS,
        )
    if code == "NoSuchBucket":
        return SourceError(f"{location}: no such bucket: {bucket}; check its name and AWS_ENDPOINT_URL")
    if code == "NoSuchKey" or status == 404:
        return SourceError(f"{location}: not found; check the key")
    if status in (412, 416):
        return changed(location)
    if status == 403:
        return SourceError(f"{location}: S3 refuses these AWS credentials ({code}){_how_to_sign(location)}")
    message = response.get("Error", {}).get("Message", "")
    return SourceError(f"{location}: S3 answers {code or status}: {message}")


def _how_to_sign(location: str) -> str:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    ways = "; give them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in AWS_PROFILE, or by `aws configure`"
    return ways + (f"; or read https://data.commoncrawl.org/{key}, which needs none" if bucket == "commoncrawl" else "")


@cache
def s3_client(pid: int, read_timeout_s: float = READ_TIMEOUT_S) -> Any:  # noqa: ARG001
    """The S3 client of process `pid`; it never retries, because the stream already does.

    Raises SourceError for credentials with non-ASCII letters: S3 would only answer that it does not know them.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        if not os.environ.get(name, "").isascii():
            raise SourceError(f"{name} holds a letter that is not ASCII, such as a typographic quote; copy it again")
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=CONNECTIONS,
        user_agent_extra=f"finest-data/{__version__}",
    )
    return boto3.session.Session().client("s3", config=config)
