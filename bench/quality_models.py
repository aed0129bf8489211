"""Quality models beside fastText, on the same labelled texts, in the same folds, in one run.

    python -m bench.quality_models ../shared/corpus/labels/*.jsonl.gz

Each file holds labelled pages (columns text, label and group). Both kinds of model are trained on the same four fifths
of the groups and evaluated on the rest, on one thread; texts that occur twice count once. fastText is tried in several
settings. Stating the best of them, chosen on these very folds, favours fastText.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fasttext.FastText import _FastText

from bench.fasttext_training import train as train_fasttext
from finest.models.documents import find_files
from finest.models.evaluation import truth_of
from finest.models.folds import FOLDS, folds_of
from finest.models.metrics import Resamples, auc
from finest.models.record import Interval
from finest.models.texts import as_bytes, rank_of
from finest.models.train import TrainOptions, train
from finest.recipe.quality_model import QualityModel

SETTINGS: dict[str, dict[str, Any]] = {
    "dim 16, 2-grams, 25 epochs": {"dim": 16, "wordNgrams": 2, "epoch": 25, "lr": 0.2, "minCount": 2},
    "dim 100, 2-grams, 25 epochs": {"dim": 100, "wordNgrams": 2, "epoch": 25, "lr": 0.2, "minCount": 2},
    "dim 16, 2-grams, 50 epochs": {"dim": 16, "wordNgrams": 2, "epoch": 50, "lr": 0.5, "minCount": 1},
    "dim 256, 3-grams, 3 epochs (Ultra-FineWeb)": {"dim": 256, "wordNgrams": 3, "epoch": 3, "lr": 0.1, "minCount": 5},
}
"""fastText's settings; with all of them 200,000 buckets, as more win nothing on a thousand pages."""
_CUT = 20_000
"""Characters of a page that fastText is given; it then saw the whole of 95 % of the pages."""


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one set."""

    model: str
    auc: Interval
    train_s: float
    """CPU seconds for each model."""
    score_ms: float
    """CPU milliseconds for each document."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """The documents of a set as `finest model train` sees them: each text once, in the order of its rank."""

    texts: list[str]
    positive: np.ndarray[Any, np.dtype[np.bool_]]
    groups: list[str]
    folds: np.ndarray[Any, np.dtype[np.int8]]


def labelled(path: Path) -> Labelled:
    (source,) = find_files([str(path)])
    unique = {
        rank_of(as_bytes(one.text)): one for one in reversed(list(source.documents(lambda _: None, labelled=True)))
    }
    documents = [unique[rank] for rank in sorted(unique)]
    labels = [one.label for one in documents if one.label is not None]
    groups = [one.group for one in documents]
    folds = folds_of(groups, [f"{label:g}" for label in labels if not isinstance(label, str)])
    return Labelled([one.text for one in documents], truth_of(labels).positive, groups, folds)


def ours(path: Path) -> Result:
    """Train with `finest model train`, and return what it states about its folds."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        options = TrainOptions(out=Path(folder) / "model.safetensors", labels=find_files([str(path)]), workers=1)
        record = train(options, lambda *_: None)
        spent = time.process_time() - began
        model = QualityModel.load(options.out)
    texts = labelled(path).texts
    began = time.process_time()
    for text in texts:
        model.score(text)
    score_ms = 1000 * (time.process_time() - began) / len(texts)
    assert record.evaluation.folds is not None and record.evaluation.folds.auc is not None
    return Result("finest", record.evaluation.folds.auc, spent / (FOLDS + 1), score_ms)


def theirs(name: str, documents: Labelled) -> Result:
    """Train fastText in one of SETTINGS on each fold's complement."""
    scores, spent, scoring = np.zeros(len(documents.texts)), 0.0, 0.0
    plain = [re.sub(r"\s+", " ", text[:_CUT]).strip().lower() for text in documents.texts]
    for fold in range(FOLDS):
        began = time.process_time()
        model = _fitted(SETTINGS[name], plain, documents, fold)
        spent += time.process_time() - began
        began = time.process_time()
        for at in np.flatnonzero(documents.folds == fold):
            found = {label: chance for chance, label in model.f.predict(plain[at] + "\n", -1, 0.0, "strict")}
            scores[at] = found.get("__label__1", 0.0)
        scoring += time.process_time() - began
    interval = Resamples(documents.groups).interval(auc(scores, documents.positive))  # type: ignore[arg-type]
    assert interval is not None
    return Result(f"fastText, {name}", interval, spent / FOLDS, 1000 * scoring / len(plain))


def _fitted(setting: dict[str, Any], plain: list[str], documents: Labelled, fold: int) -> Any:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for at in np.flatnonzero(documents.folds != fold):
            file.write(f"__label__{int(documents.positive[at])} {plain[at]}\n")
        file.flush()
        model = Path(f"{file.name}.bin")
        train_fasttext(Path(file.name), model, bucket=200_000, **setting)
    try:
        return _FastText(str(model))
    finally:
        model.unlink()


def main(paths: list[str]) -> None:
    print("| set | documents | model | AUC (95 %) | training, CPU s | ms a document |\n|---|---|---|---|---|---|")
    for path in map(Path, paths):
        documents = labelled(path)
        found = [ours(path), *(theirs(name, documents) for name in SETTINGS)]
        for result in found:
            told = f"{result.auc.value:.3f} ({result.auc.low:.3f} to {result.auc.high:.3f})"
            cells = (path.name.partition(".")[0], f"{len(documents.texts):,}", result.model, told)
            print("|", " | ".join((*cells, f"{result.train_s:.2f}", f"{result.score_ms:.3f}")), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
