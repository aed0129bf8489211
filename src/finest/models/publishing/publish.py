"""Publish a model as one revision of a model repository on the Hub (`finest model publish`)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finest.dataset.commit import Content, File, commit
from finest.dataset.commit import Progress as UploadProgress
from finest.dataset.hub import Hub, Revision
from finest.dataset.model_files import RECORD_NAME
from finest.errors import UsageError, VerifyError
from finest.masking import holds_secrets, masked
from finest.models.documents import FileSource
from finest.models.place import OpenModel, find_set
from finest.models.publishing.card import CardInput, card
from finest.models.publishing.curve import CURVE_NAME, curve
from finest.models.publishing.samples import samples
from finest.models.record import ModelRecord
from finest.models.tables import form_of
from finest.recipe.stages.quality_model import SUFFIX

if TYPE_CHECKING:
    from finest.models.documents import Source

Progress = Callable[[str, float, str], None]
Say = Callable[[str], None]
CARD_NAME = "README.md"
MAX_NOTES_BYTES = 64 << 10
_MAX_SET_BYTES = 256 << 20
"""Largest held-out set that `finest model check` reads from a repository."""
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
_LICENCE_FILES = frozenset({"LICENSE", "LICENSE.md", "LICENSE.txt"})


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """The files that are published beside the weights and the record."""

    licence: str = "unknown"
    samples: tuple[Source, ...] = ()
    """Sources of the card's samples; by default the held-out sets that lie beside the record."""
    notes: str = ""
    with_heldout: bool = False
    """Publish the texts of the held-out sets, too."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Everything that is read once, before the Hub is asked."""

    record: ModelRecord
    weights: Path
    sets: tuple[FileSource, ...]
    """Held-out sets that are found locally."""
    published: tuple[FileSource, ...] = field(default=())


def publish(
    opened: OpenModel, repo: str, options: PublishOptions, *, private: bool = False, token: str | None = None,
    progress: Progress = lambda *_: None, say: Say = lambda _: None, sent: UploadProgress = lambda _: None,
) -> Revision:  # fmt: skip
    """Publish the model as one commit of the model repository `repo`, and return its revision.

    `repo` is OWNER/NAME, or NAME under the token's user; it is created if it does not exist. If the newest commit or
    one of the last few already holds exactly this, nothing is sent.

    Raises UsageError if the repository holds something else or an option does not fit the model; VerifyError if
    `model.json` or the card would publish a secret; ModelError without a `model.json`; HubError or a subclass if the
    Hub refuses or does not respond.
    """
    parts = _parts(opened, options)
    hub = Hub(token, say, kind="model")
    name = hub.full_name(repo)
    sources: tuple[Source, ...] = options.samples or (*parts.sets,)
    told = CardInput(
        parts.record, name, options.licence, samples(opened.model, sources, progress),
        tuple(_public_name(source.name) for source in sources),
        options.notes, frozenset(source.path.name for source in parts.published),
    )  # fmt: skip
    content = _content(parts, told)
    return commit(hub, content, private=private, say=say, progress=sent)


def _public(record: ModelRecord) -> ModelRecord:
    """Return the record without the folders of this machine in names of files."""
    trained = tuple(one.model_copy(update={"name": _public_name(one.name)}) for one in record.training_sets)
    sets = tuple(one.model_copy(update={"path": _public_name(one.path)}) for one in record.evaluation.sets)
    evaluation = record.evaluation.model_copy(update={"sets": sets})
    return record.model_copy(update={"training_sets": trained, "evaluation": evaluation})


def _public_name(name: str) -> str:
    return Path(name).name if Path(name).is_absolute() or Path(name).exists() else name


def _parts(opened: OpenModel, options: PublishOptions) -> _Parts:
    record = opened.record or _imported(opened)
    if not isinstance(opened.where, Path):
        raise UsageError("publish a model from its file or folder; this one is on the Hub already")
    if not _LICENCE.fullmatch(options.licence):
        raise UsageError(f"--license {options.licence!r}: use the Hub's name of a licence, such as apache-2.0")
    _refuse_secrets(record, options.notes)
    found = [find_set(opened, one, (), opened.where) for one in record.evaluation.sets]
    sets = tuple(source for source in found if source is not None)
    if not options.with_heldout:
        return _Parts(_public(record), opened.path, sets)
    if len(sets) < len(found):
        missing = record.evaluation.sets[found.index(None)].path
        raise UsageError(
            f"the held-out set {missing} is not in {opened.where}; copy it there, or leave out --with-heldout"
        )
    for source, stated in zip(sets, record.evaluation.sets, strict=True):
        _check_published(source, stated.path)
    return _Parts(_public(record), opened.path, sets, sets)


def _imported(opened: OpenModel) -> ModelRecord:
    """Return the record of an imported model, of which nothing is known; raises ModelError for a trained one."""
    model = opened.model
    if model.kind != "fasttext":
        return opened.needed_record()
    return ModelRecord(
        name=model.name, kind="fasttext", task="binary", model_file=opened.path.name, model_sha256=model.sha256,
        bits=model.bits,
    )  # fmt: skip


def _check_published(source: FileSource, stated: str) -> None:
    if form_of(source.path.name) == "parquet":
        raise UsageError(
            f"{source.path}: held-out sets are published as JSONL or CSV, which `check` can read from a stranger; "
            "convert it and train again"
        )
    if source.path.name != stated:
        raise UsageError(f"{source.path}: copy the held-out set into the folder of model.json and train again")
    if source.path.stat().st_size > _MAX_SET_BYTES:
        raise UsageError(f"{source.path}: more than the {_MAX_SET_BYTES:,} bytes that `check` reads")


def _refuse_secrets(record: ModelRecord, notes: str) -> None:
    """Refuse to publish addresses with passwords or signatures."""
    for one in record.training_sets:
        if holds_secrets(one.name):
            raise VerifyError(
                f"a training set is named with user information or a query: {masked(one.name)}; train again"
            )
    if masked(notes) != notes:
        raise VerifyError(
            "the notes hold an address with a password or a signature, which would be published: cut it out"
        )


def _content(parts: _Parts, told: CardInput) -> Content:
    record = parts.record
    folds = record.evaluation.folds
    files = [_weights(parts), File.of(RECORD_NAME, record.to_json()), File.of(CARD_NAME, card(told).encode())]
    if folds is not None and folds.thresholds:
        files.append(File.of(CURVE_NAME, curve(folds.thresholds, record.name)))
    files += [_set(source) for source in parts.published]
    return Content(
        "model", told.repo, f"{record.name}: model {record.model_sha256}", record.model_sha256, tuple(files),
        RECORD_NAME, _is_ours, _LICENCE_FILES,
    )  # fmt: skip


def _is_ours(path: str) -> bool:
    """Return whether an earlier model of ours may have left this file in the repository."""
    return "/" not in path and (path.endswith(SUFFIX) or path == CURVE_NAME or form_of(path) is not None)


def _weights(parts: _Parts) -> File:
    data = parts.weights.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != parts.record.model_sha256:
        raise VerifyError(f"{parts.weights}: not the file that model.json names; nothing was published")
    return File(parts.record.model_file, len(data), found, "", local=parts.weights)


def _set(source: FileSource) -> File:
    """Return a held-out set; git itself stores a small JSONL file, and large-file storage any other."""
    path = source.path
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    size = 0
    for chunk in _chunks(path):
        sha256.update(chunk)
        blob.update(chunk)
        size += len(chunk)
    return File(path.name, size, sha256.hexdigest(), blob.hexdigest(), local=path)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")


def not_published(record: ModelRecord | None, options: PublishOptions) -> Sequence[str]:
    """Return the names of the held-out sets that others need to check the evaluation, and do not get."""
    if record is None or options.with_heldout:
        return ()
    return tuple(one.name for one in record.evaluation.sets)
