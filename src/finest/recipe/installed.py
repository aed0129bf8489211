"""Stages that other packages add through an entry point, and their pinned versions in a recipe.

A package registers its stage in the entry point group `finest.stages`, under the name of its recipe section. The stage
runs if a recipe has that section. The recipe then records the package's name and version and the sha256 of the stage's
module. The recipe hash covers these, so another version of the stage makes another recipe.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from finest.errors import RecipeError
from finest.process import allow_pandas
from finest.recipe.stage import Column, Rules, Stage
from finest.recipe.stages import STAGES

GROUP = "finest.stages"
MAX_COLUMNS = 32
MAX_REASONS = 256
_SECTION = r"[a-z][a-z0-9]{0,31}"
_ROW_COLUMNS = frozenset({
    "text", "id", "dump", "url", "date", "file_path", "language", "language_score", "token_count", "warc_offset",
    "warc_length", "row_hash",
})  # fmt: skip
"""Columns that every row has, as in `finest.dataset.rows`; a test compares the two."""
_TAKEN = frozenset(
    {stage.name for stage in STAGES}
    | {stage.section for stage in STAGES}
    | {
        "name",
        "description",
        "schema",
        "libraries",
        "stages",
        "others",
        "judge",
        "kept",
        "duplicate",
        "read",
        "selection",
        "write",
    }
)
"""Names that an added stage cannot have."""
_Line = Annotated[str, Field(max_length=300, pattern=r"^[^\n\r|<>]*$")]
_ReasonName = Annotated[str, Field(max_length=96, pattern=r"^[a-z][a-z0-9_]*$")]
_ColumnName = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]


class Origin(Rules):
    """The origin of an added stage, and what readers of its datasets need to know: question, reasons and columns."""

    distribution: str = Field(max_length=100, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str = Field(max_length=64, pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the module that the entry point names, or of the package's folder if the module is a package."""
    question: _Line = ""
    reasons: dict[_ReasonName, _Line] = Field(default={}, max_length=MAX_REASONS)
    columns: tuple[Column, ...] = Field(default=(), max_length=MAX_COLUMNS)

    @field_validator("columns")
    @classmethod
    def _are_new(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return check_columns(columns)

    def needed(self, section: str) -> str:
        """Return a sentence with the package that a recipe with this stage needs, and the command to install it."""
        return (
            f"its stage {section!r} needs the package {self.distribution} {self.version}; "
            f"if you trust it: pip install {self.distribution}=={self.version}"
        )


class InstalledStage(NamedTuple):
    """An installed stage of another package, and its origin."""

    stage: Stage[Any]
    origin: Origin


def check_columns(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return `columns` unchanged; raise ValueError if a row cannot have them together with its own columns."""
    names = [column.name for column in columns]
    for column in columns:
        TypeAdapter(_ColumnName).validate_python(column.name)
        TypeAdapter(_Line).validate_python(column.doc)
        if column.name in _ROW_COLUMNS or names.count(column.name) > 1:
            raise ValueError(f"a row has the column {column.name} already")
    return columns


@cache
def installed_stage(section: str) -> InstalledStage | None:
    """Return the installed stage for that section of a recipe; None if no package has one.

    Raises RecipeError if several packages have one, or if the stage cannot be loaded or is invalid.
    """
    found = list(importlib.metadata.entry_points(group=GROUP, name=section))
    if not found or not re.fullmatch(_SECTION, section) or section in _TAKEN:
        return None
    if len({entry.value for entry in found}) > 1:
        packages = ", ".join(sorted(entry.dist.name if entry.dist else "?" for entry in found))
        raise RecipeError(
            f"[{section}] several installed packages have such a stage ({packages}); uninstall all but one"
        )
    entry = found[0]
    allow_pandas()  # the package may use it
    try:
        stage = entry.load()
        if not isinstance(stage, Stage):
            raise TypeError(f"{entry.value} is not a finest.recipe.stage.Stage")
        _check(stage, section)
        return InstalledStage(stage, _origin(entry, stage))
    except Exception as error:
        name = entry.dist.name if entry.dist else entry.value
        raise RecipeError(
            f"[{section}] the stage of package {name} cannot be used: {type(error).__name__}: {_first_line(error)}"
        ) from error


def require_pinned(section: str, pinned: Origin) -> None:
    """Raise RecipeError if the stage that the recipe pins is not the one that is installed here."""
    found = installed_stage(section)
    if found is None:
        raise RecipeError(f"{pinned.needed(section)} (it is not installed)")
    here = found.origin
    if (here.distribution, here.version) != (pinned.distribution, pinned.version):
        raise RecipeError(f"{pinned.needed(section)} (installed is {here.distribution} {here.version})")
    if here != pinned:
        raise RecipeError(f"{pinned.needed(section)} (installed is another build of that version: its module differs)")


def origins(resolved: dict[str, Any]) -> dict[str, Origin]:
    """Return the added stages in a resolved recipe, by section; raise ValueError if they are malformed.

    This imports no stage: a dataset records the reasons and columns of its stages, so it can be read without their
    packages.
    """
    stated = resolved.get("stages", {})
    if not isinstance(stated, dict) or len(stated) > MAX_COLUMNS:
        raise ValueError("the recipe's `stages` are not a table of stages")
    found = {}
    for section, data in stated.items():
        if not re.fullmatch(_SECTION, section) or section in _TAKEN:
            raise ValueError("the recipe's `stages` name a stage that no package can add")
        try:
            found[section] = Origin.model_validate(data)
        except ValidationError as error:
            raise ValueError(f"the recipe's stage {section!r}: {_first_line(error)}") from error
        _check_reasons(section, found[section].reasons)
    check_columns(tuple(column for origin in found.values() for column in origin.columns))
    return found


def needs(resolved: dict[str, Any]) -> str:
    """Return one line with the packages that a resolved recipe needs besides this one; "" if it needs none."""
    return "; ".join(origin.needed(section) for section, origin in origins(resolved).items())


def _check(stage: Stage[Any], section: str) -> None:
    from finest.recipe.state import PageState

    fields = PageState.__dataclass_fields__
    if (stage.name, stage.section) != (section, section):
        raise ValueError(f"its name and section must both be {section!r}, as its entry point is called")
    if stage.finishes or stage.families:
        raise ValueError("only stages of this package have `finishes` or `families`")
    if unknown := sorted({*stage.needs, *stage.provides} - set(fields)):
        raise ValueError(f"a page's state has no field {unknown[0]!r}")
    _check_reasons(section, stage.reasons)


def _check_reasons(section: str, reasons: Any) -> None:
    for name in reasons:
        if name != section and not name.startswith(f"{section}_"):
            raise ValueError(f"the reason {name!r} must begin with {section}_")


def _origin(entry: importlib.metadata.EntryPoint, stage: Stage[Any]) -> Origin:
    assert entry.dist is not None
    return Origin(
        distribution=entry.dist.name, version=entry.dist.version, sha256=_module_sha256(entry.module),
        question=stage.question, reasons=dict(stage.reasons), columns=stage.columns,
    )  # fmt: skip


def _module_sha256(name: str) -> str:
    """Return the sha256 of a module's file, or, for a package, of the names and sha256s of the files in its folder."""
    path = Path(str(importlib.import_module(name).__file__))
    if path.name != "__init__.py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    total = hashlib.sha256()
    for file in sorted(path.parent.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            total.update(f"{file.relative_to(path.parent).as_posix()}\n".encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0][:300]
