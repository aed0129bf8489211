"""The format of a batch: what is not as its validator published it is refused, whatever was changed."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from finest.errors import UsageError, VerifyError
from finest.validator.evidence import to_json
from finest.validator.published.batch import (
    Batch,
    Place,
    is_file,
    is_place,
    make_batch,
    parse_place,
    read_batch,
    read_member,
)

from .made import SHA, Key, record

ALICE, BOB = Key("Alice"), Key("Bob")


RECORDS = [record(ALICE, number) for number in range(3)]


def made(count: int = 3) -> tuple[Batch, bytes, Place]:
    batch, data = make_batch(RECORDS[:count], ALICE, 1, None)  # type: ignore[arg-type]
    return batch, data, Place("victor/verdicts", SHA, batch.root)


def test_a_batch_is_json_lines_of_which_each_can_be_read_alone() -> None:
    """The whole file is the records as they are stored; a part of it is one of them."""
    batch, data, place = made()
    assert gzip.decompress(data) == b"".join(map(to_json, RECORDS))
    assert read_batch(batch.to_json(), place) == batch
    for number, item in enumerate(batch.items):
        found = read_member(data[item.offset : item.offset + item.size], item, batch, place)
        assert (found, item.task) == (RECORDS[number], f"t{number}")


def change(batch: Batch, **changes: Any) -> bytes:
    return batch.model_copy(update=changes).to_json()


def test_a_changed_manifest_is_nobodys() -> None:
    """Another record, another order, another signature, another validator: the root or the signature disagrees."""
    batch, _, place = made()
    items = batch.items
    other = items[0].model_copy(update={"sha256": "0" * 64})
    for data, why in [
        (change(batch, items=items[:2]), "have the Merkle root"),
        (change(batch, items=items[::-1]), "have the Merkle root"),
        (change(batch, items=(other, *items[1:])), "have the Merkle root"),
        (change(batch, items=(items[0].model_copy(update={"verdict": "pass"}), *items[1:])), "signature is not by"),
        (change(batch, number=2), "signature is not by"),
        (change(batch, signature=None), "signature is not by"),
        (change(batch, validator=BOB.address), "signature is not by"),
        (b"{}", "no batch of evidence"),
        (b"[" * 10_000, "no batch of evidence"),
        (json.dumps(json.loads(batch.to_json()) | {"more": 1}).encode(), "no batch of evidence"),
    ]:
        with pytest.raises(VerifyError, match=why):
            read_batch(data, place)
    with pytest.raises(VerifyError, match="have the Merkle root"):
        read_batch(batch.to_json(), Place(place.repo, SHA, "0" * 64))


def test_a_changed_record_is_nobodys() -> None:
    """Damaged, of another batch, by another validator, too long, or two in one."""
    batch, data, place = made()
    item = batch.items[0]
    own = data[: item.size]
    bobs = make_batch([record(BOB)], BOB, 1, None)  # type: ignore[arg-type]
    for stored, named, why in [
        (b"no gzip", item, "no gzip member"),
        (own[:-9], item, "no gzip member"),
        (own + own, item, "no gzip member"),
        (gzip.compress(b"0" * 17_000_000), item, "no gzip member of at most"),
        (gzip.compress(b"{}"), item, "no evidence of this version"),
        (data[batch.items[1].offset : batch.items[2].offset], item, "another hash"),
        (bobs[1], bobs[0].items[0], "not signed by"),
        (own, item.model_copy(update={"verdict": "pass"}), "something else than the manifest"),
    ]:
        with pytest.raises(VerifyError, match=why):
            read_member(stored, named, batch, place)


def test_places() -> None:
    """A place has everything: repository, revision and root."""
    _, _, place = made(1)
    assert parse_place(str(place)) == place and is_place(str(place))
    assert is_file(place.manifest) and is_file(place.records) and not is_file("evidence/x.json")
    for text in ("verdict.json", "victor/verdicts", f"victor/verdicts@{SHA}", f"../a@{SHA}#{'0' * 63}"):
        assert not is_place(text)
        with pytest.raises(UsageError, match="names no published evidence"):
            parse_place(text)


def test_a_record_that_is_too_large_is_not_published() -> None:
    """Whoever replays it must be able to read it."""
    with pytest.raises(UsageError, match="too large"):
        make_batch([record(ALICE, why="x").model_copy(update={"why": "x" * 17_000_000})], ALICE, 1, None)  # type: ignore[arg-type]
