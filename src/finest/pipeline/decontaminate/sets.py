"""Read the items of evaluation sets: JSONL, Parquet or text files, on disk or in a dataset repository on the Hub.

A set is written `[NAME=]PLACE`. PLACE is a file, or `hf:OWNER/NAME@REVISION:PATTERN`, whose files match the pattern.
"""

from __future__ import annotations

import fnmatch
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from finest.dataset.hub import Hub, Revision, parse_place
from finest.errors import UsageError
from finest.recipe.decontaminate.build import Item

DEFAULT_FIELDS = ("question", "problem", "prompt", "text")
"""The first of these fields that a file has is the item's text, unless --field names others."""
MAX_FILE_BYTES = 2 << 30
"""The largest file that is read, unpacked: evaluation sets have at most a few hundred megabytes."""
KINDS = (".jsonl", ".jsonl.gz", ".parquet", ".txt")
_TABLES = (".jsonl", ".jsonl.gz", ".parquet")
_HUB = re.compile(r"hf:(?P<place>[^:]+)(?::(?P<pattern>.+))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of an evaluation set."""

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class EvaluationFiles:
    """An evaluation set and its files, in their order."""

    name: str
    files: tuple[SourceFile, ...]


def find_set(spec: str, hub: Callable[[], Hub]) -> EvaluationFiles:
    """Return the set that `[NAME=]PLACE` names; `hub` makes the client when a set is on the Hub.

    Without NAME, the set has the name of its file or repository. Raises UsageError if there is no such file or no file
    of a known kind; HubError or a subclass if the Hub refuses.
    """
    name, _, place = spec.rpartition("=") if re.match(r"[A-Za-z0-9._-]+=", spec) else ("", "", spec)
    found = _HUB.fullmatch(place)
    if found:
        repo, sha, *_ = parse_place(found["place"])
        if sha is None:
            raise UsageError(f"{place}: the set needs a revision: write hf:{repo}@REVISION with 40 hex digits")
        name = _named(name or repo.partition("/")[2])
        return EvaluationFiles(name, _on_hub(hub(), Revision(repo, sha), found["pattern"]))
    path = Path(place).expanduser()
    if not path.is_file():
        raise UsageError(f"{place}: no such file; a set is [NAME=]FILE or [NAME=]hf:OWNER/NAME@REVISION:PATTERN")
    _kind(place)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UsageError(f"{place}: larger than the {MAX_FILE_BYTES:,} bytes that are read of a set")
    return EvaluationFiles(_named(name or path.name.partition(".")[0]), (SourceFile(place, lambda: path.open("rb")),))


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:80]!r} cannot name a set: use letters, digits, dots and dashes: NAME=FILE")
    return name


def _on_hub(hub: Hub, revision: Revision, pattern: str | None) -> tuple[SourceFile, ...]:
    """Return the files of a revision that match the pattern, by name; without a pattern, all files of known kinds."""
    files = hub.files(revision)
    if pattern:
        names = sorted(fnmatch.filter(files, pattern))
    else:
        names = sorted(name for name in files if name.lower().endswith(_TABLES))
    if not names:
        held = ", ".join(sorted(files)[:8])
        raise UsageError(f"{revision}: no file matches {pattern or 'a known kind'}; it holds {held[:400]}")
    for name in names:
        _kind(name)
        if files[name].size_bytes > MAX_FILE_BYTES:
            raise UsageError(f"{revision}: {name} is larger than the {MAX_FILE_BYTES:,} bytes that are read of a set")

    def opener(name: str) -> Callable[[], BinaryIO]:
        return lambda: io.BytesIO(hub.read(revision, name, 0, files[name].size_bytes))

    return tuple(SourceFile(f"{revision}:{name}", opener(name)) for name in names)


def _kind(name: str) -> str:
    for kind in KINDS:
        if name.lower().endswith(kind):
            return kind
    raise UsageError(f"{name}: the files of a set are {', '.join(KINDS)}")


def read_items(evaluation: EvaluationFiles, fields: Sequence[str]) -> Iterator[Item]:
    """Yield the items of a set; records are numbered on through its files. Records without a text are passed over.

    The text of a record is that of the `fields` in their order; without any, that of the first of DEFAULT_FIELDS that
    the file's first record has. A list is joined by line breaks, such as the choices of a question.
    Raises UsageError, with the file and the record, for a file that cannot be read or lacks a field.
    """
    number = 0
    for file in evaluation.files:
        chosen: Sequence[str] = fields
        try:
            with file.open() as stream:
                for record in _records(_kind(file.name), stream):
                    chosen = chosen or _default(record, file.name)
                    text = "\n".join(_text(record, field, file.name, number) for field in chosen)
                    if text.strip():
                        yield Item(number, text)
                    number += 1
        except (OSError, EOFError, UnicodeDecodeError, ValueError, RecursionError, pa.ArrowException) as error:
            said = str(error).partition("\n")[0][:200]
            raise UsageError(f"{file.name}: cannot be read at record {number}: {said}") from error


def _records(kind: str, stream: BinaryIO) -> Iterator[dict[str, Any]]:
    if kind == ".parquet":
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=1000):
            yield from batch.to_pylist()
        return
    for line in gzip.GzipFile(fileobj=stream) if kind.endswith(".gz") else stream:
        if not line.strip():
            continue
        record = {"text": line.decode()} if kind == ".txt" else json.loads(line)
        if not isinstance(record, dict):
            raise ValueError("a line is no JSON object")  # noqa: TRY004 - bad input, not a wrong call
        yield record


def _default(record: dict[str, Any], name: str) -> tuple[str, ...]:
    for field in DEFAULT_FIELDS:
        if field in record:
            return (field,)
    known = ", ".join(DEFAULT_FIELDS)
    raise UsageError(f"{name}: none of the fields {known}; name one with --field: {_fields(record)}")


def _text(record: dict[str, Any], field: str, name: str, number: int) -> str:
    if field not in record:
        raise UsageError(f"{name}: record {number} has no field {field!r}; it has {_fields(record)}")
    value = record[field]
    if isinstance(value, dict):  # choices of some sets: {"text": [...], "label": [...]}
        value = value.get("text", "")
    if isinstance(value, list):
        return "\n".join(str(one) for one in value if isinstance(one, str | int | float))
    return "" if value is None else str(value)


def _fields(record: dict[str, Any]) -> str:
    return ", ".join(map(str, record))[:400]
