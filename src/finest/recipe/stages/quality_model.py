"""Stage quality_model: scores the row's text with quality models, and drops pages only where the recipe says so.

It reads the text in which PII is already replaced, the text of the row. So whoever has a dataset can compute its scores
again without a WARC. `finest.recipe.quality_model` computes scores.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from finest.recipe.check import Check
from finest.recipe.stage import Column, Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.recipe.quality_model import Score
    from finest.recipe.state import PageState
    from finest.recipe.toolbox import Toolbox

REASON = "quality_model"
MAX_MODELS = 8
"""Models of one recipe: twice as many as the shipped recipes use, and few enough to be loaded by every worker."""
BINS = 20
"""Equal to finest.recipe.quality_model.format.BINS, whose import is slow; a test compares the two."""
SUFFIX = ".safetensors"
_SHIPPED = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ON_HUB = re.compile(r"hf:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}@[0-9a-f]{40}")


class ModelRules(Rules):
    """One model of the section `quality_model`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    """The column of the score; the raw score is in NAME_raw."""
    model: str = Field(max_length=4096)
    """A shipped model's name, the path of a .safetensors file, or hf:OWNER/NAME@REVISION. The hash leaves it out."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """The sha256 of the model's file, which says which model it is."""
    kind: Literal["score", "class"] = "score"
    """Whether the model gives a score or a class."""
    min_bin: int | None = Field(default=None, ge=0, lt=BINS, strict=True)
    """Drop pages whose score is in a lower bin."""
    drop_classes: tuple[str, ...] = ()
    """Drop pages of these classes."""

    @field_validator("model")
    @classmethod
    def _is_a_place(cls, place: str) -> str:
        if not (is_shipped(place) or is_on_hub(place) or place.endswith(SUFFIX)):
            raise ValueError(
                "is neither a shipped model's name, nor a .safetensors file, nor hf:OWNER/NAME@REVISION with a "
                "revision of 40 hex digits"
            )
        return place

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ModelRules:
        if self.min_bin is not None and self.kind == "class":
            raise ValueError("min_bin is for scores; a class model has drop_classes")
        if self.drop_classes and self.kind == "score":
            raise ValueError('drop_classes is for class models; add kind = "class"')
        return self

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler, _: SerializationInfo) -> dict[str, Any]:
        """Leave out keys that have their default, so that a later version can add keys and keep hashes."""
        fields = type(self).model_fields
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if getattr(self, key) != fields[key].default}

    @property
    def drops(self) -> bool:
        """Whether the model can drop a page."""
        return self.min_bin is not None or bool(self.drop_classes)

    def columns(self) -> tuple[Column, Column]:
        """Return the two columns that the model adds to a row."""
        named = f"quality model {self.sha256[:12]}"
        if self.kind == "class":
            return (
                Column(self.name, "string", f"class of the text by {named}"),
                Column(f"{self.name}_raw", "int64", "raw score of that class minus that of the second"),
            )
        return (
            Column(self.name, "int64", f"score of the text by {named}: bin 0 (lowest) to {BINS - 1}"),
            Column(f"{self.name}_raw", "int64", "the same score before it is put into a bin"),
        )

    def values(self, score: Score) -> tuple[str | int, int]:
        """Return the values of the two columns."""
        return (score.label if self.kind == "class" else score.bin), score.raw


class QualityModelRules(Rules):
    """Scores of the row's text by quality models; docs/concepts/quality-models.md describes them.

    Each entry of `models` adds two columns to every row. It drops no page unless it says so:

    ```toml
    [[quality_model.models]]
    name = "edu"        # the columns: edu (bin 0 to 19) and edu_raw
    model = "edu"       # a shipped model, the path of a .safetensors file, or hf:OWNER/NAME@REVISION
    sha256 = "..."      # of the model's file
    min_bin = 12        # optional: drop pages below this bin

    [[quality_model.models]]
    name = "page_type"
    model = "page_type"
    sha256 = "..."
    kind = "class"      # a class model: page_type holds the class's name
    drop_classes = ["listing"]   # optional
    ```

    A relative path is relative to the recipe's file. A manifest and the recipe's hash know a model by its sha256.
    """

    models: tuple[ModelRules, ...] = Field(default=(), max_length=MAX_MODELS)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns of all models."""
        return tuple(column for model in self.models for column in model.columns())


def is_shipped(place: str) -> bool:
    """Return whether the place names a model that comes with this package."""
    return _SHIPPED.fullmatch(place) is not None


def is_on_hub(place: str) -> bool:
    """Return whether the place is a repository on the Hub."""
    return _ON_HUB.fullmatch(place) is not None


def _run(state: PageState, rules: QualityModelRules, tools: Toolbox) -> Iterator[Check]:
    if not rules.models or state.row_text is None:
        return
    from finest.recipe.quality_model import score_all

    scores = score_all(tools.quality_models, state.row_text)
    for model, score in zip(rules.models, scores, strict=True):
        state.columns[model.name], state.columns[f"{model.name}_raw"] = model.values(score)
    for model, score in zip(rules.models, scores, strict=True):
        if model.drops:
            yield check(model, score)


def check(rules: ModelRules, score: Score) -> Check:
    """Compare a score with the model's rules.

    The value is the bin and the limit `min_bin`; for a class model they are the margin of its class and 0.
    """
    if rules.kind == "class":
        return Check(REASON, score.raw, 0, score.label in rules.drop_classes)
    limit = rules.min_bin or 0
    return Check(REASON, score.bin, limit, score.bin < limit)


QUALITY_MODEL = Stage(
    name="quality_model", section="quality_model", rules=QualityModelRules, run=_run, needs=("row_text", "columns"),
    provides=("columns",), columns_of=lambda rules: rules.columns, question="Do the quality models want it?",
    title="Quality models",
    reasons={REASON: "A quality model of the recipe gives the text too low a score, or an unwanted class."},
)  # fmt: skip
