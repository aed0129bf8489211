"""Train a quality model: read the texts, fit, quantise, evaluate in folds, calibrate, write.

    sources -> sample of hashed features -> matrix -> fits (all texts, and each fold) -> integers -> figures -> files

The file of the model and `model.json` are written last, so a training that is stopped leaves nothing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from finest.atomic_files import write_whole
from finest.errors import UsageError
from finest.models.documents import FileSource, Source
from finest.models.evaluation import Truth, calibration, class_figures, edges_of, margins, score_figures, truth_of
from finest.models.fit import fit_all, method_of
from finest.models.folds import FOLDS, folds_of
from finest.models.heldout import evaluate_set, ranks_of
from finest.models.labels import Label, label_name
from finest.models.matrix import Matrix, matrix_of
from finest.models.metrics import RESAMPLES
from finest.models.quantise import Integers, quantise, scale_of
from finest.models.record import (
    RECORD_NAME,
    CalibrationBin,
    Evaluation,
    FoldEvaluation,
    ModelRecord,
    TrainingSet,
    TrainingSettings,
    read_record,
)
from finest.models.sample import MAX_HELD, Sample
from finest.recipe.quality_model import QualityModel, model_bytes
from finest.recipe.quality_model.format import ModelFile, decoded
from finest.recipe.stages.quality_model import SUFFIX

if TYPE_CHECKING:
    from numpy.typing import NDArray

Role = Literal["good", "other", "labels"]
Progress = Callable[[str, float, str], None]
"""Receives the step, the share of it that is done, and what has been done in words."""
BITS = 18
"""2^18 weights are 0.5 MB. On three labelled sets 2^16 lost up to 0.004 AUC, and 2^20 won at most 0.001."""
MAX_DOCUMENTS = 200_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LIBRARIES = ("finest-data", "numpy", "scipy")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """The sources and settings of a training: either `labels`, or `good` and `other`."""

    out: Path
    """The model's file; `model.json` is written beside it."""
    good: tuple[Source, ...] = ()
    other: tuple[Source, ...] = ()
    labels: tuple[FileSource, ...] = ()
    heldout: tuple[FileSource, ...] = ()
    """Labelled files that the model is not trained on; it is evaluated on each."""
    bits: int = BITS
    max_documents: int = MAX_DOCUMENTS
    max_held: int = MAX_HELD
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

    @property
    def name(self) -> str:
        return self.out.name.removesuffix(SUFFIX)


@dataclass(frozen=True, slots=True)
class _Read:
    """The documents of all sources."""

    matrix: Matrix
    truth: Truth
    labels: list[Label]
    groups: list[str]
    sets: tuple[TrainingSet, ...]
    grouped_by: str


def train(options: TrainOptions, progress: Progress) -> ModelRecord:
    """Train a model, write it and its `model.json`, and return the record.

    Raises UsageError, SourceError or another FinestError, and then has written nothing.
    """
    check_options(options)
    read = _read(options, progress)
    folds = folds_of(read.groups, [_stratum(label) for label in read.labels])
    integers, fold_models, scale = _fitted(read, folds, options, progress)
    progress("Evaluating", 0.0, "scoring each fold")
    scores = _fold_scores(read.matrix, folds, fold_models)
    data, edges = _model_file(options.name, read, integers, scores)
    evaluation = Evaluation(folds=_fold_evaluation(read, scores, edges), sets=())
    progress("Evaluating", 1.0, f"{len(read.labels):,} documents in {FOLDS} folds")
    record = ModelRecord(
        name=options.name, kind="linear", task=read.truth.task, model_file=options.out.name,
        model_sha256=hashlib.sha256(data).hexdigest(), bits=options.bits, classes=read.truth.classes,
        labels=dict(sorted(Counter(map(label_name, read.labels)).items())), training_sets=read.sets,
        settings=TrainingSettings(
            method=method_of(), max_documents=options.max_documents, folds=FOLDS, bootstrap=RESAMPLES, scale=scale
        ),
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
        evaluation=evaluation, calibration=_calibration(read, scores, edges),
    )  # fmt: skip
    return _written(options, data, record, set(read.groups), progress)


def check_options(options: TrainOptions) -> None:
    """Raise UsageError for options that cannot lead to a model, before anything is read."""
    if bool(options.labels) == bool(options.good or options.other) or bool(options.good) != bool(options.other):
        raise UsageError("name texts with --good and --other, or a labelled file with --labels")
    if not options.out.name.endswith(SUFFIX) or not _NAME.fullmatch(options.name):
        raise UsageError(
            f"--out {options.out}: name a file like edu{SUFFIX}: the model's name is the column of its scores, so it "
            "has at most 32 lower-case letters, digits and underscores, a letter first"
        )
    if not options.out.parent.is_dir():
        raise UsageError(f"--out {options.out}: there is no folder {options.out.parent}; create it first")
    _require_own_record(options.out)
    trained = {one.path.resolve() for one in options.labels}
    for source in options.heldout:
        if source.path.resolve() in trained:
            raise UsageError(f"{source.name} is both trained on and held out; a model must not see what evaluates it")


def _require_own_record(out: Path) -> None:
    """Raise UsageError if the folder holds the `model.json` of another model, which would be lost."""
    if (out.parent / RECORD_NAME).exists():
        other = read_record(out.parent).model_file
        if other != out.name:
            raise UsageError(
                f"{out.parent / RECORD_NAME} belongs to {other}; write {out.name} into a folder of its own"
            )


def _read(options: TrainOptions, progress: Progress) -> _Read:
    held_out = ranks_of(options.heldout, lambda share: progress("Reading", 0.0, f"{share:.0%} of the held-out sets"))
    sample = Sample(options.bits, options.max_documents, options.max_held, held_out)
    roles: list[tuple[Role, Source]] = [
        *(("good", source) for source in options.good), *(("other", source) for source in options.other),
        *(("labels", source) for source in options.labels),
    ]  # fmt: skip
    counts = []
    for number, (role, source) in enumerate(roles):
        shown = _Part(progress, number, len(roles), source.name)
        counts.append((source.identify(shown.hashed), _take_in(sample, number, role, source, shown)))
    documents = sample.taken()
    if not documents:
        raise UsageError("the sources hold no text")
    labels, groups = [held.label for held in documents], [held.group for held in documents]
    used = Counter(held.source for held in documents)
    sets = tuple(
        TrainingSet(
            name=source.name, role=role, form=identity.form, revision=identity.revision, sha256=identity.sha256,
            root=identity.root, recipe_hash=identity.recipe_hash, documents=sum(found.values()), used=used[number],
            empty=found["empty"], duplicates=found["duplicate"],
            held_out=found["held out"],
        )
        for number, ((role, source), (identity, found)) in enumerate(zip(roles, counts, strict=True))
    )  # fmt: skip
    truth = truth_of(labels)
    grouped_by = " or ".join(sorted(sample.grouped_by))
    progress("Reading", 1.0, f"{len(labels):,} documents")
    return _Read(matrix_of(documents, options.bits), truth, labels, groups, sets, grouped_by)


def _take_in(sample: Sample, number: int, role: Role, source: Source, shown: _Part) -> Counter[str]:
    found: Counter[str] = Counter()
    label = {"good": 1.0, "other": 0.0}.get(role)
    for document in source.documents(shown.read, labelled=role == "labels"):
        own = document.label if label is None else label
        assert own is not None
        found[sample.add(document, own, number)] += 1
        shown.documents += 1
    return found


@dataclass(slots=True)
class _Part:
    """The progress of one source of several."""

    progress: Progress
    number: int
    of: int
    name: str
    documents: int = 0

    def hashed(self, share: float) -> None:
        self._show(share * 0.1)

    def read(self, share: float) -> None:
        self._show(0.1 + share * 0.9)

    def _show(self, share: float) -> None:
        self.progress("Reading", (self.number + share) / self.of, f"{self.documents:,} documents of {self.name}")


def _stratum(label: Label) -> str:
    """Return what the folds hold in equal shares: a class, or a whole grade."""
    return label if isinstance(label, str) else f"{round(label)}"


def _fitted(
    read: _Read, folds: NDArray[np.int8], options: TrainOptions, progress: Progress
) -> tuple[Integers, list[Integers], int]:
    """Return the model of all documents, the models of the folds, and their common scale."""
    used = [folds != fold for fold in range(FOLDS)]
    used.append(np.ones(len(folds), np.bool_))
    progress("Training", 0.0, f"{len(used)} models")
    fitted = fit_all(
        read.truth.task, read.matrix.values, read.truth.targets, used, options.workers,
        lambda done: progress("Training", done / len(used), f"{done} of {len(used)} models"),
    )  # fmt: skip
    scale = scale_of(fitted)
    integers = [quantise(model, scale) for model in fitted]
    return integers[-1], integers[:-1], scale


def _fold_scores(matrix: Matrix, folds: NDArray[np.int8], models: list[Integers]) -> NDArray[np.int64]:
    """Return each document's raw scores by the model that saw no document of its group."""
    scores = np.empty((len(folds), len(models[0].weights)), np.int64)
    for fold, model in enumerate(models):
        inside = np.flatnonzero(folds == fold)
        scores[inside] = matrix.rows(inside).raw_scores(model.weights, model.bias)
    return scores


def _model_file(
    name: str, read: _Read, integers: Integers, scores: NDArray[np.int64]
) -> tuple[bytes, NDArray[np.int64]]:
    """Return the model's file, and the edges of the bins (a class model's file has none)."""
    if read.truth.task == "classes":
        data = model_bytes(name, integers.weights, integers.bias, classes=read.truth.classes)
        return data, edges_of(margins(scores))
    spread = scores[:, 0]
    if any(one.role == "other" for one in read.sets):
        spread = spread[read.truth.targets == 0]
    edges = edges_of(spread)
    return model_bytes(name, integers.weights, integers.bias, edges=edges), edges


def _fold_evaluation(read: _Read, scores: NDArray[np.int64], edges: NDArray[np.int64]) -> FoldEvaluation:
    if read.truth.task == "classes":
        figures = class_figures(read.truth, scores.argmax(axis=1), read.groups)
    else:
        figures = score_figures(read.truth, scores[:, 0], read.groups, edges)
    return FoldEvaluation(folds=FOLDS, grouped_by=read.grouped_by, **figures)


def _calibration(read: _Read, scores: NDArray[np.int64], edges: NDArray[np.int64]) -> tuple[CalibrationBin, ...]:
    truth = read.truth
    if truth.task == "classes":
        return calibration(margins(scores), edges, scores.argmax(axis=1) == truth.targets, None)
    grades = truth.targets if truth.task == "grades" else None
    return calibration(scores[:, 0], edges, truth.positive, grades)


def _written(
    options: TrainOptions, data: bytes, record: ModelRecord, trained: set[str], progress: Progress
) -> ModelRecord:
    """Evaluate the held-out sets with the model that is about to be written; then write it and its record."""
    model = QualityModel.of(ModelFile(*decoded(data), record.model_sha256))
    sets = []
    for number, source in enumerate(options.heldout):

        def shown(share: float, number: int = number, name: str = source.name) -> None:
            progress("Held-out sets", (number + share) / len(options.heldout), name)

        sets.append(evaluate_set(model, source, _path_of(source, options.out.parent), shown, trained))
    whole = record.model_copy(update={"evaluation": Evaluation(folds=record.evaluation.folds, sets=tuple(sets))})
    write_whole(options.out, data)
    whole.write(options.out.parent)
    return whole


def _path_of(source: FileSource, folder: Path) -> str:
    """Return the file as `model.json` in `folder` names it: by its name alone if it lies there too."""
    return source.path.name if source.path.resolve().parent == folder.resolve() else source.name
