"""Check that a tag is a release: annotated, signed by a pinned key, and with the name and version of its content.

A signature covers the tag object: the commit, and so the whole tree, and the name `vX.Y.Z`. Anyone who controls the
server but has no key can therefore only withhold releases; an old tag under a new name is recognised by the name inside
it.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from finest.errors import RunError, UsageError
from finest.validator.update.git import GitError, git

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = "finest-data"
TAG = re.compile(r"v(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")
"""Names of releases: vX.Y.Z without a suffix."""
_PGP = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PGP_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_SSH_SIGNATURE = "-----BEGIN SSH SIGNATURE-----"
_SIGNER = re.compile(r'Good (?:"git" )?signature (?:for|from) "?([^"\n]+?)"?(?: with | \[|$)', re.MULTILINE)
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Refused(RunError):
    """A tag that is not an acceptable release, and why."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release that may be installed."""

    tag: str
    object: str
    """Hash of the tag object; it changes if the tag is moved."""
    commit: str
    signer: str
    """The key owner's name in the signers file."""

    @property
    def version(self) -> Version:
        return version_of(self.tag)


def version_of(tag: str) -> Version:
    """Convert vX.Y.Z to a version."""
    return Version(tag.removeprefix("v"))


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys that may sign a release: the operator's own file, which is read again for each tag.

    The file contains either git's allowed signers (lines of `name ssh-ed25519 AAAA...`, ssh-keygen(1)) or armored
    OpenPGP public keys.
    """

    path: Path

    def check(self) -> None:
        """Raise UsageError if the file has no keys, or if another user of this machine could add one.

        The rule is that of OpenSSH's StrictModes: the file and the folders above it belong to root or to this user, and
        no group or other user may write to them. A sticky folder like /tmp, where users may only change their own
        files, is accepted.
        """
        self._text()
        given = self.path.absolute()
        real = given.resolve()
        for place in dict.fromkeys((real, *real.parents, *given.parents)):
            _refuse_what_others_change(place, self.path)

    def verify(self, repository: Path, tag_object: str, signature: str) -> str:
        """Return the name of the signer of a tag object; raises Refused if none of the keys signed it."""
        try:
            self.check()
        except UsageError as error:
            raise Refused(str(error)) from None
        text = self._text()
        if (_PGP in text) != (_PGP_SIGNATURE in signature):
            raise Refused(f"it is signed with another kind of key than those in {self.path}")
        try:
            said = self._by_gpg(repository, tag_object) if _PGP in text else self._by_ssh(repository, tag_object)
        except GitError as error:
            raise Refused(f"its signature is by none of the keys in {self.path} ({error})") from error
        found = _SIGNER.search(said)
        if found is None:
            raise Refused(f"its signature is by none of the keys in {self.path}")
        return found[1]

    def _by_ssh(self, repository: Path, tag_object: str) -> str:
        settings = {
            "gpg.ssh.allowedSignersFile": str(self.path.absolute()),
            "gpg.ssh.revocationFile": "",
            "gpg.ssh.program": "ssh-keygen",
            "gpg.minTrustLevel": "fully",  # other people's keys are "undefined"
        }
        return git(repository, "verify-tag", tag_object, settings=settings)[1]

    def _by_gpg(self, repository: Path, tag_object: str) -> str:
        """Verify with a key ring of these keys alone, because gpg accepts any key of the user's own ring."""
        with tempfile.TemporaryDirectory(prefix="finest-keys-") as ring:
            env = {"GNUPGHOME": ring}
            settings = {"gpg.program": "gpg", "gpg.minTrustLevel": "undefined"}
            self._import(ring)
            return git(repository, "verify-tag", tag_object, settings=settings, env=env)[1]

    def _import(self, ring: str) -> None:
        import subprocess

        command = ["gpg", "--homedir", ring, "--batch", "--no-autostart", "--quiet", "--import", str(self.path)]
        try:
            subprocess.run(command, capture_output=True, timeout=60, check=True)  # noqa: S603
        except FileNotFoundError:
            raise UsageError(
                f"{self.path} holds OpenPGP keys, and gpg is not installed: apt-get install gnupg"
            ) from None
        except subprocess.SubprocessError:
            raise UsageError(f"{self.path}: gpg cannot read these keys; gpg --show-keys {self.path}") from None

    def _text(self) -> str:
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(f"the keys that may sign releases, {self.path}: {error.strerror}") from None
        if not any(line.strip() and not line.startswith("#") for line in text.splitlines()):
            raise UsageError(f"{self.path} names no key: a line is NAME ssh-ed25519 AAAA..., as in ssh-keygen(1)")
        return text


def _refuse_what_others_change(place: Path, signers: Path) -> None:
    status = place.stat()
    what = f"{signers} says whose releases are run, and" if place == signers else f"{signers} lies in {place}, and"
    if status.st_uid not in (0, os.geteuid()):
        raise UsageError(f"{what} user {status.st_uid} owns it: chown root {place}, or keep the keys elsewhere")
    is_shared = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & _OTHERS_MAY_WRITE and not is_shared:
        raise UsageError(f"{what} others may write to it: chmod go-w {place}")


def examine(repository: Path, tag: str, signers: Signers) -> Release:
    """Return the release that a fetched tag is; raises Refused for a tag that is not a release."""
    tag_object = git(repository, "rev-parse", "--verify", f"refs/tags/{tag}")[0].strip()
    if git(repository, "cat-file", "-t", tag_object)[0].strip() != "tag":
        raise Refused("it is a lightweight tag, which nobody signed")
    text = git(repository, "cat-file", "tag", tag_object)[0]
    head, _, body = text.partition("\n\n")
    said = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
    if _PGP_SIGNATURE not in body and _SSH_SIGNATURE not in body:
        raise Refused("it is not signed")
    signer = signers.verify(repository, tag_object, body)
    if said.get("tag") != tag:
        raise Refused(f"it is the tag {said.get('tag')!r} under another name")
    if said.get("type") != "commit":
        raise Refused(f"it is the tag of a {said.get('type')}, not of a commit")
    _check_tree(repository, said["object"], tag)
    return Release(tag, tag_object, said["object"], signer)


def _check_tree(repository: Path, commit: str, tag: str) -> None:
    try:
        project = tomllib.loads(git(repository, "show", f"{commit}:pyproject.toml")[0])["project"]
        name, version = project["name"], project["version"]
    except (GitError, tomllib.TOMLDecodeError, KeyError, TypeError):
        raise Refused("its tree has no pyproject.toml with a name and a version") from None
    if name != PROJECT or version != tag.removeprefix("v"):
        raise Refused(f"its tree is {name} {version}, not {PROJECT} {tag.removeprefix('v')}")
