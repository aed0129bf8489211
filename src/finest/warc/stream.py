"""One sequential stream over a WARC, wherever it lies, that survives a bad connection.

A single streaming GET; whatever breaks it (a reset, a stall, a body that ends early, 408, 425, 429, 5xx, 403 from a
rate limit) is answered by another GET with `Range: bytes=<position>-`, after a pause (finest/retry.py). The stream
ends at the object's Content-Length and nowhere else, so a cut connection can never look like the end of a WARC.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from finest.errors import SourceError
from finest.masking import masked_error
from finest.reachable import lasting
from finest.retry import Policy, pause

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LOG = logging.getLogger(__name__)

BLOCK_BYTES = 64 << 10
"""Most bytes asked for at once: urllib3 and botocore throw away what a failing read had already got, so a stream cut
every 0.9 MB never moves with reads of 1 MB, and does with these."""

LEAST_BLOCK_BYTES = 1 << 10
"""After each failure without progress the next read asks for half as much, down to this."""

OnRetry = Callable[[int, str, float], None]
"""Called before each pause with (position in bytes, reason, pause in seconds)."""


class Interrupted(Exception):
    """The connection failed in a way that another GET can mend."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None, refused: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.refused = refused
        """True where the server asked for fewer requests (403, 429, 503)."""


class Body(Protocol):
    """Bytes of one answer."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer: the body from the asked position on, and what object it belongs to."""

    body: Body
    etag: str | None
    size_bytes: int
    """Size of the whole object, not of this answer."""


class Opener(Protocol):
    """One kind of place that can be read from a given byte on."""

    location: str
    """What messages call it: without user information and query."""
    transient: tuple[type[Exception], ...]
    """What reading a body raises when the connection breaks."""

    def open(self, position: int, etag: str | None) -> Opened:
        """Open at `position`; raises Interrupted where another try may help, SourceError where none will."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy(Policy):
    """How long a stream insists: its failures are counted anew after each byte of progress."""

    first_s: float = 0.5
    cap_s: float = 60.0
    tries: int | None = 12
    """Tries without a byte of progress; 12 are almost four minutes of waiting."""
    asked_cap_s: float = 900.0
    """Longest `Retry-After` that is obeyed to the letter; Common Crawl's blocks last some minutes."""
    refused_floor_s: float = 1.0
    """Least pause after a refusal: Common Crawl asks for at most one request a second (status.commoncrawl.org)."""

    def pause_s(self, failures: int, interruption: Interrupted) -> float:
        """Seconds to wait after the n-th failure in a row.

        A `Retry-After` is kept to the second, without jitter: the server refused each stream at a moment of its own,
        so the streams of a run come back apart already.
        """
        drawn_s = self.wait_s(failures)
        if interruption.refused:
            drawn_s = max(drawn_s, self.refused_floor_s)
        return max(drawn_s, min(interruption.retry_after_s or 0.0, self.asked_cap_s))


class ResumableStream(io.RawIOBase):
    """The bytes of one object from `position` to its end, in order, in bounded memory.

    Raises SourceError when the object is not the one that `etag` and `size_bytes` name, when it cannot be read at
    all, or when `policy.tries` tries in a row brought no byte.
    """

    def __init__(
        self,
        opener: Opener,
        *,
        position: int = 0,
        etag: str | None = None,
        size_bytes: int | None = None,
        policy: RetryPolicy | None = None,
        on_retry: OnRetry | None = None,
    ) -> None:
        super().__init__()
        self.position = position
        self.etag = etag
        self.size_bytes = size_bytes
        self._opener = opener
        self._policy = policy or RetryPolicy()
        self._on_retry = on_retry
        self._body: Body | None = None
        self._failures = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def connect(self) -> None:
        """Open the object, so that `etag` and `size_bytes` are known; reading does it by itself."""
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
        self._drop_body()
        super().close()

    def _read_block(self, size: int) -> bytes:
        body = self._body or self._open()
        if self.size_bytes is not None and self.position >= self.size_bytes:
            return b""
        size = min(size, max(LEAST_BLOCK_BYTES, BLOCK_BYTES >> self._failures))
        try:
            block = body.read(size)
        except self._opener.transient as error:
            if why := lasting(error, first=False):
                raise SourceError(f"{self._opener.location}: {why}") from None
            raise Interrupted(masked_error(error)) from None
        if not block:
            raise Interrupted(f"the connection ended before byte {self.size_bytes}")
        return block

    def _open(self) -> Body:
        opened = self._opener.open(self.position, self.etag)
        self._body = opened.body
        if self.size_bytes not in (None, opened.size_bytes) or (self.etag or opened.etag) != opened.etag:
            raise changed(self._opener.location)
        self.etag, self.size_bytes = opened.etag, opened.size_bytes
        return opened.body

    def _wait(self, interruption: Interrupted) -> None:
        self._drop_body()
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

    def _drop_body(self) -> None:
        body, self._body = self._body, None
        if body is None:
            return
        try:
            body.close()
        except self._opener.transient:
            return  # the connection is broken already, and nothing more is wanted of it


def changed(location: str) -> SourceError:
    """The error for an object that is no longer the one that was planned."""
    return SourceError(
        f"{location}: changed since it was first looked at; run again with --restart to read it from the start"
    )
