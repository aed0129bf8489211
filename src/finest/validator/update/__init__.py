"""Updates that nobody has to be there for: only to signed release tags, each in its own venv, and back if it fails.

    releases = Releases(home, source, signers)
    release = releases.look()                 the newest tag that may be taken, None where there is none
    releases.install(release)                 beside everything else; True where it may be started
    launch(home, sys.argv[1:])                goes on as the chosen release; returns where this code is to run itself
    healthy(home)                             after the first full pass; three starts without it, and it is given up

The installation that the operator made is the launcher: it is never changed, and whatever fails ends there.

git.py       git, asked without a prompt, hooks or a fetched tree's settings
signed.py    is a tag a release: annotated, signed by a pinned key, named and numbered as it says
store.py     what was seen, installed, started and given up: update.json
build.py     a release's own venv, and whether it works
releases.py  look and install
launch.py    start it, count its starts, go back
"""

from finest.validator.update.launch import healthy, launch, stopped
from finest.validator.update.releases import Releases
from finest.validator.update.signed import Release

__all__ = ["Release", "Releases", "healthy", "launch", "stopped"]
