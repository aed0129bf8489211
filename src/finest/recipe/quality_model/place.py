"""Find and load the models of a recipe, without the network: shipped ones, those in the cache, or local files."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import ModelError
from finest.recipe.quality_model.scoring import QualityModel
from finest.recipe.stages.quality_model import SUFFIX, is_on_hub, is_shipped

if TYPE_CHECKING:
    from finest.recipe.stages.quality_model import ModelRules, QualityModelRules

_FOLDER = Path(str(resources.files("finest.recipe"))) / "models"


def cached_path(cache: Path, sha256: str) -> Path:
    """Return where the cache folder keeps the model with that sha256."""
    return cache / "models" / f"{sha256}{SUFFIX}"


def shipped_names() -> list[str]:
    """Return the names of the models that come with this version."""
    return sorted(file.stem for file in _FOLDER.glob(f"*{SUFFIX}"))


def shipped_path(name: str) -> Path:
    """Return the file of a shipped model; raise ModelError for an unknown name."""
    path = _FOLDER / f"{name}{SUFFIX}"
    if not path.is_file():
        shipped = ", ".join(shipped_names()) or "none"
        raise ModelError(f"no quality model called {name!r} comes with this version (shipped: {shipped}); name a file")
    return path


def local_path(rules: ModelRules, cache: Path) -> Path:
    """Return the local file of a model; raise ModelError, with the next command, if there is none on this machine."""
    if is_shipped(rules.model):
        return shipped_path(rules.model)
    cached = cached_path(cache, rules.sha256)
    if cached.is_file():
        return cached
    if is_on_hub(rules.model):
        raise ModelError(
            f"quality model {rules.name} ({rules.model}) is not on this machine; fetch it with: "
            "finest recipe fetch RECIPE.toml"
        )
    path = Path(rules.model).expanduser()
    if path.is_file():
        return path
    raise ModelError(
        f"quality model {rules.name}: there is no file {path}; if you have it elsewhere: cp {path.name} {cached}"
    )


def load_models(rules: QualityModelRules, cache: Path) -> tuple[QualityModel, ...]:
    """Load the models of a recipe, each checked against its sha256 and its rules; raise ModelError if one is wrong."""
    return tuple(_load(model, cache) for model in rules.models)


def _load(rules: ModelRules, cache: Path) -> QualityModel:
    model = QualityModel.load(local_path(rules, cache), rules.sha256)
    if model.classes and rules.kind == "score":
        raise ModelError(f'quality model {rules.name} has classes; add to its entry in the recipe: kind = "class"')
    if not model.classes and rules.kind == "class":
        raise ModelError(f'quality model {rules.name} has no classes; remove from its entry: kind = "class"')
    unknown = sorted(set(rules.drop_classes) - set(model.classes))
    if unknown:
        classes = ", ".join(model.classes)
        raise ModelError(f"quality model {rules.name} has no class {unknown[0]!r}; its classes are {classes}")
    return model
