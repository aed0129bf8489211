"""The models, lists and memos that the stages of one recipe use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from finest.recipe import language, minhash, tokens, url, words
from finest.recipe.stage import Rules
from finest.recipe.stages import ORDERS
from finest.recipe.stages.extraction import EXTRACTION
from finest.recipe.stages.language import LANGUAGE
from finest.recipe.stages.quality import QUALITY
from finest.recipe.stages.repetition import REPEATED_LINES, REPEATED_NGRAMS
from finest.recipe.table import rules_of

if TYPE_CHECKING:
    from pathlib import Path

    from finest.recipe.column import Column
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
        order = ORDERS[recipe.order]
        self.stages: tuple[Stage[Any], ...] = (*order.filters, *self.other_stages, *order.row)
        """All stages in the order in which they judge a page."""
        self._of_language: dict[str, dict[str, Rules]] = {}
        self._tokenizers: dict[str, words.Tokenizer] = {}

    @cached_property
    def second_stages(self) -> tuple[Stage[Any], ...]:
        """The stages that judge a second extractor's text: those after extraction.

        A second text counts only if all of them keep it, so their order is free: repeated n-grams and the language,
        which take longest, come after Gopher's other filters, unless the language has rules of its own or those filters
        do not follow it.
        """
        stages = self.stages[self.stages.index(EXTRACTION) + 1 :]
        if self.recipe.language.table or stages[:4] != (LANGUAGE, REPEATED_LINES, REPEATED_NGRAMS, QUALITY):
            return stages
        return (REPEATED_LINES, QUALITY, REPEATED_NGRAMS, LANGUAGE, *stages[4:])

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the recipe's stages add to each row."""
        return self.recipe.columns()

    @cached_property
    def tokenizer(self) -> words.Tokenizer:
        """The English tokenizer."""
        return words.Tokenizer()

    def tokenizer_for(self, language: str | None) -> words.Tokenizer:
        """Return the tokenizer for a page or row in that language; raises RecipeError if this machine has none.

        It is the English one for a recipe without a table of languages.
        """
        if not self.recipe.language.table or language is None:
            return self.tokenizer
        if language not in self._tokenizers:
            own = self.recipe.language.settings.get(language)
            found = words.tokenizer_of(own.key, language) if own else words.tokenizer_for(language)
            self._tokenizers[language] = found
        return self._tokenizers[language]

    def rules_for(self, language: str | None) -> dict[str, Rules]:
        """Return the rules of each section for a page in that language: those of the recipe, or of its table."""
        if language not in self.wanted:
            return self.rules
        if language not in self._of_language:
            self._of_language[language] = self.rules | rules_of(language, self.recipe)
        return self._of_language[language]

    def threshold(self, language: str) -> float:
        """Return the least score of a page in that language, for a recipe with a table of languages."""
        rules = self.recipe.language
        stated = None if language in rules.settings else rules.thresholds.get(language)
        return rules.settings_of(language).language_score if stated is None else stated

    @cached_property
    def wanted(self) -> frozenset[str]:
        """The codes of the languages that the recipe wants; empty for a recipe without a table of languages."""
        rules = self.recipe.language
        return frozenset(rules.languages) if rules.enabled and rules.table else frozenset()

    @cached_property
    def wanted_labels(self) -> tuple[str, ...]:
        """The labels of the recipe's model for these languages."""
        labels = self.recipe.language.labels
        known = {code for code in labels.values() if code in self.wanted}
        return (*(label for label, code in labels.items() if code in self.wanted), *sorted(self.wanted - known))

    @cached_property
    def url_lists(self) -> url.UrlLists:
        return url.UrlLists.open(self.cache)

    @cached_property
    def model(self) -> language.LanguageModel:
        rules = self.recipe.language
        model = language.LanguageModel.load(language.model_path(rules.model, self.cache), rules.model_sha256)
        if not rules.table:
            language.require_languages(model, rules)
        return model

    @cached_property
    def shipped_model(self) -> language.LanguageModel:
        """The shipped model of languages, which may be the recipe's own."""
        if self.recipe.language.model == language.SHIPPED_MODEL:
            return self.model
        return language.LanguageModel.load(language.shipped_model(), language.SHIPPED_SHA256)

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
    def chooser(self) -> QualityModel:
        """The model that chooses between two extractors' texts; raises ModelError for another one than the recipe's."""
        from finest.recipe.quality_model.place import shipped_path
        from finest.recipe.quality_model.scoring import QualityModel

        rules = self.recipe.extraction
        return QualityModel.load(shipped_path(rules.choose_by), rules.choose_by_sha256)

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
        if self.recipe.extraction.second is not None:
            _ = self.chooser
        if self.recipe.language.table:
            _ = self.shipped_model
            for code in sorted(self.wanted)[:_MAX_LOADED]:
                self.tokenizer_for(code)


_MAX_LOADED = 40
"""Tokenizers that are loaded before the workers are forked; each worker loads those of other languages itself."""
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
