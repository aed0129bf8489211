"""What the doctor says of an installation."""

from __future__ import annotations

import importlib.metadata
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from finest.chain.options import ChainOptions
from finest.doctor import installation
from finest.doctor.subject import Role, Subject
from finest.findings import State, ok
from finest.settings import Settings


@pytest.fixture
def subject(cache: Path) -> Subject:
    return Subject(Settings(cache=cache), ChainOptions())


def test_this_installation_is_well(subject: Subject) -> None:
    """The tests run on what the project names."""
    for check in (installation.python, installation.packages, installation.recipe, installation.known_page):
        found = check(subject)
        assert found.state is State.OK, found


def test_without_a_compiled_core(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package works all the same, so that is a warning, with what brings the core."""
    from finest.recipe import native

    monkeypatch.setattr(native, "core", lambda: None)
    monkeypatch.setattr(native, "missing", lambda: "No module named _core")
    found = installation.native(subject)
    assert found.state is State.WARNING
    assert "No module named _core" in found.line
    assert "gcc" in (found.mend or "")


def test_an_old_python(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with the way to a newer one."""
    version = namedtuple("version", "major minor micro releaselevel serial")(3, 9, 18, "final", 0)
    monkeypatch.setattr(sys, "version_info", version)
    found = installation.python(subject)
    assert found.state is State.FAILURE
    assert found.line.startswith("Python 3.9 is too old")
    assert "venv" in (found.mend or "")


def test_another_version_than_the_pinned_one(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that decides a page's fate must have exactly the version that the project pins."""
    real = importlib.metadata.version
    pinned = next(need for need in installation.requirements() if need.name == "trafilatura").specifier

    def version(name: str) -> str:
        return "2.3.1" if name == "trafilatura" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = installation.packages(subject)
    assert found.state is State.FAILURE
    assert found.line == "trafilatura is 2.3.1"
    assert found.mend == f"pip install 'trafilatura{pinned}'"


@pytest.mark.parametrize(
    ("role", "missing", "state", "mend"),
    [("miner", "bittensor", State.WARNING, "pip install 'finest-data[subnet]'"),
     ("validator", "bittensor", State.FAILURE, "pip install 'bittensor"),
     ("miner", "fastwarc", State.FAILURE, "pip install 'fastwarc")],
)  # fmt: skip
def test_a_package_is_missing(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, role: Role, missing: str, state: State, mend: str
) -> None:
    """The chain's client is an extra, without which pages can be refined."""
    subject.role = role
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = installation.packages(subject)
    assert found.state is state
    assert found.line.startswith(f"{missing} is missing")
    assert (found.mend or "").startswith(mend)


def test_no_such_recipe(subject: Subject) -> None:
    """The shipped ones are named."""
    subject.recipe = "fineweb2"
    found = installation.recipe(subject)
    assert found.state is State.FAILURE
    assert "fineweb2" in found.line
    assert "fineweb, finest" in (found.mend or "")


def test_a_broken_extractor(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A known page that gives nothing is a broken installation."""
    from finest.recipe.judge import ENGINES

    monkeypatch.setitem(ENGINES, "trafilatura", lambda _: "")
    found = installation.known_page(subject)
    assert found.state is State.FAILURE
    assert "0 of its" in found.line
    assert found.mend == "pip install --force-reinstall 'finest-data[subnet]'"


def test_what_quality_is_measured_with(subject: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The pinned files are there; other bytes are named with the way to the right ones."""
    from finest.validator.quality import heldout

    subject.role = "validator"
    found = installation.quality_model(subject)
    told = "48 fixed documents in English and 173 in 10 other languages"
    assert found == ok(f"the pinned tokenizers, {told}")
    other = tmp_path / "anchors.txt"
    other.write_bytes(heldout.ANCHORS.read_bytes() + b" ")
    monkeypatch.setattr(heldout, "ANCHORS", other)
    found = installation.quality_model(subject)
    assert found.state is State.FAILURE
    assert str(other) in found.line
    assert found.mend == "pip install --force-reinstall 'finest-data[validator]'"


def test_a_validator_needs_a_database_too() -> None:
    """Its extra brings the chain's client and SQLAlchemy; a miner needs no SQLAlchemy."""
    names = {need.name for need in installation.requirements(extra=installation.EXTRAS["validator"])}
    assert {"bittensor", "sqlalchemy", "trafilatura"} <= names
    assert "finest-data" not in names
    miner = {need.name for need in installation.requirements()}
    assert "bittensor" in miner
    assert "sqlalchemy" not in miner
