"""Score a held-out set with a model and evaluate the scores: anybody who has both files gets the same integers."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from finest.errors import UsageError
from finest.models.evaluation import class_figures, score_figures, truth_of
from finest.models.record import SetEvaluation
from finest.models.texts import as_bytes, has_token, rank_of

if TYPE_CHECKING:
    from finest.models.documents import FileSource
    from finest.models.labels import Label
    from finest.recipe.quality_model import QualityModel

Progress = Callable[[float], None]
_PAIR = struct.Struct("<qq")
_ONE = struct.Struct("<q")


@dataclass(slots=True)
class _Scored:
    """The facts about the documents of a set that the record keeps; it holds no text."""

    raw_sum: int = 0
    told: Any = field(default_factory=hashlib.sha256)
    empty: int = 0
    scores: list[int] = field(default_factory=list)
    """Raw scores, or class numbers, of the documents that are evaluated."""
    labels: list[Label] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def evaluate_set(
    model: QualityModel, source: FileSource, path: str, progress: Progress, trained: Collection[str] = frozenset()
) -> SetEvaluation:
    """Score every document of a labelled file, and evaluate the scores. `trained` are the groups of training texts.

    Raises SourceError if the file cannot be read, UsageError if its labels do not fit the model.
    """
    identity = source.identify(lambda share: progress(share / 2))
    scored = _scored(model, source, lambda share: progress(0.5 + share / 2))
    assert identity.sha256 is not None
    return SetEvaluation(
        name=source.path.name, path=path, sha256=identity.sha256, size_bytes=identity.size_bytes, empty=scored.empty,
        of_trained_groups=sum(group in trained for group in scored.groups), raw_sum=scored.raw_sum,
        raw_sha256=scored.told.hexdigest(), **_figures(model, scored, source),
    )  # fmt: skip


def _scored(model: QualityModel, source: FileSource, progress: Progress) -> _Scored:
    scored = _Scored()
    for document in source.documents(progress, labelled=True):
        text = as_bytes(document.text)
        raw, _, label = model.score(text)
        number = model.classes.index(label) if label else 0
        scored.told.update(_PAIR.pack(raw, number) if model.classes else _ONE.pack(raw))
        scored.raw_sum += raw
        if not has_token(text):
            scored.empty += 1
        else:
            assert document.label is not None
            scored.scores.append(number if model.classes else raw)
            scored.labels.append(document.label)
            scored.groups.append(document.group or f"page:{rank_of(text):016x}")
    return scored


def _figures(model: QualityModel, scored: _Scored, source: FileSource) -> dict[str, Any]:
    if not scored.labels:
        raise UsageError(f"{source.name}: no document to evaluate")
    try:
        truth = truth_of(scored.labels, model.classes)
    except UsageError as error:
        raise UsageError(f"{source.name}: {error}") from None
    scores = np.array(scored.scores, np.int64)
    if (truth.task == "classes") != bool(model.classes):
        kind = f"the classes {', '.join(model.classes)}" if model.classes else "a score"
        raise UsageError(f"{source.name}: its labels are {truth.task}, and the model gives {kind}")
    if model.classes:
        return class_figures(truth, scores, scored.groups)
    return score_figures(truth, scores, scored.groups, np.array(model.edges, np.int64))


def ranks_of(sources: Sequence[FileSource], progress: Progress) -> set[int]:
    """Return the ranks of all texts of held-out sets, which a model must not be trained on."""
    found: set[int] = set()
    for number, source in enumerate(sources):

        def shown(share: float, number: int = number) -> None:
            progress((number + share) / len(sources))

        found.update(rank_of(as_bytes(document.text)) for document in source.documents(shown, labelled=True))
    return found
