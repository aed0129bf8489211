"""The package's metadata: extras that every installer resolves, and the Pythons that it serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from finest.system import LEAST_PYTHON, NEWEST_PYTHON

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
CONTAINS = {"validator": "subnet", "server": "validator", "devnet": "server", "test": "devnet"}
"""Each of these extras holds another one whole. The package may not say so itself: Poetry refuses that."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_no_extra_names_the_package(project: dict[str, Any]) -> None:
    """Poetry 2 ends with "is listed as a dependency of itself" where one does."""
    for extra, lines in project["optional-dependencies"].items():
        assert project["name"] not in {Requirement(line).name for line in lines}, extra


@pytest.mark.parametrize("extra", CONTAINS)
def test_extras_contain_each_other_word_for_word(project: dict[str, Any], extra: str) -> None:
    """What is written twice is written the same way twice, and nothing of the smaller extra is forgotten."""
    extras = project["optional-dependencies"]
    assert set(extras[CONTAINS[extra]]) <= set(extras[extra])


def test_one_requirement_for_one_package(project: dict[str, Any]) -> None:
    """No extra asks for other versions of a package than the next one, nor twice for the same."""
    asked: dict[str, str] = {}
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        assert len({Requirement(line).name for line in lines}) == len(lines)
        for line in lines:
            assert asked.setdefault(Requirement(line).name, line) == line


def test_the_doctor_knows_the_pythons_of_the_metadata(project: dict[str, Any]) -> None:
    """Metadata, doctor and README name the same versions."""
    served = SpecifierSet(project["requires-python"])
    (least, newest), readme = (LEAST_PYTHON, NEWEST_PYTHON), (ROOT / "README.md").read_text("utf-8")
    for minor in range(6, 20):
        assert served.contains(f"3.{minor}.1") == (least[1] <= minor <= newest[1])
    assert f"Python {least[0]}.{least[1]} to {newest[0]}.{newest[1]}" in readme
