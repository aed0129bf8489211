"""A submission: `recipe.toml` and quality models beside it, in a folder or a repository on the Hub.

Only these files are read, and only within limits that are checked before anything is downloaded. Nothing in them is
code. A model is named by its file's name, so the submission is whole by itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from finest.atomic_files import write_whole
from finest.contest.bounds import broken_bounds, strange_sections
from finest.dataset.hub import REVISION, Hub, Revision
from finest.errors import ModelError, RecipeError, UsageError, VerifyError
from finest.formatting import byte_size
from finest.recipe.quality_model.format import ModelFile, decoded
from finest.recipe.quality_model.place import cached_path, shipped_names
from finest.recipe.recipe import Recipe, canonical_json, parse_recipe, tomllib
from finest.recipe.stages.quality_model import SUFFIX, is_shipped

if TYPE_CHECKING:
    from finest.recipe.stages.quality_model import ModelRules

RECIPE_NAME = "recipe.toml"
MAX_RECIPE_BYTES = 64_000
"""The shipped recipes have 5 kB."""
MAX_MODEL_BYTES = 4_000_000
"""Twice the largest shipped model: 2^20 weights of two bytes, and room for a header."""
MAX_BYTES = 16_000_000
"""All files together; every validator and later every miner holds them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.safetensors")
_PLACE = re.compile(REVISION)


@dataclass(frozen=True, slots=True)
class Submission:
    """A checked submission."""

    recipe: Recipe
    files: Mapping[str, bytes]
    """Content by name: the recipe, and the models that it names."""

    @property
    def digest(self) -> str:
        """The sha256 over the names and sha256s of the files, which is what a commitment binds."""
        listed = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        return hashlib.sha256(canonical_json(listed)).hexdigest()

    def install(self, cache: Path) -> Path:
        """Put the files where the recipe can be used from, and the models into the cache; return the recipe's path."""
        folder = cache / "recipes" / self.digest
        (cache / "models").mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            write_whole(folder / name, data)
            if name.endswith(SUFFIX):
                write_whole(cached_path(cache, hashlib.sha256(data).hexdigest()), data)
        return folder / RECIPE_NAME


class Files(Protocol):
    """The files of a submission at one place."""

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; None if there is none."""

    def read(self, name: str, size: int) -> bytes:
        """Return the content of a file of that size."""


def read_submission(place: str, *, token: str | None = None) -> Submission:
    """Read and check `FOLDER` or `REPO@REVISION`.

    Raises VerifyError with the reason if it cannot be a submission, UsageError for a place that is neither, HubError or
    a subclass if the Hub does not give it.
    """
    if Path(place).is_dir():
        return checked(_Folder(Path(place)))
    found = _PLACE.fullmatch(place)
    if found is None:
        raise UsageError(
            f"{place[:200]!r} is neither a folder nor OWNER/NAME@REVISION with a revision of 40 hex digits"
        )
    return checked(_Repository(Revision(found[1], found[2]), token))


def checked(files: Files) -> Submission:
    """Return the submission in these files; raises VerifyError if it is none."""
    data = _read(files, RECIPE_NAME, MAX_RECIPE_BYTES)
    recipe = _recipe(data)
    named = {RECIPE_NAME: data}
    left = MAX_BYTES - len(data)
    for rules in recipe.quality_model.models:
        name = Path(rules.model).name
        if is_shipped(rules.model) or name in named:
            continue
        named[name] = _read(files, name, min(MAX_MODEL_BYTES, left))
        left -= len(named[name])
    for rules in recipe.quality_model.models:
        if not is_shipped(rules.model):
            _check_model(rules, named[Path(rules.model).name])
    return Submission(recipe, named)


def _recipe(data: bytes) -> Recipe:
    try:
        parsed = tomllib.loads(data.decode())
        if strange := strange_sections(parsed):
            raise VerifyError(
                f"{RECIPE_NAME}: [{strange[0]}] is no stage of this version; stages of other packages are not run here"
            )
        _check_places(parsed)
        recipe = parse_recipe(parsed)
    except (UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError, RecipeError) as error:
        raise VerifyError(f"{RECIPE_NAME}: {str(error)[:300]}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise VerifyError(f"{RECIPE_NAME}: [{'.'.join(map(str, first['loc']))}] {first['msg'][:300]}") from error
    for line in broken_bounds(recipe):
        raise VerifyError(f"{RECIPE_NAME}: {line}")
    return recipe


def _check_places(parsed: Mapping[str, Any]) -> None:
    """Refuse models that are named by anything but a file of the submission, or a shipped name."""
    section = parsed.get("quality_model")
    models = section.get("models") if isinstance(section, dict) else None
    for model in models if isinstance(models, list) else ():
        place = model.get("model") if isinstance(model, dict) else None
        if not isinstance(place, str) or _NAME.fullmatch(place):
            continue
        if not (is_shipped(place) and place in shipped_names()):
            raise VerifyError(
                f"{RECIPE_NAME}: the model {place[:100]!r} is no file of the submission: put it beside the recipe and "
                f"write its name alone, such as edu{SUFFIX}"
            )


def _check_model(rules: ModelRules, data: bytes) -> None:
    name = Path(rules.model).name
    if hashlib.sha256(data).hexdigest() != rules.sha256:
        raise VerifyError(f"{name}: its sha256 is not the one in {RECIPE_NAME}; write the sha256 of the file there")
    try:
        head, tensors = decoded(data)
    except ModelError as error:
        raise VerifyError(f"{name}: {error}") from error
    found = ModelFile(head, tensors, rules.sha256).head
    if bool(found.classes) != (rules.kind == "class"):
        raise VerifyError(f"{name}: the recipe says kind = {rules.kind!r}, and the model is of the other kind")
    if unknown := sorted(set(rules.drop_classes) - set(found.classes)):
        raise VerifyError(f"{name}: it has no class {unknown[0]!r}, which the recipe drops")


def _read(files: Files, name: str, most: int) -> bytes:
    size = files.size(name)
    if size is None:
        raise VerifyError(f"there is no file {name}; a submission is {RECIPE_NAME} and the models that it names")
    if size > most:
        raise VerifyError(
            f"{name} has {byte_size(size)}; allowed are {byte_size(MAX_RECIPE_BYTES)} for the recipe, "
            f"{byte_size(MAX_MODEL_BYTES)} for a model and {byte_size(MAX_BYTES)} in all"
        )
    data = files.read(name, size)
    if len(data) != size:
        raise VerifyError(f"{name}: has another size than its folder or the Hub says")
    return data


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, name: str) -> int | None:
        path = self._folder / name
        return path.stat().st_size if path.is_file() else None

    def read(self, name: str, size: int) -> bytes:
        with (self._folder / name).open("rb") as file:
            return file.read(size + 1)


class _Repository:
    def __init__(self, revision: Revision, token: str | None) -> None:
        self._revision, self._hub = revision, Hub(token, kind="model")
        self._files = self._hub.files(revision)

    def size(self, name: str) -> int | None:
        file = self._files.get(name)
        return None if file is None else file.size_bytes

    def read(self, name: str, size: int) -> bytes:
        del size
        return self._hub.whole(self._revision, self._files[name])
