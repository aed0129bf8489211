"""Find a newer release and install it beside everything else, without touching anything that runs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from packaging.version import Version

import finest
from finest.atomic_files import Held, hold
from finest.errors import UsageError
from finest.validator.update.build import Broken, Failed, build, present_extras, smoke
from finest.validator.update.git import GitError, git, without_secrets
from finest.validator.update.signed import TAG, Refused, Release, Signers, examine, version_of
from finest.validator.update.store import Entry, Store

log = logging.getLogger(__name__)

TRIES = 3
"""Attempts to build a release: an index or a disk may fail once, but after three failures the release is given up."""


class Releases:
    """The releases of one source, for one home folder. Raises UsageError for an invalid source or signers file."""

    def __init__(
        self, home: Path, source: str, signers: Path | str, *, say: Callable[[str], None] = log.info,
        extras: Sequence[str] | None = None, running: str = finest.__version__,
    ) -> None:  # fmt: skip
        self._store, self._say = Store(home), say
        self._signers = Signers(Path(signers).expanduser().absolute())
        self._source, self._running = _place(source), Version(running)
        self._extras = present_extras() if extras is None else tuple(extras)
        self._said: set[str] = set()
        self._signers.check()
        if self._store.home in self._signers.path.parents:
            raise UsageError(
                f"{self._signers.path} is in the folder where releases are installed: keep the keys elsewhere"
            )

    def look(self) -> Release | None:
        """Return the newest release above the running version that may be installed. Never raises for transient errors.

        Each reason for refusing a tag, and that the source is unreachable, is reported only once.
        """
        try:
            self._prepare()
            return self._newest(self._tags())
        except (GitError, OSError) as error:
            self._tell(f"no look for updates at {without_secrets(self._source)}: {error}")
        return None

    def install(self, release: Release) -> bool:
        """Build the release in a venv of its own and test it; True if the next start will use it. This takes minutes.

        A release that does not work is given up at once, one that cannot be built after three attempts.
        """
        if release.version <= self._running:
            self._tell(f"{release.tag} is not taken: this is {self._running} already")
            return False
        self._store.home.mkdir(parents=True, exist_ok=True)
        try:
            with hold(self._store.home / "install.lock"):
                return self._is_chosen(release) or self._install(release)
        except Held as error:
            self._tell(f"{release.tag} is being installed by process {error.holder}")
        except OSError as error:
            self._failed(release, f"{error.strerror} at {error.filename}", at_once=False)
        return False

    def _newest(self, tags: dict[str, str]) -> Release | None:
        known = self._store.read()
        for tag, tag_object in tags.items():
            if known.seen.get(tag, tag_object) != tag_object:
                self._tell(f"{tag} is refused: it was {known.seen[tag][:12]} and is {tag_object[:12]} now; tags stay")
        newer = sorted((tag for tag in tags if version_of(tag) > self._running), key=version_of, reverse=True)
        if tags and not newer:
            self._tell(f"the newest release is {max(tags, key=version_of)}, this is {self._running}: no update")
        for tag in newer:
            entry = known.releases.get(tag)
            if known.seen.get(tag, tags[tag]) != tags[tag]:
                continue
            if entry is not None and entry.state == "bad":
                self._tell(f"{tag} was given up: {entry.why}")
                continue
            if (found := self._fetched(tag)) is not None:
                return found
        return None

    def _tags(self) -> dict[str, str]:
        """List the source's current tags with names of releases, and their tag objects."""
        listed = git(self._repository, "ls-remote", "--tags", "--refs", "--", self._source, "refs/tags/v*")[0]
        pairs = [line.split("\trefs/tags/", 1) for line in listed.splitlines()]
        return {tag: name for name, tag in pairs if TAG.fullmatch(tag)}

    def _fetched(self, tag: str) -> Release | None:
        """Fetch and examine a tag; returns the release and remembers its tag object, or None if the tag is refused."""
        ref = f"refs/tags/{tag}"
        git(
            self._repository,
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--force",
            "--",
            self._source,
            f"{ref}:{ref}",
        )
        try:
            release = examine(self._repository, tag, self._signers)
            with self._store.change() as known:
                if known.seen.setdefault(tag, release.object) != release.object:
                    raise Refused(f"it was {known.seen[tag][:12]} and is {release.object[:12]} now; tags stay")
        except Refused as error:
            self._tell(f"{tag} is refused: {error}")
            return None
        return release

    @property
    def _repository(self) -> Path:
        return self._store.home / "source.git"

    def _prepare(self) -> None:
        self._store.home.mkdir(parents=True, exist_ok=True)
        if not (self._repository / "HEAD").exists():
            shutil.rmtree(self._repository, ignore_errors=True)
            git(self._repository, "init", "--quiet", "--bare")

    def _is_chosen(self, release: Release) -> bool:
        known = self._store.read()
        entry = known.releases.get(release.tag)
        if entry is None or entry.commit != release.commit or entry.state not in ("installed", "healthy"):
            return False
        return known.chosen == release.tag and self._store.venv(release.tag).is_dir()

    def _install(self, release: Release) -> bool:
        folder, venv = self._store.folder(release.tag), self._store.venv(release.tag)
        self._say(f"Installing {release.tag}, signed by {release.signer}, in {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._check_out(release, folder / "tree")
            build(folder / "tree", venv, self._extras)
            smoke(release, venv)
        except (Failed, GitError) as error:
            self._failed(release, str(error), at_once=False)
            return False
        except Broken as error:
            self._failed(release, str(error), at_once=True)
            return False
        with self._store.change() as known:
            known.releases[release.tag] = Entry(commit=release.commit, state="installed")
            known.chosen = release.tag
        self._say(f"{release.tag} is installed and takes over with the next start")
        return True

    def _check_out(self, release: Release, tree: Path) -> None:
        tree.parent.mkdir(parents=True)
        git(self._repository, "worktree", "prune")
        git(self._repository, "worktree", "add", "--quiet", "--detach", "--force", str(tree), release.commit)

    def _failed(self, release: Release, why: str, *, at_once: bool) -> None:
        with self._store.change() as known:
            entry = known.releases.setdefault(release.tag, Entry(commit=release.commit))
            entry.tries, entry.why = entry.tries + 1, why
            given_up = at_once or entry.tries >= TRIES
            if given_up:
                known.give_up(release.tag, why)
        shutil.rmtree(self._store.folder(release.tag), ignore_errors=True)
        self._say(f"{release.tag} is {'given up' if given_up else 'not installed, and will be tried again'}: {why}")

    def _tell(self, line: str) -> None:
        """Report a line only once, not at every look."""
        if line not in self._said:
            self._said.add(line)
            self._say(line)


def _place(source: str) -> str:
    """Return a source in the form that git accepts from any folder; raises UsageError if it could be read as a flag."""
    if not source or source.startswith("-"):
        raise UsageError(f"--auto-update {source!r} is neither a folder nor the address of a git repository")
    folder = Path(source).expanduser()
    return str(folder.absolute()) if folder.is_dir() else source
