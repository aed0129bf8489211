"""Build a release's own venv and check that its contents work.

Packages run their own set-up code while they are built. That code may write in the release's folder and in a temporary
one, read the system and this Python, and connect to the ports of the package index. Where the kernel supports it,
`finest.sandbox` keeps it away from home folders, the validator's files and other processes.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from finest.errors import RunError
from finest.sandbox import warn_once
from finest.sandbox.paths import ports
from finest.sandbox.program import command as confined
from finest.validator.update.git import last_words
from finest.validator.update.signed import PROJECT, Release

VENV_S, PIP_S = 300.0, 1800.0
"""Timeouts: creating a venv takes seconds, installing about 150 packages takes minutes."""
SMOKE_S = 600.0
"""Timeout of a smoke test. The first known page builds word lists: `finest doctor` allows 180 s for it."""
LOCKS = Path("deploy/locks")
"""Folder of the lock files in a release's tree: base.txt and one for each of EXTRAS, as `make locks` writes them."""
EXTRAS = ("subnet", "server", "wandb")
"""Extras that a validator may have installed beside the refinery."""
_OF_THIS_CODE = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|_KEY$|_KEY_|DATABASE_URL|^BT_PW")
"""Names of variables that no installation needs. pip's own variables are kept: PIP_INDEX_URL may contain a password."""
_OWN_FOLDERS = ("TMPDIR", "XDG_CACHE_HOME", "PIP_CACHE_DIR", "FINEST_CACHE")
"""Variables for other folders an installation writes to; they point to a temporary folder, removed afterwards."""
_SETTINGS = (
    *(Path.home() / folder for folder in (".config/pip", ".pip")), Path("/etc/pip.conf"), Path("/etc/xdg/pip"),
    *(Path(named) for named in [os.environ.get("PIP_CONFIG_FILE")] if named),
)  # fmt: skip
"""Files of pip's settings (pip.pypa.io, Configuration)."""
_ADDRESS = re.compile(r"https?://[^\s'\"]+")
_LOCAL_INDEX = re.compile(r"file://(/[^/\s'\"]+/[^\s'\"]+)")
"""A local index is at least two folders deep, because its parent is readable too: an index's pages may link there."""
_PATH = re.compile(r"(?<![\w:/.-])/[^\s'\"]+")


class Failed(RunError):
    """The release could not be built here and now."""


class Broken(RunError):
    """The release was built and does not work."""


def build(tree: Path, venv: Path, extras: Sequence[str]) -> None:
    """Install a release's tree, with the lock files of its extras, into a venv of its own; raises Failed, Broken.

    Every package, including those that build the tree, must have a sha256 in the release's own lock file, which its
    signature covers. pip fetches nothing else, whatever an index offers.
    """
    locks = [tree / LOCKS / f"{name}.txt" for name in ("base", *extras)]
    if missing := [lock for lock in locks if not lock.is_file()]:
        raise Broken(f"it has no {missing[0].relative_to(tree)}: no release without the hashes of what it needs")
    _run([sys.executable, "-m", "venv", str(venv)], VENV_S, venv.parent)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"]
    named = [word for lock in locks for word in ("--requirement", str(lock))]
    _run([*pip, "--require-hashes", *named], PIP_S, venv.parent, _of_the_index(tree, venv))
    _run([*pip, "--no-deps", "--no-index", "--no-build-isolation", str(tree)], PIP_S, venv.parent, _Reach((tree,)))


@dataclass(frozen=True, slots=True)
class _Reach:
    """Access of a step beyond its folder: a release's tree (writable), the files of an index, and its ports."""

    tree: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    ports: tuple[int, ...] = ()


def _of_the_index(tree: Path, venv: Path) -> _Reach:
    """Return the access that pip's own settings require, as set in its files and in the environment."""
    said = _run([str(venv / "bin" / "python"), "-m", "pip", "config", "list"], VENV_S, venv.parent)
    files, indexes = map(Path, _PATH.findall(said)), map(Path, _LOCAL_INDEX.findall(said))
    return _Reach((tree,), (*files, *(index.parent for index in indexes)), ports(_ADDRESS.findall(said)))


def smoke(release: Release, venv: Path) -> None:
    """Raise Broken unless the release reports its own version and its doctor finds no problem with the installation."""
    finest = str(venv / "bin" / "finest")
    try:
        said = _run([finest, "--version"], SMOKE_S, venv.parent).split()[-1:]
        if said != [str(release.version)]:
            raise Broken(f"finest --version says {' '.join(said) or 'nothing'}")
        _run([finest, "doctor", "--validator", "--installation"], SMOKE_S, venv.parent)
    except Failed as error:
        raise Broken(str(error)) from error


def present_extras(project: str = PROJECT) -> tuple[str, ...]:
    """Return those of EXTRAS whose packages are all installed here."""
    try:
        needs = [Requirement(line) for line in importlib.metadata.requires(project) or ()]
    except importlib.metadata.PackageNotFoundError:
        return ()
    return tuple(extra for extra in EXTRAS if _has_all(list(_of(extra, needs))))


def _of(extra: str, needs: Sequence[Requirement]) -> Iterator[str]:
    for need in needs:
        marker = need.marker
        if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            yield need.name


def _has_all(names: Sequence[str]) -> bool:
    try:
        return bool(names) and all(importlib.metadata.version(name) for name in names)
    except importlib.metadata.PackageNotFoundError:
        return False


def _run(command: Sequence[str], timeout_s: float, folder: Path, reach: _Reach = _Reach()) -> str:
    """Run a program that may write in `folder`, and return its standard output."""
    what = " ".join([Path(command[0]).name, *(word for word in command[1:3] if not word.startswith("/"))])
    warn_once()
    try:
        with tempfile.TemporaryDirectory(prefix="finest-update-") as temporary:
            own = dict.fromkeys(_OWN_FOLDERS, temporary)
            read, written = [*_SETTINGS, *reach.files], [folder, Path(temporary), *reach.tree]
            done = subprocess.run(  # noqa: S603 - no shell; our own Python and the release's
                confined(command, read=read, write=written, ports=reach.ports), env=_environment() | own,
                cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"{what} has not ended in {timeout_s:.0f} s") from None
    except OSError as error:
        raise Failed(f"{what} cannot be started: {error.strerror}") from None
    if done.returncode:
        raise Failed(f"{what}: {last_words(done.stderr or done.stdout)} (status {done.returncode})")
    return done.stdout


def own_environment() -> dict[str, str]:
    """Return this process's environment without the variables that lead another Python to this code."""
    return {name: value for name, value in os.environ.items() if name not in _OF_THIS_CODE}


def _environment() -> dict[str, str]:
    ours = own_environment()
    return {name: value for name, value in ours.items() if name.startswith("PIP_") or not _SECRET.search(name)}
