"""Unattended updates: only to signed release tags, each in its own venv, with a rollback if a release fails.

    releases = Releases(home, source, signers)
    release = releases.look()                 the newest tag that may be installed, or None
    releases.install(release)                 installs it beside everything else; True if it may be started
    launch(home, sys.argv[1:])                continues as the chosen release; returns if this code itself should run
    healthy(home)                             after the first full pass; three starts without it give the release up

The operator's own installation is the launcher: it is never changed, and every failure falls back to it.

    git.py       runs git without prompts, hooks, or settings from a fetched tree
    signed.py    checks that a tag is a release: annotated, signed by a pinned key, with the right name and version
    store.py     update.json: the releases that were seen, installed, started and given up
    build.py     builds a release's own venv and checks that it works
    releases.py  finds and installs releases
    launch.py    starts a release, counts its starts, and goes back to an earlier one
"""

from finest.validator.update.launch import healthy, launch, stopped
from finest.validator.update.releases import Releases
from finest.validator.update.signed import Release

__all__ = ["Release", "Releases", "healthy", "launch", "stopped"]
