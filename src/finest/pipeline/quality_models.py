"""Put the quality models of a recipe into the cache, so that pages can be judged without the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.dataset.model_files import fetch_model
from finest.recipe.quality_model.place import cached_path, local_path
from finest.recipe.quality_model.scoring import QualityModel
from finest.recipe.stages.quality_model import is_on_hub, is_shipped

if TYPE_CHECKING:
    from finest.dataset.hub_retry import Say
    from finest.recipe.recipe import Recipe
    from finest.recipe.stages.quality_model import ModelRules


def provide_models(recipe: Recipe, cache: Path, *, token: str | None = None, say: Say = lambda _: None) -> list[Path]:
    """Return a local file for each of the recipe's models: shipped, or in the cache, where fetched files are put.

    Workers, cluster jobs and later runs then find it there by its sha256, wherever the recipe named it. Raises
    ModelError if a file is missing, is no model, or has another sha256; HubError or VerifyError if the Hub does not
    give it.
    """
    return [_provide(model, cache, token, say) for model in recipe.quality_model.models]


def _provide(rules: ModelRules, cache: Path, token: str | None, say: Say) -> Path:
    if is_on_hub(rules.model):
        return fetch_model(rules.model, rules.sha256, cache, token=token, say=say)
    path = local_path(rules, cache)
    cached = cached_path(cache, rules.sha256)
    if is_shipped(rules.model) or path == cached:
        return path
    QualityModel.load(path, rules.sha256)
    cached.parent.mkdir(parents=True, exist_ok=True)
    write_whole(cached, path.read_bytes())
    return cached
