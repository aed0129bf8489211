"""A release is installed beside everything else, started in the launcher's place, and left again if it fails."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import finest
from finest.atomic_files import hold
from finest.validator.update import Releases, healthy, launch, stopped
from finest.validator.update.build import Broken, Failed, build, present_extras, smoke
from finest.validator.update.launch import STARTS
from finest.validator.update.signed import Release
from finest.validator.update.store import Entry, Store
from tests.validator.update.source import Source, environment

LAUNCHER = (
    "import sys; from pathlib import Path; from finest.validator.update import launch; "
    "launch(Path(sys.argv[1]), ['run', sys.argv[1]], say=print); print('the own installation runs')"
)
WELL, DIES, TOLD = "healthy(home)", "sys.exit('a bug')", "stopped(home)"


class Operator:
    """Who made the installation that runs these tests, and lets it update itself."""

    def __init__(self, source: Source, home: Path) -> None:
        self.source, self.home, self.said = source, home, list[str]()
        self.releases = Releases(home, str(source.folder), source.signers, say=self.said.append, extras=())

    def update(self) -> bool:
        """One look, and what it brings."""
        release = self.releases.look()
        return release is not None and self.releases.install(release)

    def start(self) -> list[str]:
        """What is printed by one start of the operator's own installation."""
        done = subprocess.run(
            [sys.executable, "-c", LAUNCHER, str(self.home)], env=environment(HF_TOKEN="hf_x"), text=True,
            capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout.splitlines()

    def states(self) -> dict[str, str]:
        return {tag: entry["state"] for tag, entry in self.file()["releases"].items()}

    def file(self) -> Any:
        return json.loads((self.home / "update.json").read_bytes())


@pytest.fixture
def operator(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setenv("SITE", environment()["SITE"])
    return Operator(source, tmp_path / "updates")


@pytest.mark.slow
@pytest.mark.nightly
def test_a_release_takes_over_and_a_bad_one_is_left_again(operator: Operator) -> None:
    """A good one gets through its pass; the next one dies at three starts, and the good one runs again."""
    source, home = operator.source, operator.home
    assert operator.start() == ["the own installation runs"]
    source.release("90.2.0", runs=WELL)
    assert operator.update(), operator.said
    runs = f"90.2.0 runs run {home} hf_x"
    assert operator.start() == ["Going on as v90.2.0", runs]
    assert operator.states() == {"v90.2.0": "healthy"}

    source.release("90.3.0", runs=DIES)
    assert operator.update()
    for _ in range(STARTS):
        assert operator.start() == ["Going on as v90.3.0", f"90.3.0 runs run {home} hf_x"]
    back = "v90.3.0 is given up after 3 starts; going back to v90.2.0"
    assert operator.start() == [back, "Going on as v90.2.0", runs]
    assert operator.states() == {"v90.2.0": "healthy", "v90.3.0": "bad"}
    assert not (home / "releases" / "v90.3.0").exists()
    assert operator.start() == ["Going on as v90.2.0", runs]

    found = operator.releases.look()  # the bad one is not taken again, the older one is there already
    assert found is not None
    assert found.tag == "v90.2.0"
    assert operator.releases.install(found)
    assert operator.said[-1] == "v90.3.0 was given up: 3 starts, and it never got through a pass"


@pytest.mark.slow
@pytest.mark.nightly
def test_a_release_that_does_not_work_changes_nothing(operator: Operator) -> None:
    """What fails its own examination is given up at once, with the reason; the own installation goes on."""
    operator.source.release("90.2.0", doctor=1)
    assert not operator.update()
    assert operator.file()["chosen"] is None
    assert operator.states() == {"v90.2.0": "bad"}
    assert operator.said[-1].startswith("v90.2.0 is given up: finest doctor --validator")
    assert not operator.update()
    assert operator.start() == ["the own installation runs"]


@pytest.mark.nightly
def test_ends_that_are_no_fault_are_not_counted(operator: Operator) -> None:
    """A release that is told to stop before its first pass is over is not given up for it."""
    operator.source.release("90.2.0", runs=TOLD)
    assert operator.update()
    for _ in range(STARTS + 1):
        assert operator.start()[0] == "Going on as v90.2.0"
    assert operator.file()["releases"]["v90.2.0"]["starts"] == 0


@pytest.mark.nightly
@pytest.mark.usefixtures("operator")
def test_what_is_built_says_what_it_is(source: Source, tmp_path: Path) -> None:
    """A venv of another version than the tag's does not pass."""
    source.commit("90.2.0")
    build(source.folder, tmp_path / "venv", ())
    smoke(Release("v90.2.0", "", "", ""), tmp_path / "venv")
    with pytest.raises(Broken, match=r"finest --version says 90\.2\.0"):
        smoke(Release("v90.3.0", "", "", ""), tmp_path / "venv")


def wheel(folder: Path, name: str) -> tuple[Path, str]:
    """A package of one module, and its sha256."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info/"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(info + "RECORD", "")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.nightly
def test_packages_of_another_hash_are_not_installed(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that was taken over slips nothing in: each file has the sha256 that the release was signed with."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    _, sha256 = wheel(tmp_path, "needed")
    source.lock = f"needed==1.0 --hash=sha256:{sha256}\n"
    source.commit("90.2.0")
    build(source.folder, tmp_path / "good", ())
    assert list((tmp_path / "good").rglob("needed.py"))
    source.lock = f"needed==1.0 --hash=sha256:{'0' * 64}\n"
    source.commit("90.3.0")
    with pytest.raises(Failed, match=r"(?i)hash"):
        build(source.folder, tmp_path / "bad", ())
    assert not list((tmp_path / "bad").rglob("needed.py"))


def test_a_release_without_hashes_is_given_up(operator: Operator) -> None:
    """What a release needs is named by hash, for each extra that is installed, or it is not taken."""
    operator.source.commit("90.2.0")
    (operator.source.folder / "deploy" / "locks" / "base.txt").unlink()
    operator.source.git("commit", "--quiet", "--all", "--amend", "-m", "no lock")
    operator.source.tag("v90.2.0")
    assert not operator.update()
    assert "v90.2.0 is given up: it has no deploy/locks/base.txt" in operator.said[-1]
    operator.source.commit("90.3.0")
    (operator.source.folder / "deploy" / "locks" / "subnet.txt").unlink()
    with pytest.raises(Broken, match=r"deploy/locks/subnet\.txt"):
        build(operator.source.folder, operator.home / "venv", ("subnet",))


def test_what_cannot_be_built_is_tried_three_times(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index may be out of reach once; each try is said, and the last one ends it."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    operator.source.release("90.2.0")
    assert [operator.update() for _ in range(4)] == [False] * 4
    why = "python -m venv cannot be started: No such file or directory"
    assert [line for line in operator.said if "Installing" not in line] == [
        *[f"v90.2.0 is not installed, and will be tried again: {why}"] * 2,
        f"v90.2.0 is given up: {why}",
        f"v90.2.0 was given up: {why}",
    ]


def test_a_release_that_cannot_be_started_is_given_up(tmp_path: Path) -> None:
    """A venv whose Python the system has taken away: the installation of the operator goes on."""
    store, said = Store(tmp_path), list[str]()
    with store.change() as known:
        known.releases["v90.2.0"] = Entry(commit="", state="healthy")
        known.chosen = "v90.2.0"
    launch(tmp_path, [], said.append)
    assert said == ["Going on as v90.2.0"]
    assert store.read().chosen is None
    assert store.read().releases["v90.2.0"].why == "it cannot be started: No such file or directory"


def test_an_own_installation_that_is_newer_runs_itself(tmp_path: Path) -> None:
    """Who updates by hand is not taken back."""
    with Store(tmp_path).change() as known:
        known.releases[tag := f"v{finest.__version__}"] = Entry(commit="", state="healthy")
        known.chosen = tag
    launch(tmp_path, [], pytest.fail)


def test_a_file_that_nobody_can_read_stops_nothing(tmp_path: Path) -> None:
    """It is said, and the own installation runs; a file of a later version keeps what is not known here."""
    (tmp_path / "update.json").write_text("{")
    said: list[str] = []
    launch(tmp_path, [], said.append)
    assert said[0].startswith("Updates are left alone: ")
    assert str(tmp_path / "update.json") in said[0]
    (tmp_path / "update.json").write_text('{"format": "finest-update/1", "later": 7}')
    with Store(tmp_path).change() as known:
        known.chosen = None
    assert json.loads((tmp_path / "update.json").read_bytes())["later"] == 7


def test_one_installation_at_a_time(operator: Operator) -> None:
    """Another process that installs is not disturbed."""
    operator.source.release("90.2.0")
    release = operator.releases.look()
    assert release is not None
    with hold(operator.home / "install.lock"):
        assert not operator.releases.install(release)
    assert operator.said == [f"v90.2.0 is being installed by process {os.getpid()}"]


def test_an_installation_sees_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Packages' own set-up code runs while they are built: it gets pip's settings, and no token or password."""
    from finest.validator.update import build as module

    secrets = (
        "HF_TOKEN",
        "WANDB_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "BT_PW_HOTKEY",
        "PGPASSWORD",
        "VALIDATOR_DATABASE_URL",
    )
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:token@example.org/simple")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = module._run([sys.executable, "-c", "import os; print(os.environ)"], 60, tmp_path)
    assert "PIP_INDEX_URL" in said
    assert not [name for name in (*secrets, "PYTHONPATH") if name in said]


def test_a_release_gets_the_extras_of_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have all their packages here; of a project that is not installed, none."""
    info = tmp_path / "some_project-1.dist-info"
    info.mkdir()
    needs = (
        "packaging",
        "click ; extra == 'server'",
        "pydantic ; extra == 'subnet'",
        "no-such-thing ; extra == 'subnet'",
    )
    lines = ["Metadata-Version: 2.1", "Name: some-project", "Version: 1", *(f"Requires-Dist: {need}" for need in needs)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert present_extras("some-project") == ("server",)
    assert present_extras("another-project") == ()


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no reason for a validator to end; an installation of the operator's own has nothing to note."""
    healthy(tmp_path, pytest.fail)
    monkeypatch.setattr(sys, "prefix", str(Store(tmp_path).venv("v90.2.0")))
    (tmp_path / "update.json").write_text("{")
    said: list[str] = []
    healthy(tmp_path, said.append)
    stopped(tmp_path, said.append)
    assert len(said) == 2
    (tmp_path / "update.json").unlink()
    healthy(tmp_path, pytest.fail)
    assert Store(tmp_path).read().releases["v90.2.0"].state == "healthy"


def test_old_releases_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept are the one that runs, the newest healthy one beside it, the chosen one, and what is being installed."""
    store = Store(tmp_path)
    states = {
        "v90.1.0": "healthy",
        "v90.2.0": "healthy",
        "v90.3.0": "bad",
        "v90.4.0": "installed",
        "v90.5.0": "installed",
    }
    with store.change() as known:
        known.releases = {tag: Entry(commit="", state=state) for tag, state in states.items()}  # type: ignore[arg-type]
        known.chosen = "v90.5.0"
    for tag in (*states, "v90.6.0"):
        store.venv(tag).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(store.venv("v90.4.0")))
    healthy(tmp_path, pytest.fail)
    left = {folder.name for folder in (tmp_path / "releases").iterdir()}
    assert left == {"v90.2.0", "v90.4.0", "v90.5.0", "v90.6.0"}
