"""Tier 2, at toy size on a CPU: the same measure, by another model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from finest.errors import RunError, UsageError
from finest.validator.quality import Quality, measure
from finest.validator.quality.record import recorded
from finest.validator.quality.tier import tier_of
from tests.late import late_module
from tests.validator.quality.made import menus, shuffled, split

torch, continued = late_module("torch"), late_module("finest.validator.quality.neural.continued")
REFERENCE, HELDOUT = split()[0], split()[1][::2]
RAW = menus(REFERENCE, 1)


def measured(submission: list[str], save: Path | None = None) -> Quality:
    found = measure(submission, REFERENCE, RAW, HELDOUT, "aa", tier=tier_of(2, "cpu", save))
    assert isinstance(found, Quality)
    return found


@pytest.fixture(scope="module")
def of_shuffled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Quality, Path]:
    """Words in any order, measured, and the folder of the models."""
    folder = tmp_path_factory.mktemp("models")
    return measured(shuffled(REFERENCE, 3), folder), folder


@pytest.mark.nightly
def test_refined_text_is_better_than_raw_text_and_that_than_shuffled_words(of_shuffled: tuple[Quality, Path]) -> None:
    """The order that tier 1 finds."""
    found, _folder = of_shuffled
    assert found.bpb_reference < found.bpb_raw < found.bpb


@pytest.mark.nightly
def test_equal_texts_give_equal_figures(of_shuffled: tuple[Quality, Path]) -> None:
    """In any order and by another start of the tier, on a CPU to the last bit."""
    assert measured(shuffled(REFERENCE, 3)[::-1]) == of_shuffled[0]


@pytest.mark.nightly
def test_every_fitted_model_is_kept(of_shuffled: tuple[Quality, Path]) -> None:
    """Three draws of three texts, each in a folder of its own, and no two alike."""
    found, folder = of_shuffled
    names = {f"{side}-{draw}" for side in ("submission", "reference", "raw") for draw in (1, 2, 3)}
    assert {path.name for path in folder.iterdir()} == names
    assert len({(path / "model.safetensors").read_bytes() for path in folder.iterdir()}) == len(names)
    assert found.tier == 2


@pytest.mark.nightly
def test_the_evidence_names_tier_and_parts(of_shuffled: tuple[Quality, Path]) -> None:
    """What a verdict's record has of it."""
    found, _folder = of_shuffled
    record = recorded(found)
    assert (record.tier, record.bpb, record.figures["q"]) == (2, found.bpb, found.q)
    assert record.hashes["checkpoint"] == continued.SEED_SHA256
    assert record.figures["device"] == "cpu"
    assert record.hashes["reference"] == found.reference_sha256
    assert record == recorded(replace(found))


@pytest.mark.nightly
def test_progress_ends_at_the_whole() -> None:
    """The share rises from 0 to 1 over all fits."""
    shares: list[float] = []
    measure(
        REFERENCE, REFERENCE, RAW, HELDOUT, "aa", tier=continued.ContinuedLlama("cpu"), tokens=5_000,
        progress=lambda share, _words: shares.append(share),
    )  # fmt: skip
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    """With what to do instead; without being asked for, the CPU is taken."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError, match="--device cpu"):
        continued.available("cuda")
    assert continued.available(None) == "cpu"


def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PyTorch raises where the device is full."""

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("finest.validator.quality.neural.continued.train", full)
    with pytest.raises(RunError, match="--device cpu"):
        measured(REFERENCE)


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path: Path) -> None:
    """A file stands where the models should go."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        continued.ContinuedLlama("cpu", tmp_path / "file" / "models")
