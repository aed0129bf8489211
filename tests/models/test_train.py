"""Training: what decides a model, what an evaluation may see, and that a failure leaves nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from finest.errors import FinestError, UsageError
from finest.models import fit
from finest.models.documents import find_files, find_sources
from finest.models.record import RECORD_NAME, read_record
from finest.models.train import TrainOptions, train
from finest.recipe.quality_model import QualityModel
from tests.models.made import SILENT, rows, text_of, trained, written


def test_two_runs_give_identical_bytes(tmp_path: Path) -> None:
    """Whoever has the texts gets the same model and the same model.json."""
    labels = written(tmp_path / "a.jsonl", rows(200))
    trained(tmp_path / "one", labels)
    trained(tmp_path / "two", labels)
    for name in ("edu.safetensors", RECORD_NAME):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_neither_order_nor_workers_decide_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in another order, and fits in several processes, give the same model."""
    lines = rows(200)
    one = trained(tmp_path / "one", written(tmp_path / "a.jsonl", lines))
    random.Random(3).shuffle(lines)
    monkeypatch.setattr(fit, "_SMALL", 0)
    two = trained(tmp_path / "two", written(tmp_path / "b.jsonl", lines), workers=3)
    assert one.model_sha256 == two.model_sha256
    assert one.evaluation == two.evaluation


def test_a_model_tells_the_texts_apart(tmp_path: Path) -> None:
    """Texts that it never saw, of hosts that it never saw, get the higher scores where they are good."""
    record = trained(tmp_path / "m", written(tmp_path / "a.jsonl", rows(400)))
    model = QualityModel.load(tmp_path / "m" / "edu.safetensors", record.model_sha256)
    draw = random.Random(9)
    good, other = ([model.score(text_of(label, draw)).raw for _ in range(50)] for label in (1, 0))
    assert sum(g > o for g in good for o in other) > 0.95 * 2500
    folds = record.evaluation.folds
    assert folds is not None and folds.auc is not None and folds.auc.value > 0.95
    assert folds.auc.low <= folds.auc.value <= folds.auc.high
    assert sum(one.documents for one in record.calibration) == record.labels["0"] + record.labels["1"] == 400


def test_labels_without_meaning_give_no_figure_above_chance(tmp_path: Path) -> None:
    """The evaluation sees no document that the model was trained on: on noise, it finds nothing."""
    record = trained(tmp_path / "m", written(tmp_path / "a.jsonl", rows(600, hosts=60, clear=0.0)))
    folds = record.evaluation.folds
    assert folds is not None and folds.auc is not None
    assert folds.auc.low < 0.5 < folds.auc.high


def test_pages_of_one_site_do_not_evaluate_each_other(tmp_path: Path) -> None:
    """Each host writes its own word on all its pages, and the labels go by host: by page the model would be perfect."""
    draw = random.Random(4)
    lines = []
    for host in range(40):
        label = host % 2
        for _ in range(10):
            words = text_of(label, draw, clear=0.0)
            lines.append({"text": f"{words} {f'site{host} ' * 20}", "label": label, "url": f"http://www.h{host}.org/"})
    by_host = trained(tmp_path / "host", written(tmp_path / "a.jsonl", lines))
    for number, line in enumerate(lines):
        line["group"] = str(number)
    by_page = trained(tmp_path / "page", written(tmp_path / "b.jsonl", lines))
    found = [record.evaluation.folds.auc.value for record in (by_host, by_page)]  # type: ignore[union-attr]
    assert found[0] < 0.65 and found[1] > 0.95
    assert by_host.evaluation.folds.groups == 40  # type: ignore[union-attr]


def test_good_and_other_texts_and_their_bins(tmp_path: Path) -> None:
    """The bins divide the other texts evenly, so that `min_bin` 12 keeps about two fifths of them."""
    lines = rows(400)
    good = written(tmp_path / "good.jsonl", [line for line in lines if line["label"]])
    other = written(tmp_path / "other.jsonl", [line for line in lines if not line["label"]])
    options = TrainOptions(
        out=tmp_path / "edu.safetensors", good=find_sources([str(good)]), other=find_sources([str(other)]), bits=12
    )
    record = train(options, SILENT)
    assert [one.role for one in record.training_sets] == ["good", "other"]
    negatives = [round(one.documents * (1 - (one.share or 0))) for one in record.calibration]
    assert negatives == [10] * 20
    assert read_record(tmp_path) == record


def test_grades_are_ranked(tmp_path: Path) -> None:
    draw = random.Random(5)
    lines = [
        {"text": text_of(1, draw, clear=grade / 10), "label": grade, "group": f"g{at % 30}"}
        for at in range(300) for grade in [at % 6]
    ]  # fmt: skip
    record = trained(tmp_path / "m", written(tmp_path / "a.jsonl", lines))
    folds = record.evaluation.folds
    assert record.task == "grades" and folds is not None and folds.spearman is not None
    assert folds.spearman.value > 0.7
    assert folds.positive_from == 2.5 and folds.positives == 150
    assert record.calibration[-1].mean_grade > record.calibration[0].mean_grade  # type: ignore[operator]


def test_classes_are_named(tmp_path: Path) -> None:
    draw = random.Random(6)
    kinds = {"forum": "reply quoted thread", "product": "price basket stock", "article": "yesterday minister said"}
    lines = [
        {"text": f"{text_of(1, draw, clear=0.0)} {words} {words}", "label": name.title(), "group": f"{at % 25}"}
        for at in range(150) for name, words in [list(kinds.items())[at % 3]]
    ]  # fmt: skip
    record = trained(tmp_path / "m", written(tmp_path / "a.jsonl", lines), name="page_type")
    folds = record.evaluation.folds
    assert record.classes == ("article", "forum", "product")
    assert folds is not None and folds.macro_f1 is not None and folds.macro_f1.value > 0.9
    model = QualityModel.load(tmp_path / "m" / "page_type.safetensors")
    assert model.score("reply quoted thread reply quoted thread").label == "forum"


def test_texts_of_a_held_out_set_are_not_trained_on(tmp_path: Path) -> None:
    """The same texts in both files teach nothing: they are left out, and counted."""
    lines = rows(300)
    seen = trained(
        tmp_path / "m", written(tmp_path / "a.jsonl", lines), written(tmp_path / "held.jsonl", lines[:100])
    )  # fmt: skip
    (training,) = seen.training_sets
    assert (training.held_out, training.used) == (100, 200)
    assert training.documents == 300
    assert seen.evaluation.sets[0].of_trained_groups == 100  # their hosts are known, and that is told


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: [{**line, "label": 1} for line in lines], "the same label"),
        (lambda lines: [{**line, "label": 7} for line in lines], "not a grade from 0 to 5"),
        (lambda lines: [{**line, "label": None} for line in lines], "row 1: the label is missing"),
        (lambda lines: [{**line, "label": "a" if line["label"] else 2} for line in lines], "mix names"),
        (lambda lines: [{"words": "a", "label": 1}], "no column 'text'"),
        (lambda lines: [{**line, "text": 5} for line in lines], "text is a int, not a string"),
        (lambda lines: [{**line, "host": "one.org"} for line in lines], "come from 1 host or groups"),
        (lambda lines: [{**line, "text": " \n"} for line in lines], "hold no text"),
        (lambda lines: [{**line, "label": f"c{at}"} for at, line in enumerate(lines)], "more than 32 names"),
    ],
)
def test_bad_labels_cost_one_line_and_leave_nothing(tmp_path: Path, change, says: str) -> None:
    labels = written(tmp_path / "a.jsonl", change(rows(100)))
    with pytest.raises(FinestError, match=says) as error:
        trained(tmp_path / "m", labels)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "m").iterdir())


def test_empty_texts_are_counted_and_left_out(tmp_path: Path) -> None:
    lines = [*rows(100), {"text": "", "label": 1, "host": "a"}, {"text": None, "label": 0, "host": "b"}]
    (one,) = trained(tmp_path / "m", written(tmp_path / "a.jsonl", lines)).training_sets
    assert (one.documents, one.empty, one.used) == (102, 2, 100)


def test_stopping_leaves_nothing(tmp_path: Path) -> None:
    def stop(step: str, share: float, words: str) -> None:
        if step == "Evaluating" and share == 1:
            raise KeyboardInterrupt

    labels = written(tmp_path / "a.jsonl", rows(100))
    (tmp_path / "m").mkdir()
    options = TrainOptions(out=tmp_path / "m" / "edu.safetensors", labels=find_files([str(labels)]), bits=12)
    with pytest.raises(KeyboardInterrupt):
        train(options, stop)
    assert not list((tmp_path / "m").iterdir())


def test_another_models_record_is_not_overwritten(tmp_path: Path) -> None:
    labels = written(tmp_path / "a.jsonl", rows(100))
    trained(tmp_path / "m", labels)
    trained(tmp_path / "m", labels)  # the same model may be trained again
    with pytest.raises(UsageError, match=r"belongs to edu\.safetensors"):
        trained(tmp_path / "m", labels, name="spam")


def test_a_file_is_not_both_trained_on_and_held_out(tmp_path: Path) -> None:
    labels = written(tmp_path / "a.jsonl", rows(100))
    with pytest.raises(UsageError, match="both trained on and held out"):
        trained(tmp_path / "m", labels, labels)
