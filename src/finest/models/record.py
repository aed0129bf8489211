"""`model.json`: what a quality model was trained on, how it was evaluated, and what its scores mean.

Nothing here decides a score: everything that does is in the model's own file, which `model_sha256` names. The record is
what a reader needs to judge the model, and what `finest model check` needs to compute the evaluation again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.atomic_files import write_whole
from finest.errors import ModelError

RECORD_NAME = "model.json"
MAX_RECORD_BYTES = 16 << 20
"""Maximum size of a `model.json` that is read; one with 64 classes and a hundred training sets has 100 kB."""

Task = Literal["binary", "grades", "classes"]
"""The kinds of labels: 0 or 1, numbers from 0 to 5, or names."""
_SHA256 = r"^[0-9a-f]{64}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class TrainingSet(_Part):
    """One source of training texts. Exactly one of `sha256` and `root` identifies its content."""

    name: str
    """The source as the user named it, without secrets: a path, an address or `owner/name@revision`."""
    role: Literal["good", "other", "labels"]
    form: Literal["dataset", "parquet", "jsonl", "csv"]
    revision: str | None = None
    """The Hub revision, 40 hex digits; None for a local source."""
    sha256: str | None = Field(default=None, pattern=_SHA256)
    """The file's sha256."""
    root: str | None = Field(default=None, pattern=_SHA256)
    """The Merkle root of a dataset of ours."""
    recipe_hash: str | None = None
    """The recipe of a dataset of ours, or that WARCs were refined with."""
    documents: int
    """Documents read, empty ones among them."""
    used: int
    """Documents that the model was trained on."""
    empty: int
    """Documents left out because they hold no token."""
    duplicates: int
    """Documents left out because an earlier one, of this source or another, has the same text."""
    held_out: int
    """Documents left out because a held-out set has the same text."""


class TrainingSettings(_Part):
    """Everything that, beside the texts, determines the weights."""

    method: str
    """The estimator and its parameters, e.g. `LogisticRegression(C=10)`."""
    max_documents: int
    """Maximum number of documents used; above it, each label keeps the documents with the smallest hashes."""
    folds: int
    bootstrap: int
    """Number of resamples behind each confidence interval."""
    scale: int
    """Integer weight of a float weight of 1: a power of two."""


class Interval(_Part):
    """A figure with its 95 % confidence interval, from a bootstrap over groups."""

    value: float
    low: float
    high: float


class Threshold(_Part):
    """Precision and recall if texts of at least this bin are kept."""

    min_bin: int
    kept: float
    """Share of all texts that are kept."""
    precision: Interval | None
    """Share of the kept texts that are positive; None if none is kept."""
    recall: Interval
    """Share of the positive texts that are kept."""


class ClassFigures(_Part):
    name: str
    documents: int
    precision: float
    recall: float
    f1: Interval


class Measures(_Part):
    """Figures of an evaluation, all computed on integer scores. A figure that does not apply is None or empty."""

    task: Task
    """Return the kind of these documents' labels."""
    documents: int
    groups: int
    """Number of hosts (or other groups), which no fold and no resample divides."""
    positives: int | None = None
    """Number of texts labelled 1, or with a grade of at least `positive_from`."""
    positive_from: float | None = None
    """The middle of the lowest and the highest label; on the scale of 0 to 5, grades from 3 on are positive."""
    auc: Interval | None = None
    spearman: Interval | None = None
    accuracy: Interval | None = None
    macro_f1: Interval | None = None
    thresholds: tuple[Threshold, ...] = ()
    classes: tuple[ClassFigures, ...] = ()


class FoldEvaluation(Measures):
    """Each document scored by a model that saw no document of its group."""

    folds: int
    grouped_by: str
    """`host`, `group`, both, or `page` where a source names neither group nor address."""


class SetEvaluation(Measures):
    """A held-out set scored by the published model. Anybody with the set gets the same integers."""

    name: str
    path: str
    """The file, relative to `model.json` if it lies in the same folder or repository."""
    revision: str | None = None
    """Hub revision of `path` if that is `owner/name/file` of another repository; None for a file."""
    sha256: str = Field(pattern=_SHA256)
    size_bytes: int
    empty: int
    """Documents without a token; they are scored but not evaluated."""
    of_trained_groups: int = 0
    """Evaluated documents of hosts (or other groups) that the model was trained on."""
    raw_sum: int
    """Sum of the raw scores of all documents."""
    raw_sha256: str = Field(pattern=_SHA256)
    """sha256 over the raw scores of all documents in order, each as 8 bytes little-endian signed. A class model's
    score is followed by the number of the class, as 8 bytes too."""


class Evaluation(_Part):
    folds: FoldEvaluation | None = None
    sets: tuple[SetEvaluation, ...] = ()


class CalibrationBin(_Part):
    """Explanation of the bins: texts of `other` (or all texts) are spread evenly over them."""

    bin: int
    min_raw: int | None
    """Smallest raw score of the bin; None for the first bin."""
    documents: int
    share: float | None
    """Share of positive texts in the bin; for a class model, the share of right classes; None for an empty bin."""
    mean_grade: float | None = None


class ModelRecord(_Part):
    """The content of `model.json`."""

    format: Literal["finest-model-record/1"] = "finest-model-record/1"
    name: str
    kind: Literal["linear", "fasttext"]
    task: Task
    model_file: str
    model_sha256: str = Field(pattern=_SHA256)
    bits: int
    classes: tuple[str, ...] = ()
    labels: dict[str, int] = Field(default={})
    """Number of training documents by label."""
    training_sets: tuple[TrainingSet, ...] = ()
    settings: TrainingSettings | None = None
    """None for an imported model."""
    libraries: dict[str, str] = Field(default={})
    """Versions of the packages that trained the model."""
    evaluation: Evaluation = Evaluation()
    calibration: tuple[CalibrationBin, ...] = ()

    def to_json(self) -> bytes:
        """Return the bytes of `model.json`: equal records give equal bytes."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()

    def write(self, folder: Path) -> None:
        """Write `model.json` into the folder."""
        write_whole(folder / RECORD_NAME, self.to_json())


def parse_record(data: bytes, place: str) -> ModelRecord:
    """Parse a `model.json`; raises ModelError, naming `place` and the first wrong key, for anything else."""
    if len(data) > MAX_RECORD_BYTES:
        raise ModelError(
            f"{place}: {len(data):,} bytes, and no {RECORD_NAME} of ours has more than {MAX_RECORD_BYTES:,}"
        )
    try:
        return ModelRecord.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{place}: {key}: {first['msg']}") from None


def read_record(folder: Path) -> ModelRecord:
    """Read the `model.json` in a folder; raises ModelError if there is none or it is none of ours."""
    path = folder / RECORD_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; `finest model train` writes it beside the model") from error
    return parse_record(data, str(path))
