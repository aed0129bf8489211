"""Commit the head of the task server's public log on the chain once a day, so that its history has a witness."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from finest.chain.payload import Anchor
from finest.errors import FinestError
from finest.tasks.models import DAY_BLOCKS

if TYPE_CHECKING:
    from finest.chain.commitments import CommitReceipt
    from finest.chain.wallet import Hotkey
    from finest.tasks.store import Store

log = logging.getLogger(__name__)

LOOK_S = 600.0
"""Time between two looks whether the last anchor is a day old."""


class AnchorChain(Protocol):
    """The methods of finest.chain.subnet.Chain that anchoring calls."""

    @property
    def hotkey(self) -> Hotkey: ...
    def block(self) -> int: ...
    def anchor(self, hotkey: str) -> tuple[Anchor, int] | None: ...
    def commit(self, line: str) -> CommitReceipt: ...


def anchor_if_due(store: Store, chain: AnchorChain) -> Anchor | None:
    """Commit the newest entry of the log if the last anchor is a day old; returns the new anchor, or None.

    Several server processes may call this: whoever comes second finds the anchor of the first.
    """
    before = chain.anchor(chain.hotkey.address)
    if before and before[1] > chain.block() - DAY_BLOCKS:
        return None
    newest = store.log_head()
    if newest is None or (before and before[0] == newest):
        return None
    chain.commit(newest.line)
    return newest


class Anchoring:
    """A thread that anchors the log until it is closed; failures are logged and tried again at the next look."""

    def __init__(self, store: Store, chain: AnchorChain, *, look_s: float = LOOK_S) -> None:
        self._store, self._chain, self._look_s = store, chain, look_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="finest-anchor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a commitment that is being written is left to the chain."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if anchor := anchor_if_due(self._store, self._chain):
                    log.info("entry %d of the log is anchored on the chain", anchor.number)
            except FinestError as error:
                log.warning("the log is not anchored: %s", error)
            except Exception:
                log.exception("the log is not anchored")
            self._stop.wait(self._look_s)
