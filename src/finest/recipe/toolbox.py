"""The models, lists and memos that the stages of one recipe use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from finest.recipe import language, minhash, tokens, url, words
from finest.recipe.stage import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from finest.recipe.decontaminate.match import Matcher
    from finest.recipe.quality_model import QualityModel
    from finest.recipe.recipe import Recipe
    from finest.recipe.stage import Stage


class Toolbox:
    """The tools of one recipe in this process; each is loaded when a stage first uses it."""

    def __init__(self, recipe: Recipe, cache: Path) -> None:
        self.recipe = recipe
        self.cache = cache
        """The folder of the files that are built once per machine."""
        self.rules: dict[str, Rules] = {"": Rules(), **recipe.sections()}
        """The rules of each section; the rules of stages without a section are under ""."""
        self.other_stages: tuple[Stage[Rules], ...] = recipe.other_stages()
        """The stages that other packages add to this recipe, in their order."""

    @cached_property
    def tokenizer(self) -> words.Tokenizer:
        return words.Tokenizer()

    @cached_property
    def url_lists(self) -> url.UrlLists:
        return url.UrlLists.open(self.cache)

    @cached_property
    def model(self) -> language.LanguageModel:
        rules = self.recipe.language
        model = language.LanguageModel.load(language.model_path(rules.model, self.cache), rules.model_sha256)
        language.require_languages(model, rules)
        return model

    @cached_property
    def signer(self) -> minhash.Signer:
        return minhash.Signer(self.recipe.dedup)

    @cached_property
    def token_counter(self) -> tokens.TokenCounter:
        return tokens.TokenCounter()

    @cached_property
    def quality_models(self) -> tuple[QualityModel, ...]:
        """The models of the section `quality_model`, in its order; raises ModelError if one is not on this machine."""
        from finest.recipe.quality_model.place import load_models

        return load_models(self.recipe.quality_model, self.cache)

    @cached_property
    def matcher(self) -> Matcher | None:
        """The index of the section `decontaminate`, None while it is off; raises RecipeError if it is not here."""
        from finest.recipe.decontaminate.place import load_matcher

        rules = self.recipe.decontaminate
        return load_matcher(rules, self.cache) if rules.enabled else None

    def load(self) -> None:
        """Load all tools now, so that forked workers share them."""
        _ = self.tokenizer, self.url_lists, self.model, self.signer, self.token_counter
        _ = self.quality_models, self.matcher


_toolboxes: dict[tuple[str, Path], Toolbox] = {}
"""A memo of loaded tools, by recipe hash and cache folder; recipes with the same hash share their tools."""
_MAX_TOOLBOXES = 4


def toolbox(recipe: Recipe, cache: Path) -> Toolbox:
    """Return the process's toolbox for `recipe`; `cache` is the folder of the files built once per machine."""
    key = recipe.hash, cache
    if key not in _toolboxes:
        while len(_toolboxes) >= _MAX_TOOLBOXES:
            _toolboxes.pop(next(iter(_toolboxes)))
        _toolboxes[key] = Toolbox(recipe, cache)
    return _toolboxes[key]
