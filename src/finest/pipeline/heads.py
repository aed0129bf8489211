"""Look at the heads of a run's sources, many at once; what a ledger knows of a source is not looked at again."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from finest.errors import SourceBusy, SourceError
from finest.masking import public_address
from finest.pipeline.missing import most_missing
from finest.pipeline.progress import Pace
from finest.pipeline.source_table import Sources
from finest.warc.http_session import CONNECTIONS
from finest.warc.layout import Layout
from finest.warc.source import Source, inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.pipeline.progress import Progress
    from finest.warc.pauses import Pauses

LOCAL_AT_ONCE = 8
"""Number of local files that are looked at at once, for the latency of a shared file system."""


def sources_at(
    locations: Sequence[str], names: Sequence[str], known: Sources | None, pauses: Pauses, progress: Progress,
    allow_missing: float = 0,
) -> Sources:  # fmt: skip
    """Return the sources at these locations; those that are as `known` says are not looked at.

    A local file is as known if its size and modification time are, a remote one if its address is. So many as
    `allow_missing` allows may be gone or unreadable: they have no byte, and stay so for the run. Raises SourceError as
    `inspect`, and SourceBusy if a server refuses requests for too long.
    """
    stored = [] if known is None else list(known)
    by_name = {source.name: source for source in stored}
    found = [
        _as_known(location, by_name[name]) if name in by_name else None
        for location, name in zip(locations, names, strict=True)
    ]
    wanted = [number for number, source in enumerate(found) if source is None]
    pace = Pace("Looking at the sources", len(wanted), progress)
    gone: list[SourceError] = []
    for number, source in _looked_at(wanted, locations, names, pauses):
        if isinstance(source, SourceError):
            gone.append(source)
            if len(gone) > min(most_missing(allow_missing, len(names)), len(names) - 1):
                raise gone[0]
            progress.say(f"The run goes on without a source: {source}")
            found[number] = Source(locations[number], names[number], 0, None, Layout.WHOLE)
        else:
            found[number] = source
        pace.add(1)
    if known is not None and list(by_name) == list(names):
        return known.read_at({n: source for n, source in enumerate(found) if source and source is not stored[n]})
    return Sources.of(source for source in found if source is not None)


def _as_known(location: str, source: Source) -> Source | None:
    """Return the source at that location if it is the known one, else None."""
    if not source.size_bytes:  # it was gone when the run was planned
        return source
    if "://" not in location:
        try:
            status = os.stat(location)  # noqa: PTH116 - called for each file of a large folder
        except OSError:
            return None
        same = (location, status.st_size, str(status.st_mtime_ns)) == (source.location, source.size_bytes, source.etag)
        return source if same else None
    if source.location == location and not source.is_stripped:
        return source
    if source.is_stripped and public_address(location) == source.location:
        return replace(source, location=location, is_stripped=False)
    return None


def _looked_at(
    wanted: Sequence[int], locations: Sequence[str], names: Sequence[str], pauses: Pauses
) -> Iterator[tuple[int, Source | SourceError]]:
    """Yield the sources with these numbers, as they are looked at, or why one cannot be read."""
    left, lock = list(wanted[::-1]), threading.Lock()
    results: queue.SimpleQueue[tuple[int, Source | SourceError] | Exception] = queue.SimpleQueue()

    def work() -> None:
        while True:
            with lock:
                if not left:
                    return
                number = left.pop()
            try:
                results.put((number, inspect(locations[number], names[number], pauses=pauses)))
            except SourceError as error:
                results.put(error if isinstance(error, SourceBusy) else (number, error))
            except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
                results.put(error)

    at_once = CONNECTIONS if any("://" in locations[number] for number in wanted) else LOCAL_AT_ONCE
    # daemons, so that Ctrl-C need not wait for a server that is silent
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(at_once, len(wanted)))]
    for thread in threads:
        thread.start()
    try:
        for _ in wanted:
            result = results.get()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        with lock:
            left.clear()  # after an error, no thread begins another one
    for thread in threads:
        thread.join()
