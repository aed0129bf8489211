"""Trains the models that ship with the package, and evaluates them on labelled sets that they never saw.

    python -m bench.shipped_models FOLDER --labels ../shared/corpus/labels --work WORK [--write]

FOLDER holds copies of the repositories in `shipped_sources.py`. The texts are written to WORK, so that `finest model
check` can read them. The same copies give the same model files, byte for byte; with `--write` they replace those of the
package. docs/concepts/shipped-models.md has the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import finest.recipe
from bench.shipped_sets import SETS, LabelledSet
from bench.shipped_texts import edu_texts, page_type_texts, spam_texts, write_jsonl
from finest.atomic_files import write_whole
from finest.models.documents import FileSource
from finest.models.metrics import Resamples, auc
from finest.models.record import RECORD_NAME, Measures, ModelRecord
from finest.models.train import TrainOptions, train

MODELS = Path(finest.recipe.__file__).with_name("models")
BITS = {"edu": 18, "spam": 18, "page_type": 16}
"""Weights of two bytes: 0.5 MB each, and 1 MB for the eight classes of `page_type`."""
_WORD = re.compile(r"[^\W\d_]+")
BASELINES: dict[str, Callable[[str], float]] = {
    "length of the text": len,
    "mean length of its words": lambda text: _mean([len(word) for word in _WORD.findall(text)]),
    "mean length of its sentences": lambda text: _mean([len(part.split()) for part in re.split(r"[.!?]\s", text)]),
}
"""Simple scores that a model must beat."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=Path, required=True, help="the labelled sets of the test corpus")
    parser.add_argument("--work", type=Path, required=True, help="folder for texts and models")
    parser.add_argument("--model", choices=list(BITS), action="append", help="train this one only")
    parser.add_argument("--write", action="store_true", help="replace the package's models")
    args = parser.parse_args()
    for name in args.model or BITS:
        work = args.work / name
        work.mkdir(parents=True, exist_ok=True)
        sets = list(_sets(name, args.folder, args.labels, work))
        record = train(_options(name, args.folder, work, sets), lambda *_: None)
        print("\n".join(_told(record, sets)), flush=True)
        if args.write:
            MODELS.mkdir(exist_ok=True)
            write_whole(MODELS / record.model_file, (work / record.model_file).read_bytes())
            write_whole(MODELS / f"{name}.json", (work / RECORD_NAME).read_bytes())


def _sets(name: str, folder: Path, labels: Path, work: Path) -> Iterator[tuple[LabelledSet, Path]]:
    for one in SETS:
        if one.model == name:
            path = work / f"{one.name}.jsonl"
            write_jsonl(path, one.read(folder, labels))
            yield one, path


def _options(name: str, folder: Path, work: Path, sets: list[tuple[LabelledSet, Path]]) -> TrainOptions:
    out = work / f"{name}.safetensors"
    heldout = tuple(FileSource(path, path.name) for _, path in sets)
    if name == "page_type":
        path = work / "texts.jsonl"
        write_jsonl(path, page_type_texts(folder))
        return TrainOptions(out, labels=(FileSource(path, path.name),), heldout=heldout, bits=BITS[name], workers=1)
    good, other = edu_texts(folder) if name == "edu" else spam_texts(folder)
    paths = work / "good.jsonl", work / "other.jsonl"
    write_jsonl(paths[0], good)
    write_jsonl(paths[1], other)
    return TrainOptions(
        out, good=(FileSource(paths[0], paths[0].name),), other=(FileSource(paths[1], paths[1].name),),
        heldout=heldout, bits=BITS[name], workers=1,
    )  # fmt: skip


def _told(record: ModelRecord, sets: list[tuple[LabelledSet, Path]]) -> Iterator[str]:
    assert record.evaluation.folds is not None
    yield f"{record.name}: {record.model_sha256}, texts by label {record.labels}"
    yield f"  folds: {_figures(record.evaluation.folds)}"
    for (one, path), result in zip(sets, record.evaluation.sets, strict=True):
        yield f"  {one.name} ({one.truth}): {_figures(result)}"
        if record.task == "binary":
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            positive = np.array([row["label"] == "1" for row in rows])
            resamples = Resamples([row["group"] for row in rows])
            for name, score in BASELINES.items():
                scores = np.array([int(1000 * score(row["text"])) for row in rows])
                value = resamples.interval(auc(scores, positive))
                assert value is not None
                yield f"    {name}: AUC {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
    yield f"  file sha256 {hashlib.sha256(record.to_json()).hexdigest()} ({RECORD_NAME})"


def _figures(measures: Measures) -> str:
    told = [f"{measures.documents:,} texts"]
    for name in ("auc", "accuracy", "macro_f1"):
        figure = getattr(measures, name)
        if figure is not None:
            told.append(f"{name} {figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]")
    told += [
        f"{one.name}: {one.documents}, P {one.precision:.2f}, R {one.recall:.2f}, F1 {one.f1.value:.2f}"
        for one in measures.classes
        if one.documents
    ]
    return "; ".join(told)


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


if __name__ == "__main__":
    main()
