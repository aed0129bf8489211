"""The chore that updates the validator to new releases, if its operator enabled that."""

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
"""Interval between looks for a release, which takes some days to make."""
POLL_S = 5.0
"""Interval at which the chore checks whether the first pass is complete."""


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """The source of releases, and the file of keys allowed to sign them."""

    source: str
    signers: Path


class Updater:
    """Installs releases of one source in one folder. Raises UsageError for an invalid source or signers file."""

    def __init__(self, home: Path, options: UpdateOptions, say: Callable[[str], None]) -> None:
        self._home, self._say = home, say
        self._releases = Releases(home, options.source, options.signers, say=say)
        self._is_healthy = self.is_due = False

    def launch(self) -> None:
        """Continue as the chosen release, if there is one; everything must be closed first."""
        launch(self._home, sys.argv[1:], self._say)

    def stopped(self) -> None:
        """Record that the process ends for no fault of the release."""
        stopped(self._home, self._say)

    def round(self, all_ran_once: Callable[[], bool], stop: threading.Event) -> float:
        """Run one round of the chore; set `stop` if a newer release is ready to take over."""
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
