"""A batch of evidence: a manifest with the Merkle root over its records, and one file that holds the records.

    evidence/<first two digits of the root>/<root>.json        the manifest, `finest-evidence-batch/1`
    evidence/<first two digits of the root>/<root>.jsonl.gz    the records, each a gzip member of its own

The file of records is a gzip file of JSON lines, so that any reader of JSON lines can load it; the manifest says where
each record begins, so that one record can be read without the others. The leaves of the tree are the records' hashes
in the order of the file.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.dataset.merkle import root as merkle_root
from finest.errors import UsageError, VerifyError
from finest.recipe.recipe import canonical_json
from finest.validator.evidence import evidence_hash, is_signed, to_json
from finest.validator.models import Count, Evidence, Hash, Outcome

if TYPE_CHECKING:
    from finest.chain.wallet import Hotkey

MAX_RECORDS = 256
"""Records in a batch: its manifest has some 100 kB, which everybody reads who replays one of them."""
MAX_RECORD_BYTES = 16 * 1024 * 1024
"""JSON of one record. One of the default plan has some 60 kB."""
MAX_STORED_BYTES = 4 * 1024 * 1024
"""A record as stored; JSON of hashes shrinks to a third."""
MAX_BATCH_BYTES = 64 * 1024 * 1024
"""All records of a batch as stored."""
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_SPOT_CHECKS = 256
_PLACE = re.compile(r"([\w.-]{1,96}/[\w.-]{1,96})@([0-9a-f]{40})#([0-9a-f]{64})", re.ASCII)
_FILE = re.compile(r"evidence/[0-9a-f]{2}/[0-9a-f]{64}\.json(?:l\.gz)?", re.ASCII)
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Model):
    """One record of a batch: what it is about, and its place in the file of records."""

    sha256: Hash
    """The record's hash (`evidence_hash`), as reported to the task server."""
    task: str | None = Field(default=None, max_length=40)
    hotkey: str | None = Field(default=None, max_length=64)
    line: str | None = Field(default=None, max_length=1024)
    verdict: Outcome
    total: float | None = Field(default=None, allow_inf_nan=False)
    offset: Count
    size: Annotated[int, Field(ge=1, le=MAX_STORED_BYTES)]


class SpotCheck(_Model):
    """A replay of another validator's published evidence."""

    validator: str = Field(max_length=64)
    """The hotkey of the validator whose evidence was replayed."""
    task: str = Field(max_length=40)
    evidence: str = Field(max_length=320)
    """The batch that holds the evidence, as OWNER/NAME@REVISION#ROOT."""
    sha256: Hash
    difference: str = Field(default="", max_length=800)
    """The first difference; empty if the replay gave the same."""


class Batch(_Model):
    """The manifest of a batch."""

    format: Literal["finest-evidence-batch/1"] = "finest-evidence-batch/1"
    validator: str = Field(max_length=64)
    number: Annotated[int, Field(ge=1)]
    """1 for the validator's first batch; no number is left out."""
    previous: Hash | None = None
    """The root of the batch before."""
    root: Hash
    records_sha256: Hash
    records_bytes: Annotated[int, Field(ge=0, le=MAX_BATCH_BYTES)]
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=MAX_RECORDS)]
    spot_checks: Annotated[tuple[SpotCheck, ...], Field(max_length=MAX_SPOT_CHECKS)] = ()
    signature: Signature | None = None
    """The validator's signature over the sha256 of the canonical JSON of all other fields."""

    def digest(self) -> bytes:
        """Return the bytes that are signed."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json", exclude={"signature"}))).digest()

    def to_json(self) -> bytes:
        """Return the manifest as it is stored."""
        return canonical_json(self.model_dump(mode="json")) + b"\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch is published."""

    repo: str
    revision: str
    root: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}#{self.root}"

    @property
    def manifest(self) -> str:
        """The path of the manifest in the repository."""
        return manifest_path(self.root)

    @property
    def records(self) -> str:
        """The path of the file of records in the repository."""
        return records_path(self.root)


def manifest_path(root: str) -> str:
    """Return the path of the manifest of the batch with this root."""
    return f"evidence/{root[:2]}/{root}.json"


def records_path(root: str) -> str:
    """Return the path of the records of the batch with this root."""
    return f"evidence/{root[:2]}/{root}.jsonl.gz"


def is_file(path: str) -> bool:
    """Return whether a path in a repository is a file of a batch."""
    return _FILE.fullmatch(path) is not None


def is_place(text: str) -> bool:
    """Return whether the text has the form OWNER/NAME@REVISION#ROOT."""
    return _PLACE.fullmatch(text) is not None


def parse_place(text: str) -> Place:
    """Parse OWNER/NAME@REVISION#ROOT; raises UsageError for anything else."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise UsageError(f"{text[:300]!r} names no published evidence; that is OWNER/NAME@REVISION#ROOT")
    return Place(found[1], found[2], found[3])


def member_of(evidence: Evidence) -> bytes:
    """Return a record as it is stored; raises UsageError if it is too large to be published."""
    data = to_json(evidence)
    stored = gzip.compress(data, 9, mtime=0)
    if len(data) > MAX_RECORD_BYTES or len(stored) > MAX_STORED_BYTES:
        raise UsageError(f"a record of {len(data):,} bytes is too large to be published; check fewer rows")
    return stored


def make_batch(
    records: Sequence[Evidence], hotkey: Hotkey, number: int, previous: str | None,
    spot_checks: Iterable[SpotCheck] = (),
) -> tuple[Batch, bytes]:  # fmt: skip
    """Return the signed manifest of these records and the file that holds them."""
    items, data = [], bytearray()
    for evidence in records:
        stored, told = member_of(evidence), evidence.subject
        items.append(Item(
            sha256=evidence_hash(evidence), task=told.task.id, hotkey=told.submission.hotkey,
            line=told.submission.line, verdict=evidence.verdict, total=evidence.total, offset=len(data),
            size=len(stored),
        ))  # fmt: skip
        data += stored
    batch = Batch(
        validator=hotkey.address, number=number, previous=previous, root=root_of(items),
        records_sha256=hashlib.sha256(data).hexdigest(), records_bytes=len(data), items=tuple(items),
        spot_checks=tuple(spot_checks),
    )  # fmt: skip
    return batch.model_copy(update={"signature": hotkey.sign(batch.digest()).hex()}), bytes(data)


def root_of(items: Iterable[Item]) -> str:
    """Return the Merkle root over the records' hashes in their order."""
    return merkle_root(bytes.fromhex(item.sha256) for item in items)


def read_batch(data: bytes, place: Place) -> Batch:
    """Return the manifest in `data`; raises VerifyError if it is not the batch that `place` names."""
    from finest.chain.signature import is_signed_by

    try:
        batch = Batch.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise VerifyError(f"{place}: no batch of evidence of this version ({first['msg']})") from None
    if batch.root != place.root or root_of(batch.items) != place.root:
        raise VerifyError(f"{place}: the records have the Merkle root {root_of(batch.items)}")
    if batch.signature is None or not is_signed_by(batch.validator, batch.digest(), bytes.fromhex(batch.signature)):
        raise VerifyError(f"{place}: the signature is not by {batch.validator}")
    return batch


def read_member(stored: bytes, item: Item, batch: Batch, place: Place) -> Evidence:
    """Return a record from its stored bytes; raises VerifyError if it is not the one that the manifest names."""
    where = f"{place}: the record of task {item.task}"
    try:
        unpacker = zlib.decompressobj(wbits=31)
        data = unpacker.decompress(stored, MAX_RECORD_BYTES + 1)
    except zlib.error as error:
        raise VerifyError(f"{where} is no gzip member ({error})") from None
    if len(data) > MAX_RECORD_BYTES or not unpacker.eof or unpacker.unused_data:
        raise VerifyError(f"{where} is no gzip member of at most {MAX_RECORD_BYTES:,} bytes")
    try:
        evidence = Evidence.model_validate_json(data)
    except ValueError as error:
        raise VerifyError(f"{where} is no evidence of this version ({str(error)[:200]})") from None
    if evidence_hash(evidence) != item.sha256:
        raise VerifyError(f"{where} has another hash than the manifest says")
    if evidence.subject.validator != batch.validator or not is_signed(evidence):
        raise VerifyError(f"{where} is not signed by {batch.validator}")
    if (evidence.subject.task.id, evidence.verdict, evidence.total) != (item.task, item.verdict, item.total):
        raise VerifyError(f"{where} says something else than the manifest")
    return evidence
