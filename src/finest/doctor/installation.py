"""Checks of Python, the packages, the recipe, the compiled core, a known page and the quality measure."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator

from packaging.requirements import Requirement

from finest.doctor.subject import Role, Subject
from finest.errors import FinestError
from finest.findings import Finding, failure, ok, warning
from finest.system import unserved

PROJECT = "finest-data"
EXTRAS: dict[Role, str] = {"miner": "subnet", "validator": "validator"}
"""The extra of the package for each role: the chain client, and for a validator also the database."""
_WITH_COMPILER = f"apt-get install gcc python3-dev && pip install --force-reinstall --no-deps {PROJECT}"


def python(_: Subject) -> Finding:
    """Check that the project supports this Python version and operating system."""
    if (why := unserved()) is not None:
        return failure(why, "python3.12 -m venv .venv on Linux with glibc, and install in that")
    return ok(f"Python {platform.python_version()} at {sys.executable}")


def packages(subject: Subject) -> Finding:
    """Check that every package has a version that the project allows; those that decide verdicts are pinned exactly.

    Packages that only work for the subnet needs may be missing on a miner's machine: `finest refine` runs without them.
    """
    try:
        needed = list(requirements(extra=EXTRAS[subject.role]))
    except importlib.metadata.PackageNotFoundError:
        return failure(f"{PROJECT} itself is not installed here", f"pip install {_wanted(subject)}")
    wrong = [(need, version) for need in needed if (version := _unfit(need)) is not None]
    if not wrong:
        exact = sum("==" in str(need.specifier) for need in needed)
        return ok(f"{len(needed)} packages, {exact} of them pinned exactly")
    said = ", ".join(f"{need.name} is {version or 'missing'}" for need, version in wrong[:4])
    more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
    own = {need.name for need in requirements(extra="")}
    if subject.role == "miner" and not any(version or need.name in own for need, version in wrong):
        return warning(f"{said}{more}, which only work for the subnet needs", f"pip install {_wanted(subject)}")
    named = " ".join(f"'{need.name}{need.specifier}'" for need, _ in wrong)
    return failure(f"{said}{more}", f"pip install {named}")


def requirements(project: str = PROJECT, extra: str = EXTRAS["miner"]) -> Iterator[Requirement]:
    """Yield the installed project's requirements on this machine, including `extra` and the extras that it refers to.

    Raises PackageNotFoundError if the project is not installed.
    """
    seen = {project}
    extras = ["", extra]
    for name in extras:
        for line in importlib.metadata.requires(project) or ():
            need = Requirement(line)
            wanted = name == "" if need.marker is None else need.marker.evaluate({"extra": name})
            if wanted and need.name == project:
                extras += need.extras - {*extras}
            if wanted and need.name not in seen:
                seen.add(need.name)
                yield need


def _unfit(need: Requirement) -> str | None:
    """Return the installed version if it does not fit, "" if the package is missing, None if all is well."""
    try:
        version = importlib.metadata.version(need.name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    return None if need.specifier.contains(version, prereleases=True) else version


def native(_: Subject) -> Finding:
    """Check that the compiled core is available; without it the texts are the same but take more CPU time."""
    from finest.recipe import native
    from finest.recipe.extract import core_tables

    core = native.core()
    if core is not None:
        unfilled = core_tables.why_unfilled(core)
        if unfilled:
            return warning(f"the compiled core does not extract, which takes more CPU time: {unfilled}", _WITH_COMPILER)
        return ok("the compiled core of extraction is installed")
    return warning(f"no compiled core, extraction takes more CPU time: {native.missing()}", _WITH_COMPILER)


def recipe(subject: Subject) -> Finding:
    """Check that the recipe can be read and that the library versions it names are installed."""
    from finest.recipe.recipe import load_recipe

    try:
        found = load_recipe(subject.recipe)
    except FinestError as error:
        line, _, mend = str(error).partition("; ")
        return failure(line, mend or "finest recipe list")
    return ok(f"{found.name}, hash {found.hash[:12]}")


def known_page(subject: Subject) -> Finding:
    """Run a page with known text through the whole recipe, to check that models load and extraction works."""
    from finest.pipeline.preflight import preflight
    from finest.recipe.recipe import load_recipe

    try:
        preflight(load_recipe(subject.recipe), subject.settings.cache)
    except FinestError as error:
        return failure(str(error).partition("; mend it")[0], _reinstall(subject))
    return ok("a known page gives its known text")


def quality_model(subject: Subject) -> Finding:
    """Check that the quality measure has this version's tokenizer and fixed documents, so scores are comparable."""
    from finest.validator.quality.heldout import FIXED_SHA256, anchors
    from finest.validator.quality.tokens import LANGUAGES, ids

    try:
        documents = anchors()
        ids(documents[0])
        ids(documents[0], LANGUAGES)
        others = sum(len(anchors(language)) for language in FIXED_SHA256)
    except (FinestError, OSError) as error:
        return failure(str(error).partition("; reinstall")[0], _reinstall(subject))
    told = f"{len(documents)} fixed documents in English and {others} in {len(FIXED_SHA256)} other languages"
    return ok(f"the pinned tokenizers, {told}")


def _wanted(subject: Subject) -> str:
    return f"'{PROJECT}[{EXTRAS[subject.role]}]'"


def _reinstall(subject: Subject) -> str:
    return f"pip install --force-reinstall {_wanted(subject)}"
