"""The chore that keeps the validator's own release new, where its operator asked for that."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.validator.update import Releases, healthy, launch, stopped

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

CHECK_RELEASE_S = 6 * 3600.0
"""A release is some days in the making."""
POLL_S = 5.0
"""How often it is asked whether the first pass is through."""


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """Where releases come from, and whose signatures count."""

    source: str
    signers: Path


class Updater:
    """Releases of one source in one folder. Raises UsageError where source or signers make no sense."""

    def __init__(self, home: Path, options: UpdateOptions, say: Callable[[str], None]) -> None:
        self._home, self._say = home, say
        self._releases = Releases(home, options.source, options.signers, say=say)
        self._is_healthy = self.is_due = False

    def launch(self) -> None:
        """Go on as the chosen release, if there is one; everything has to be closed."""
        launch(self._home, sys.argv[1:], self._say)

    def stopped(self) -> None:
        """Said where it ends for no fault of the release's."""
        stopped(self._home, self._say)

    def round(self, all_ran_once: Callable[[], bool], stop: threading.Event) -> float:
        """One round of the chore; sets `stop` where a newer release is ready to go on with."""
        if not self._is_healthy:
            if not all_ran_once():
                return POLL_S
            healthy(self._home, self._say)
            self._is_healthy = True
        release = self._releases.look()
        if release is not None and self._releases.install(release):
            self._say(f"{release.tag} is installed: going on with it")
            self.is_due = True
            stop.set()
        return CHECK_RELEASE_S
