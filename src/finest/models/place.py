"""Open a model with its record: a file, a folder, or a model repository at a revision."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finest.atomic_files import size_and_sha256, write_whole
from finest.dataset.hub import Hub, Revision
from finest.dataset.model_files import published_model
from finest.errors import ModelError, UsageError, VerifyError
from finest.models.documents import FileSource
from finest.models.record import RECORD_NAME, ModelRecord, parse_record, read_record
from finest.models.tables import SUFFIXES, form_of
from finest.recipe.quality_model import QualityModel
from finest.recipe.quality_model.place import shipped_names, shipped_path

if TYPE_CHECKING:
    from finest.models.record import SetEvaluation

Say = Callable[[str], None]
MAX_PUBLISHED_SET_BYTES = 256 << 20
"""Maximum size of a held-out set in a model repository; 20,000 pages have about 100 MB as plain JSONL."""


@dataclass(frozen=True, slots=True)
class OpenModel:
    model: QualityModel
    record: ModelRecord | None
    """None for a file without a `model.json` beside it that names its sha256."""
    where: Path | Revision
    """The folder of the model, or the revision of its repository."""
    path: Path
    """The model's file."""

    def needed_record(self) -> ModelRecord:
        """Return the record; raises ModelError if there is none."""
        if self.record is None:
            raise ModelError(f"{self.path}: there is no {RECORD_NAME} beside it that names its sha256")
        return self.record


def open_model(place: str, cache: Path, say: Say = lambda _: None) -> OpenModel:
    """Open `NAME.safetensors`, a folder with `model.json`, `OWNER/NAME@REVISION`, or a shipped model by its name.

    Raises ModelError if it is no model of ours, VerifyError if model and record do not belong together, UsageError or
    a HubError if it cannot be found.
    """
    path = Path(place)
    if path.is_dir():
        record = read_record(path)
        return _checked(OpenModel(QualityModel.load(_beside(path, record)), record, path, _beside(path, record)))
    if path.is_file():
        model = QualityModel.load(path)
        beside = read_record(path.parent) if (path.parent / RECORD_NAME).is_file() else None
        return OpenModel(model, _own(beside, model), path.parent, path)
    if place in shipped_names():
        path = shipped_path(place)
        shipped = parse_record(path.with_suffix(".json").read_bytes(), f"{place}.json")
        return _checked(OpenModel(QualityModel.load(path), shipped, path.parent, path))
    if "@" not in place:
        raise UsageError(f"{place}: no such file or folder; name NAME.safetensors, a folder or OWNER/NAME@REVISION")
    found = published_model(place, cache, say=say)
    record = parse_record(found.record, f"{found.revision}: {RECORD_NAME}")
    return _checked(OpenModel(QualityModel.load(found.weights, found.sha256), record, found.revision, found.weights))


def _own(record: ModelRecord | None, model: QualityModel) -> ModelRecord | None:
    """Return the record if it is the model's: a folder may hold several models, and one record."""
    return record if record and record.model_sha256 == model.sha256 else None


def _beside(folder: Path, record: ModelRecord) -> Path:
    if Path(record.model_file).name != record.model_file:
        raise ModelError(
            f"{folder / RECORD_NAME}: model_file {record.model_file!r} is not the name of a file beside it"
        )
    return folder / record.model_file


def _checked(opened: OpenModel) -> OpenModel:
    record, model = opened.needed_record(), opened.model
    if record.model_sha256 != model.sha256:
        raise VerifyError(
            f"{opened.where}: the model's sha256 is {model.sha256}, {RECORD_NAME} says {record.model_sha256}"
        )
    if (record.name, record.classes, record.bits) != (model.name, model.classes, model.bits):
        raise VerifyError(f"{opened.where}: name, classes or bits in {RECORD_NAME} are not those of the model")
    return opened


def find_set(opened: OpenModel, stated: SetEvaluation, given: tuple[FileSource, ...], cache: Path) -> FileSource | None:
    """Return the file of a held-out set: one of the `given` files with its sha256, or the file that the record names.

    None if it is nowhere. A file of a repository is fetched into the cache. Raises VerifyError if it is not the file
    that the record states.
    """
    for source in given:
        if size_and_sha256(source.path) == (stated.size_bytes, stated.sha256):
            return source
    if isinstance(opened.where, Revision):
        return _published_set(opened.where, stated, cache)
    for path in (opened.where / stated.path, Path(stated.path)):
        if path.is_file() and path.stat().st_size == stated.size_bytes:
            return _with_sha256(path, stated)
    return None


def _with_sha256(path: Path, stated: SetEvaluation) -> FileSource:
    if size_and_sha256(path)[1] != stated.sha256:
        raise VerifyError(f"{path}: its sha256 is not the one that {RECORD_NAME} states for {stated.name}")
    return FileSource(path, str(path))


def _published_set(revision: Revision, stated: SetEvaluation, cache: Path) -> FileSource | None:
    hub = Hub(kind="model")
    file = hub.files(revision).get(stated.path)
    if file is None:
        return None
    form = form_of(file.path)
    if form is None or form == "parquet":
        # Arrow's decoder is no border against a stranger's file.
        raise VerifyError(f"{revision}: {file.path} is not read from a stranger; publish held-out sets as JSONL or CSV")
    if file.size_bytes != stated.size_bytes or file.size_bytes > MAX_PUBLISHED_SET_BYTES:
        raise VerifyError(
            f"{revision}: {file.path} has {file.size_bytes:,} bytes, {RECORD_NAME} says {stated.size_bytes:,}"
        )
    suffix = next(ending for ending in SUFFIXES if file.path.lower().endswith(ending))
    target = cache / "models" / "sets" / f"{stated.sha256}{suffix}"
    if not target.is_file() or size_and_sha256(target)[1] != stated.sha256:
        data = hub.whole(revision, file)
        if hashlib.sha256(data).hexdigest() != stated.sha256:
            raise VerifyError(f"{revision}: {file.path} is not the file that {RECORD_NAME} states")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, data)
    return FileSource(target, f"{revision}: {file.path}")
