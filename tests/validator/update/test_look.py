"""Which tags are releases."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from finest.errors import UsageError
from finest.validator.update import Releases
from tests.validator.update.source import Source

RUNNING = "0.1.0"


class Lookout:
    """Looks for releases, and remembers what was said."""

    def __init__(self, source: Source, home: Path) -> None:
        self.said: list[str] = []
        self.releases = Releases(
            home / "updates", str(source.folder), source.signers, say=self.said.append, extras=(), running=RUNNING
        )

    def look(self) -> str | None:
        found = self.releases.look()
        return found.tag if found else None


@pytest.fixture
def lookout(source: Source, tmp_path: Path) -> Lookout:
    return Lookout(source, tmp_path)


def test_a_good_tag_is_taken(source: Source, lookout: Lookout) -> None:
    """Annotated, signed by a pinned key, named and numbered as its tree: the newest of them, with who signed it."""
    source.release("0.1.0")
    source.release("0.9.0")
    commit = source.commit("0.10.0")
    tag_object = source.tag("v0.10.0")
    found = lookout.releases.look()
    assert found is not None
    assert (found.tag, found.commit, found.object) == ("v0.10.0", commit, tag_object)
    assert found.signer == "releases@example.org"
    assert lookout.said == []


def test_unsigned_and_lightweight_tags_are_refused(source: Source, lookout: Lookout) -> None:
    """The newest that is signed is taken; of the others it is said once why not."""
    source.release("0.2.0")
    source.commit("0.3.0")
    source.tag("v0.3.0", key=None)
    source.commit("0.4.0")
    source.git("tag", "v0.4.0")
    assert lookout.look() == lookout.look() == "v0.2.0"
    assert lookout.said == [
        "v0.4.0 is refused: it is a lightweight tag, which nobody signed", "v0.3.0 is refused: it is not signed",
    ]  # fmt: skip


def test_a_foreign_signature_is_refused(source: Source, lookout: Lookout) -> None:
    """A good signature by a key that is not in the file, even if the tree brings a file that names it."""
    foreign = source.key("theirs")
    (source.folder / "allowed_signers").write_text(f"releases@example.org {foreign}\n")
    source.commit("0.2.0")
    source.tag("v0.2.0", key="theirs")
    assert lookout.look() is None
    assert lookout.said[0].startswith("v0.2.0 is refused: its signature is by none of the keys in ")


def test_a_key_that_was_taken_out_signs_no_more(source: Source, lookout: Lookout) -> None:
    """The file is read anew at every look."""
    source.release("0.2.0")
    assert lookout.look() == "v0.2.0"
    source.signers.write_text(f"releases@example.org {source.key('next')}\n")
    assert lookout.look() is None


def test_a_broken_signature_is_refused(source: Source, lookout: Lookout) -> None:
    """A signature of ours that stands below another tag."""
    source.release("0.2.0")
    text = source.git("cat-file", "tag", "v0.2.0")
    source.commit("0.3.0")
    forged = text.replace("v0.2.0", "v0.3.0") + "\n"
    done = subprocess.run(
        ["git", "-C", source.folder, "hash-object", "-t", "tag", "-w", "--stdin"],
        input=forged, text=True, check=True, capture_output=True,
    )  # fmt: skip
    source.git("update-ref", "refs/tags/v0.3.0", done.stdout.strip())
    assert lookout.look() == "v0.2.0"
    assert "v0.3.0 is refused: its signature is by none of the keys in" in lookout.said[0]


def test_a_moved_tag_is_refused(source: Source, lookout: Lookout) -> None:
    """What was a release once is that commit for ever, whoever signs another one."""
    first = source.release("0.2.0")
    assert lookout.look() == "v0.2.0"
    source.commit("0.2.0", runs="print('other')")
    second = source.tag("v0.2.0", force=True)
    assert lookout.look() is None
    assert lookout.said == [f"v0.2.0 is refused: it was {first[:12]} and is {second[:12]} now; tags stay"]


def test_an_old_tag_under_a_new_name_is_refused(source: Source, lookout: Lookout) -> None:
    """Whoever holds the server has signed tags at hand; their own name is what counts."""
    old = source.release("0.0.9")
    source.git("update-ref", "refs/tags/v0.9.0", old)
    assert lookout.look() is None
    assert lookout.said == ["v0.9.0 is refused: it is the tag 'v0.0.9' under another name"]


def test_a_tree_of_another_version_or_project_is_refused(source: Source, lookout: Lookout) -> None:
    """A signed tag on the wrong commit is a mistake, and no release."""
    source.commit("0.2.0")
    source.tag("v0.3.0")
    source.commit("0.4.0", name="else")
    source.tag("v0.4.0")
    assert lookout.look() is None
    assert lookout.said == [
        "v0.4.0 is refused: its tree is else 0.4.0, not finest-data 0.4.0",
        "v0.3.0 is refused: its tree is finest-data 0.2.0, not finest-data 0.3.0",
    ]


def test_downgrades_are_refused(source: Source, lookout: Lookout) -> None:
    """Neither an older release nor the same one; names that are no releases' are not looked at."""
    source.release("0.0.9")
    source.release("0.1.0")
    source.commit("9.0.0")
    for name in ("v9.0.0rc1", "v9.0", "v09.0.0", "9.0.0"):
        source.tag(name)
    assert lookout.look() is None
    assert lookout.said == ["the newest release is v0.1.0, this is 0.1.0: no update"]


def test_an_older_release_is_not_installed_either(source: Source, tmp_path: Path) -> None:
    """Whoever asks for it."""
    source.release("0.2.0")
    release = Lookout(source, tmp_path).releases.look()
    assert release is not None
    said: list[str] = []
    later = Releases(
        tmp_path / "later", str(source.folder), source.signers, say=said.append, extras=(), running="0.3.0"
    )
    assert later.install(release) is False
    assert said == ["v0.2.0 is not taken: this is 0.3.0 already"]
    assert not (tmp_path / "later" / "releases").exists()


def test_a_source_out_of_reach_is_said_once(source: Source, tmp_path: Path) -> None:
    """A server that is away stops nothing, and its password is not shown."""
    said: list[str] = []
    away = "http://me:secret@127.0.0.1:1/x.git"
    releases = Releases(tmp_path / "updates", away, source.signers, say=said.append, extras=(), running=RUNNING)
    assert releases.look() is releases.look() is None
    assert len(said) == 1
    assert said[0].startswith("no look for updates at http://127.0.0.1:1/x.git: git ls-remote: fatal:")


def test_signed_with_openpgp(source: Source, lookout: Lookout) -> None:
    """Keys in the armored file sign; a key that is only in the user's own ring does not."""
    if not shutil.which("gpg"):
        pytest.skip("no gpg")
    ring = source.keys / "gpg"
    ring.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", ring, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        for user in ("ours@example.org", "theirs@example.org"):
            subprocess.run([*gpg, "--quick-generate-key", user, "ed25519", "sign"], check=True, capture_output=True)
        source.commit("0.2.0")
        source.git("-c", "user.signingKey=ours@example.org", "tag", "-s", "-m", "v0.2.0", "v0.2.0")
        source.commit("0.3.0")
        source.git("-c", "user.signingKey=theirs@example.org", "tag", "-s", "-m", "v0.3.0", "v0.3.0")
        keys = subprocess.run([*gpg, "--armor", "--export", "ours@example.org"], check=True, capture_output=True).stdout
        source.signers.write_bytes(keys)
        found = lookout.releases.look()
    finally:
        subprocess.run(["gpgconf", "--homedir", ring, "--kill", "gpg-agent"], check=False)
    assert found is not None
    assert (found.tag, found.signer) == ("v0.2.0", "ours@example.org")
    assert "v0.3.0 is refused: its signature is by none of the keys" in lookout.said[0]


def test_signers_must_be_the_operators_own(source: Source, tmp_path: Path) -> None:
    """A file that is missing, empty, open to all, or among what updates bring is refused at once."""
    home = tmp_path / "updates"
    home.mkdir()
    empty, inside, open_ = tmp_path / "empty", home / "signers", tmp_path / "open"
    empty.write_text("# nobody yet\n")
    inside.write_text(source.signers.read_text())
    open_.write_text(source.signers.read_text())
    open_.chmod(0o666)
    for path, words in (
        (tmp_path / "none", "No such file"), (empty, "names no key"), (open_, "others may write to it"),
        (inside, "keep the keys elsewhere"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            Releases(home, str(source.folder), path)


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_signers_that_others_may_write_are_refused(source: Source, tmp_path: Path, mode: int) -> None:
    """A key that a group or anybody may add is nobody's: file and folders above it, as OpenSSH's StrictModes has it."""
    source.signers.chmod(mode)
    with pytest.raises(UsageError, match="others may write to it: chmod go-w"):
        Releases(tmp_path / "updates", str(source.folder), source.signers)
    source.signers.chmod(0o644)
    source.keys.chmod(0o777)
    with pytest.raises(UsageError, match=f"lies in {source.keys}, and others may write to it"):
        Releases(tmp_path / "updates", str(source.folder), source.signers)
    source.keys.chmod(0o1777)  # as /tmp is: each may only touch their own
    Releases(tmp_path / "updates", str(source.folder), source.signers)


def test_signers_behind_a_link_that_others_may_turn_are_refused(source: Source, tmp_path: Path) -> None:
    """The folders of the link count as those of the file."""
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    (loose / "signers").symlink_to(source.signers)
    with pytest.raises(UsageError, match="others may write to it"):
        Releases(tmp_path / "updates", str(source.folder), loose / "signers")


def test_signers_of_another_user_are_refused(source: Source, tmp_path: Path) -> None:
    """Whoever owns the file may give themselves the right to write."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(source.signers, 12345, 12345)
    with pytest.raises(UsageError, match="user 12345 owns it"):
        Releases(tmp_path / "updates", str(source.folder), source.signers)


def test_signers_that_are_opened_later_sign_nothing(source: Source, lookout: Lookout) -> None:
    """The file is looked at anew for each tag."""
    source.release("0.2.0")
    source.signers.chmod(0o666)
    assert lookout.look() is None
    assert "others may write to it" in lookout.said[0]


def test_a_source_is_no_flag(source: Source, tmp_path: Path) -> None:
    """git would run what --upload-pack names."""
    with pytest.raises(UsageError, match="neither a folder nor the address"):
        Releases(tmp_path / "updates", "--upload-pack=touch x", source.signers)
