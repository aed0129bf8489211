"""Read a local or remote WARC as one sequential stream that survives a bad connection.

The stream uses a single streaming GET, which names its end if the caller knows where it will stop. After any
interruption (a reset, a stall, a body that ends early, 408, 425, 429, 5xx, or 403 from a rate limit) it pauses
(finest/retry.py) and sends another GET with `Range: bytes=<position>-`. A refusal pauses the whole run instead
(pauses.py). The stream ends only at the object's Content-Length, so a broken connection can never look like the end of
a WARC.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from finest.errors import SourceError
from finest.masking import masked_error
from finest.reachable import lasting
from finest.retry import Policy, pause

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from finest.warc.pauses import Pauses

_LOG = logging.getLogger(__name__)

BLOCK_BYTES = 64 << 10
"""Most bytes requested per read. urllib3 and botocore discard the bytes that a failing read had already received, so a
stream that breaks every 0.9 MB never advances with reads of 1 MB; with reads of this size it does."""

LEAST_BLOCK_BYTES = 1 << 10
"""Smallest read. After each failure without progress the next read requests half as many bytes, down to this."""

MORE_BYTES = 256 << 10
"""Bytes that each request asks for past what its caller expects to read: the last record and the one after it nearly
always end within. What is left of them is read too, so that the connection can be used again. Each request past them
asks for twice as many as the one before."""

FORBIDDEN_TRIES = 30
"""How often in a row a request is answered with 403, while the host answers others, until it counts as forbidden."""

OnRetry = Callable[[int, str, float], None]
"""Called before each pause with (position in bytes, reason, pause in seconds)."""


class Interrupted(Exception):
    """Raised when the connection failed in a way that another GET can repair."""

    def __init__(
        self, reason: str, *, retry_after_s: float | None = None, refused: bool = False, forbidden: bool = False
    ) -> None:
        super().__init__(reason)
        self.forbidden = forbidden
        """Whether the answer may also mean that this object may never be read (403)."""
        self.retry_after_s = retry_after_s
        self.refused = refused
        """Whether the server asked for fewer requests (403, 429, 503)."""


class Body(Protocol):
    """The body of one response."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """One response: the body from the requested position on, with the ETag and size of its object."""

    body: Body
    etag: str | None
    size_bytes: int
    """Size of the whole object, not of this response."""
    end: int
    """Offset in the object at which the body of this response ends."""


class Opener(Protocol):
    """Opens one kind of location for reading a range of bytes."""

    location: str
    """The location as messages show it, without user information and query."""
    host: str
    """What limits the rate of requests: the host of an address, or the bucket; empty for a local file."""
    transient: tuple[type[Exception], ...]
    """Errors that reading a body raises when the connection breaks."""

    def open(self, position: int, etag: str | None, end: int | None = None) -> Opened:
        """Open at `position`, for the bytes before `end` or for all; the body may also end elsewhere.

        Raises Interrupted if a retry may help, SourceError if it cannot.
        """
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy(Policy):
    """How often and how long a stream retries; any progress resets its count of failures."""

    first_s: float = 0.5
    cap_s: float = 60.0
    tries: int | None = 12
    """Tries without a byte of progress; 12 tries wait almost four minutes in total."""
    asked_cap_s: float = 900.0
    """Longest `Retry-After` that the stream obeys in full; Common Crawl's blocks last some minutes."""
    refused_floor_s: float = 1.0
    """Shortest pause after a refusal: Common Crawl asks for at most one request per second (status.commoncrawl.org)."""

    def pause_s(self, failures: int, interruption: Interrupted) -> float:
        """Return the seconds to wait after `failures` failures in a row.

        A `Retry-After` gets no jitter: the server refused each stream at a different moment, so the streams of a run
        already return at different times.
        """
        drawn_s = self.wait_s(failures)
        if interruption.refused:
            drawn_s = max(drawn_s, self.refused_floor_s)
        return max(drawn_s, min(interruption.retry_after_s or 0.0, self.asked_cap_s))


class ResumableStream(io.RawIOBase):
    """Read the bytes of one object from `position` to its end, in order, in bounded memory.

    `until` is the offset at which the caller expects to stop, and `more_bytes` what a request asks for past it. They
    bound the requests, not what can be read.
    Raises SourceError if the object does not match `etag` and `size_bytes`, if it cannot be read at all, or after
    `policy.tries` tries in a row without a byte. With `pauses`, refusals are not such tries: they pause all streams of
    the run, until SourceBusy ends it.
    """

    def __init__(
        self,
        opener: Opener,
        *,
        position: int = 0,
        etag: str | None = None,
        size_bytes: int | None = None,
        until: int | None = None,
        more_bytes: int = MORE_BYTES,
        policy: RetryPolicy | None = None,
        on_retry: OnRetry | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        super().__init__()
        self.position = position
        self.etag = etag
        self.size_bytes = size_bytes
        self._opener = opener
        self._until, self._more_bytes = until, more_bytes
        self._policy = policy or RetryPolicy()
        self._on_retry = on_retry
        self._pauses = pauses if opener.host else None
        self._body: Body | None = None
        self._body_end = 0
        self._asked_s = 0.0
        self._failures = 0
        self._refusals = 0
        self._refused_s = 0.0
        """When the first of the refusals in a row was noted."""

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def connect(self) -> None:
        """Open the object, so that `etag` and `size_bytes` are known; reading also opens it if necessary."""
        while self._body is None:
            try:
                self._open()
            except Interrupted as interruption:
                self._wait(interruption)

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        while len(view) and (self.size_bytes is None or self.position < self.size_bytes):
            try:
                block = self._read_block(len(view))
            except Interrupted as interruption:
                self._wait(interruption)
                continue
            view[: len(block)] = block
            self.position += len(block)
            self._failures = 0
            return len(block)
        return 0

    def close(self) -> None:
        if self._body is not None and self._opener.host and self._body_end - self.position <= MORE_BYTES:
            with contextlib.suppress(*self._opener.transient):
                self._body.read(self._body_end - self.position)
        self._drop_body()
        super().close()

    def _read_block(self, size: int) -> bytes:
        if self._body is not None and self.position >= self._body_end:
            self._drop_body()
        body = self._body or self._open()
        if self.size_bytes is not None and self.position >= self.size_bytes:
            return b""
        size = min(size, max(LEAST_BLOCK_BYTES, BLOCK_BYTES >> self._failures), self._body_end - self.position)
        try:
            block = body.read(size)
        except self._opener.transient as error:
            if why := lasting(error, first=False):
                raise SourceError(f"{self._opener.location}: {why}") from None
            raise Interrupted(masked_error(error)) from None
        if not block:
            raise Interrupted(f"the connection ended before byte {self._body_end}")
        return block

    def _open(self) -> Body:
        if self._pauses is not None:
            self._pauses.wait(self._opener.host)
        self._asked_s = time.time()
        opened = self._opener.open(self.position, self.etag, self._end())
        self._body, self._body_end = opened.body, opened.end
        self._refusals = 0
        if self._pauses is not None:
            self._pauses.served(self._opener.host, self._asked_s)
        if self.size_bytes not in (None, opened.size_bytes) or (self.etag or opened.etag) != opened.etag:
            raise changed(self._opener.location)
        self.etag, self.size_bytes = opened.etag, opened.size_bytes
        return opened.body

    def _end(self) -> int | None:
        """Return the end of the next request; None for the end of the object."""
        if self._until is None:
            return None
        is_past = self.position >= self._until
        if is_past and not self._more_bytes:
            self._more_bytes = BLOCK_BYTES
        end = max(self._until, self.position) + self._more_bytes
        if is_past:
            self._more_bytes *= 2
        return None if self.size_bytes is not None and end >= self.size_bytes else end

    def _wait(self, interruption: Interrupted) -> None:
        self._drop_body()
        if interruption.refused and self._pauses is not None:
            self._refused(interruption, self._pauses)
            return
        self._failures += 1
        if self._policy.tries is not None and self._failures >= self._policy.tries:
            raise SourceError(
                f"{self._opener.location}: gave up at byte {self.position} after {self._failures} tries "
                f"without progress: {interruption}. Run the same command again later; it continues from here"
            ) from interruption
        pause_s = self._policy.pause_s(self._failures, interruption)
        _LOG.warning(
            "%s: %s at byte %d; next try in %.1f s", self._opener.location, interruption, self.position, pause_s
        )
        if self._on_retry is not None:
            self._on_retry(self.position, str(interruption), pause_s)
        pause(pause_s)

    def _refused(self, interruption: Interrupted, pauses: Pauses) -> None:
        """Begin a pause of the run, and then one of this stream; raise SourceError if only this object is refused."""
        _LOG.warning("%s: %s at byte %d", self._opener.location, interruption, self.position)
        host = self._opener.host
        self._refusals += 1
        pauses.refused(host, self._asked_s, str(interruption), interruption.retry_after_s)
        if self._refusals == 1:
            self._refused_s = time.time()
        known = pauses.of(host)
        if interruption.forbidden and self._refusals >= FORBIDDEN_TRIES and known and known.since_s > self._refused_s:
            raise SourceError(
                f"{self._opener.location}: the server answers HTTP 403 to {self._refusals} requests in a row and "
                "meanwhile lets others read, so it seems to be forbidden; check the address"
            )
        pause(self._policy.wait_s(self._refusals))

    def _drop_body(self) -> None:
        body, self._body = self._body, None
        if body is None:
            return
        try:
            body.close()
        except self._opener.transient:
            return  # the connection is broken already and no longer needed


def changed(location: str) -> SourceError:
    """Return the error for an object that has changed since the run was planned."""
    return SourceError(
        f"{location}: changed since it was first looked at; run again with --restart to read it from the start"
    )
