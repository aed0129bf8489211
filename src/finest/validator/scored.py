"""Quality models of submitted recipes: which recipes with models are known, fetching the models, and checking scores.

A recipe that only adds scores to a recipe of this version gives that recipe's rows, so it counts as known: rows are
judged again with the models, and a row with another score is forged like any other. Any other recipe is unknown; still
its scores must be those that its models give the rows' texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from finest.errors import HubNotFound, ModelError, RecipeError, UsageError, VerifyError
from finest.pipeline.quality_models import forget_models, provide_models
from finest.recipe.quality_model import QualityModel, score_all
from finest.recipe.quality_model.place import load_models
from finest.recipe.recipe import Recipe, parse_recipe
from finest.recipe.stages.quality_model import QualityModelRules, is_on_hub, is_shipped
from finest.validator.models import MAX_WORDS, Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finest.dataset.manifest import Manifest
    from finest.dataset.rows import Row
    from finest.validator.context import AuditContext
    from finest.validator.models import RowFinding

MAX_FETCHED_BYTES = 128 << 20
"""Models of one recipe are fetched until they have this size together: room for one of the largest and seven small."""
MAX_KEPT_BYTES = 1 << 30
"""Models that strangers named may fill this much of the cache; the oldest leave it first."""


def scored_recipe(manifest: Manifest, known: Mapping[str, Recipe]) -> Recipe | None:
    """Return the manifest's recipe if it is a known one with models that drop no page; otherwise None."""
    if not model_rules(manifest).models:
        return None
    try:
        recipe = parse_recipe(manifest.recipe)
    except (ValidationError, RecipeError):
        return None
    if any(model.drops for model in recipe.quality_model.models):
        return None
    return recipe if recipe.without_models().hash in known else None


def model_rules(manifest: Manifest) -> QualityModelRules:
    """Return the manifest's section `quality_model`; without models if this version cannot read the section."""
    try:
        return QualityModelRules.model_validate(manifest.recipe.get("quality_model", {}))
    except ValidationError:
        return QualityModelRules()


def check_models(manifest: Manifest, context: AuditContext, known: Recipe | None = None) -> Check:
    """Fetch the models of a recipe. Raises HubError if the Hub is unreachable, which gives no evidence.

    A model that nobody can fetch, or that is none, is the miner's fault. `known` is the manifest's recipe if the task
    server names it; its models are on this machine.
    """
    rules = known.quality_model if known else model_rules(manifest)
    if not rules.models:
        return Check(name="models", outcome="pass")
    hidden = [model.name for model in rules.models if not (known or is_on_hub(model.model) or is_shipped(model.model))]
    if hidden:
        why = f"model {hidden[0]} is in a file of the miner; publish it and name it as hf:OWNER/NAME@REVISION"
        return Check(name="models", outcome="fail", detail=why[:MAX_WORDS])
    try:
        forget_models(context.cache, MAX_KEPT_BYTES)
        provide_models(rules, context.cache, token=context.token, say=context.say, most_bytes=MAX_FETCHED_BYTES)
        load_models(rules, context.cache)
    except (HubNotFound, ModelError, UsageError, VerifyError) as error:
        return Check(name="models", outcome="fail", detail=str(error)[:MAX_WORDS])
    return Check(name="models", outcome="pass")


@dataclass(frozen=True, slots=True)
class RowScores:
    """The models of an unknown recipe, whose scores follow from the text of a row alone."""

    rules: QualityModelRules
    models: tuple[QualityModel, ...]

    @classmethod
    def of(cls, manifest: Manifest, context: AuditContext) -> RowScores:
        """Load the models that `check_models` has fetched."""
        rules = model_rules(manifest)
        return cls(rules, load_models(rules, context.cache))

    def checked(self, finding: RowFinding, row: Row) -> RowFinding:
        """Return the finding, or a forged row if a score is not the one that its model gives the row's text."""
        if finding.outcome != "same" or not self.models:
            return finding
        columns = dict(row.columns)
        for model, score in zip(self.rules.models, score_all(self.models, row.text), strict=True):
            for name, value in zip((model.name, f"{model.name}_raw"), model.values(score), strict=True):
                if columns.get(name) != value:
                    detail = f"its {name} is {columns.get(name)!r}, and the model gives its text {value!r}"
                    return finding.model_copy(update={"outcome": "forged", "found": None, "detail": detail[:MAX_WORDS]})
        return finding
