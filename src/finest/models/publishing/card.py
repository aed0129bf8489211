"""The card of a quality model: README.md in the Hub's format, made from `model.json` and samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finest.formatting import share
from finest.masking import one_line
from finest.models.publishing.curve import CURVE_NAME
from finest.models.publishing.samples import Sample
from finest.models.record import ModelRecord

if TYPE_CHECKING:
    from finest.models.record import Interval, Measures, SetEvaluation, TrainingSet
    from finest.recipe.quality_model import QualityModel

_MAX_SETS = 100
"""Training sets that the card lists at most; `model.json` lists all."""
_HUB_DATASET = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(?=@|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class CardInput:
    """The content of a card."""

    record: ModelRecord
    repo: str
    licence: str
    """The Hub's name of a licence, such as `apache-2.0`; `unknown` states none."""
    samples: Sequence[Sample] = ()
    samples_of: Sequence[str] = ()
    """Names of the sources of the samples."""
    notes: str = ""
    """Markdown of the model's maker."""
    published: frozenset[str] = frozenset()
    """Names of the held-out sets that the repository holds too."""


def card(told: CardInput) -> str:
    """Return the card's text: a YAML header, then Markdown. Equal input gives equal text."""
    parts = (_what, _use, _trained, _evaluated, _threshold, _bins, _samples, _limits, _check, _licence)
    return f"---\n{_header(told)}---\n\n" + "\n".join(text for part in parts if (text := part(told)))


def _header(told: CardInput) -> str:
    # Import late: huggingface_hub reads its settings from the environment once, when it is imported.
    from huggingface_hub import ModelCardData

    found = (_HUB_DATASET.match(one.name) for one in told.record.training_sets if one.revision)
    data = ModelCardData(
        license=told.licence, library_name="finest-data", pipeline_tag="text-classification",
        tags=["finest-data", "data-quality", "pretraining-data", told.record.kind],
        datasets=sorted({name[0] for name in found if name}) or None,
    )  # fmt: skip
    return data.to_yaml() + "\n"


def _what(told: CardInput) -> str:
    record = told.record
    gives = (
        f"names the class of a page: {', '.join(record.classes)}" if record.classes
        else "gives a page a score, as one of 20 bins: 0 is the lowest and 19 the highest"
    )  # fmt: skip
    return f"""# {record.name}

This quality model {gives}. It is computed with integers alone, so everybody gets the same
score for the same text, to the last bit. Finest Data scores web pages with it.

| | |
|---|---|
| Model | `{record.model_file}`, {_kind(record)} |
| sha256 | `{record.model_sha256}` |
| Trained with | {_method(record)} |
"""


def _kind(record: ModelRecord) -> str:
    if record.kind == "fasttext":
        return "a fastText model of two labels as a table of integers"
    return f"{record.kind}, 2^{record.bits} weights{' a class' if record.classes else ''}"


def _method(record: ModelRecord) -> str:
    if record.settings is None:
        return "another program; the weights were imported"
    libraries = ", ".join(f"{name} {version}" for name, version in record.libraries.items())
    return f"{_code(record.settings.method)}; {libraries}"


def _use(told: CardInput) -> str:
    record = told.record
    below = f'drop_classes = ["{record.classes[-1]}"]' if record.classes else "min_bin = 12"
    return f"""## Use it in a recipe

Replace REVISION by the commit of this repository (40 hex digits). Without the last line, pages get their score and none
is dropped.

```toml
{recipe_lines(record, told.repo, "REVISION")}
{below}
```

```bash
pip install finest-data
finest model score hf:{told.repo}@REVISION pages.jsonl --out scores.parquet
```
"""


def recipe_lines(model: QualityModel | ModelRecord, repo: str, revision: str) -> str:
    """Return the lines that a recipe needs to score pages with the published model."""
    sha256 = model.model_sha256 if isinstance(model, ModelRecord) else model.sha256
    kind = '\nkind = "class"' if model.classes else ""
    return f'[[quality_model.models]]\nname = "{model.name}"\nmodel = "hf:{repo}@{revision}"\nsha256 = "{sha256}"{kind}'


def _trained(told: CardInput) -> str:
    record = told.record
    if not record.training_sets:
        return ""
    lines = [_training_line(one) for one in record.training_sets[:_MAX_SETS]]
    more = len(record.training_sets) - len(lines)
    rest = f"\nAnd {more:,} more, in `model.json`.\n" if more else ""
    labels = ", ".join(f"{_code(name)} {count:,}" for name, count in record.labels.items())
    head = ("Source", "Role", "Texts used", "Read", "Revision", "Content")
    return f"## Trained on\n\nTexts by label: {labels}.\n\n{_table(head, lines)}{rest}"


def _training_line(one: TrainingSet) -> tuple[str, ...]:
    content = f"sha256 `{one.sha256}`" if one.sha256 else f"Merkle root `{one.root}`" if one.root else "-"
    revision = f"`{one.revision}`" if one.revision else "-"
    return _code(one.name), one.role, f"{one.used:,}", f"{one.documents:,}", revision, content


def _evaluated(told: CardInput) -> str:
    record = told.record
    lines: list[tuple[str, ...]] = []
    folds = record.evaluation.folds
    if folds is not None:
        lines.append((f"{folds.folds} folds by {folds.grouped_by}", *_figures(folds), "-"))
    lines += [(_code(one.name), *_figures(one), f"`{one.sha256}`") for one in record.evaluation.sets]
    if not lines:
        return "## Evaluation\n\nThis model was not evaluated.\n"
    head = ("Texts", "Number", "Groups", "Figures", "sha256")
    text = f"""## Evaluation

Each figure has its 95 % confidence interval, from a bootstrap over groups (hosts). In folds, a text is scored by a
model that saw no text of its group; the other sets were not trained on.

{_table(head, lines)}"""
    return text + _class_figures(record)


def _figures(one: Measures | SetEvaluation) -> tuple[str, str, str]:
    named = (("AUC", one.auc), ("Spearman", one.spearman), ("accuracy", one.accuracy), ("macro F1", one.macro_f1))
    figures = ", ".join(f"{name} {_interval(found)}" for name, found in named if found is not None)
    return f"{one.documents:,}", f"{one.groups:,}", figures or "-"


def _class_figures(record: ModelRecord) -> str:
    folds = record.evaluation.folds
    if folds is None or not folds.classes:
        return ""
    lines = [
        (_code(one.name), f"{one.documents:,}", f"{one.precision:.3f}", f"{one.recall:.3f}", _interval(one.f1))
        for one in folds.classes
    ]
    return f"\nIn folds, by class:\n\n{_table(('Class', 'Texts', 'Precision', 'Recall', 'F1'), lines)}"


def _threshold(told: CardInput) -> str:
    folds = told.record.evaluation.folds
    if folds is None or not folds.thresholds:
        return ""
    lines = [
        (
            str(one.min_bin),
            share(one.kept, 1),
            _interval(one.precision) if one.precision else "-",
            _interval(one.recall),
        )
        for one in folds.thresholds
    ]
    positive = "its label is 1" if folds.task == "binary" else f"its grade is at least {folds.positive_from:g}"
    return f"""## Threshold curve

If only texts of at least this bin are kept (`min_bin`), in folds. A text is positive if {positive}.

![Precision, recall and share kept, by threshold]({CURVE_NAME})

{_table(("min_bin", "Kept", "Precision", "Recall"), lines)}"""


def _bins(told: CardInput) -> str:
    if not told.record.calibration:
        return ""
    what = "Right" if told.record.classes else "Positive"
    lines = [
        (str(one.bin), "-" if one.min_raw is None else f"{one.min_raw:,}", f"{one.documents:,}",
         "-" if one.share is None else f"{one.share:.3f}")
        for one in told.record.calibration
    ]  # fmt: skip
    by = "the raw score of the best class minus that of the second" if told.record.classes else "the raw score"
    return f"## What a bin means\n\nBins by {by}, in folds.\n\n{_table(('Bin', 'Raw from', 'Texts', what), lines)}"


def _samples(told: CardInput) -> str:
    if not told.samples:
        return ""
    title = "Samples of each class" if told.record.classes else "What it rejects and accepts"
    lines = [
        (one.group, "" if told.record.classes else str(one.bin), f"{one.raw:,}", _code(one.words))
        for one in told.samples
    ]
    sources = ", ".join(map(_code, told.samples_of))
    return f"""## {title}

Drawn by hash, not chosen, from {sources}; e-mail and IP addresses are replaced.

{_table(("Verdict", "Bin", "Raw", "Beginning of the text"), lines)}"""


def _limits(told: CardInput) -> str:
    says = (
        "The class is the one whose training texts a page resembles most" if told.record.classes
        else "The score says how much a text resembles the training texts that were preferred"
    )  # fmt: skip
    notes = f"\n{told.notes.strip()}\n" if told.notes.strip() else ""
    return f"""## Limits

- {says}. It does not say that the text is true,
  safe or useful, and no claim about a trained language model follows from it.
- It counts single words and pairs of words: it knows no order beyond that, and can be deceived by a text made for it.
- Words that the training texts did not have count nothing; other languages, and other kinds of pages than those above,
  get scores without meaning.
- Set a threshold on texts of your own: how many texts a bin holds depends on the source.
{notes}"""


def _check(told: CardInput) -> str:
    sets = told.record.evaluation.sets
    if not sets:
        return ""
    elsewhere = [one.name for one in sets if one.name not in told.published]
    flags = "".join(f" --heldout {name}" for name in elsewhere)
    need = f"It needs {', '.join(map(_code, elsewhere))}, which this repository does not hold.\n\n" if elsewhere else ""
    return f"""## Check it yourself

The command scores the held-out sets again and demands equal integers.

{need}```bash
finest model check {told.repo}@REVISION{flags}
```
"""


def _licence(told: CardInput) -> str:
    if told.licence == "unknown":
        return "## Licence\n\nNo licence is stated here. The texts that it was trained on have their own.\n"
    return f"## Licence\n\nThe model is under {_code(told.licence)}. The texts that it was trained on have their own.\n"


def _interval(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _code(text: str) -> str:
    """Format foreign text as inline code that cannot break out of its table cell."""
    return "`" + re.sub(r"[`|\x00-\x1f]", "_", one_line(text)) + "`"


def _table(head: tuple[str, ...], lines: Iterable[Sequence[Any]]) -> str:
    rows = [head, ("---",) * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
