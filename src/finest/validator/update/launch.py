"""Start the chosen release in place of this process, count its starts, and go back from one that does not work.

The launcher is the operator's own installation; a running release may launch a newer one too. A release has three
starts to complete its first pass. After that, later exits do not count against it, because they have other causes.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from packaging.version import Version

import finest
from finest.errors import RunError
from finest.validator.update.build import own_environment
from finest.validator.update.signed import version_of
from finest.validator.update.store import Entry, Store, Updates

log = logging.getLogger(__name__)

STARTS = 3
"""Starts that a release gets; a supervisor makes them within a minute. One failure may be the machine's fault, three
are blamed on the release."""


def launch(home: Path, argv: Sequence[str], say: Callable[[str], None] = log.info) -> None:
    """Continue as the chosen release with these arguments, in this process and with its environment.

    Returns if this code itself should run: no newer release is chosen, or the chosen one does not start. Close
    everything first, because threads, files and connections end here.
    """
    store = Store(home)
    try:
        while (tag := _to_start(store, say)) is not None:
            program = store.venv(tag) / "bin" / "finest"
            say(f"Going on as {tag}")
            sys.stdout.flush()
            sys.stderr.flush()
            try:
                os.execve(program, [str(program), *argv], own_environment())  # noqa: S606 - a release that was signed
            except OSError as error:
                with store.change() as known:
                    _give_up(known, tag, f"it cannot be started: {error.strerror}", store)
    except (RunError, OSError) as error:
        say(f"Updates are left alone: {error}")


def healthy(home: Path, say: Callable[[str], None] = log.info) -> None:
    """Record that this code works, because it completed a pass, and delete releases that are no longer needed."""
    store = Store(home)

    def mark(known: Updates, tag: str) -> None:
        known.releases[tag].state, known.releases[tag].starts = "healthy", 0

    known = _noted(store, mark, say)
    if known is not None:
        kept = {_running(store), known.chosen, known.newest_healthy(but=_running(store))}
        for old in known.releases.keys() - kept:
            shutil.rmtree(store.folder(old), ignore_errors=True)


def stopped(home: Path, say: Callable[[str], None] = log.info) -> None:
    """Do not count this start: the process was told to stop, or has a problem that the operator must solve."""

    def forget(known: Updates, tag: str) -> None:
        known.releases[tag].starts = max(0, known.releases[tag].starts - 1)

    _noted(Store(home), forget, say)


def _noted(store: Store, note: Callable[[Updates, str], None], say: Callable[[str], None]) -> Updates | None:
    """Change this process's release entry and return all entries; None if this is not a release or the change fails."""
    tag = _running(store)
    if tag is None:
        return None
    try:
        with store.change() as known:
            known.releases.setdefault(tag, Entry(commit=""))
            note(known, tag)
    except (RunError, OSError) as error:
        say(f"Updates are left alone: {error}")
        return None
    return known


def _to_start(store: Store, say: Callable[[str], None]) -> str | None:
    """Return the release to start and count its start; None if this code itself should run."""
    if store.read().chosen is None:
        return None
    with store.change() as known:
        while known.chosen is not None:
            if _is_spent(known, store, say):
                continue
            if version_of(known.chosen) <= Version(finest.__version__) or known.chosen == _running(store):
                return None
            entry = known.releases[known.chosen]
            entry.starts += entry.state != "healthy"
            return known.chosen
    return None


def _is_spent(known: Updates, store: Store, say: Callable[[str], None]) -> bool:
    """Return whether the chosen release has used up its starts; if so, choose another one."""
    tag = known.chosen
    assert tag is not None
    entry = known.releases.get(tag)
    if entry is not None and (entry.state == "healthy" or entry.starts < STARTS or tag == _running(store)):
        return False
    if entry is None:
        known.chosen = known.newest_healthy()
    else:
        _give_up(known, tag, f"{STARTS} starts, and it never got through a pass", store)
    say(f"{tag} is given up after {STARTS} starts; going back to {known.chosen or 'the installation of your own'}")
    return True


def _give_up(known: Updates, tag: str, why: str, store: Store) -> None:
    known.give_up(tag, why)
    shutil.rmtree(store.folder(tag), ignore_errors=True)


def _running(store: Store) -> str | None:
    """Return the release that this process runs; None for the operator's own installation."""
    venv = Path(sys.prefix)
    here = venv.parent
    return here.name if venv.name == "venv" and here.resolve() == store.folder(here.name).resolve() else None
