"""A recipe that promises rows without evaluation items is held to it, with the index that it names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finest.dataset.decontaminated import Decontaminated
from finest.dataset.hub import Hub, RemoteFile, Revision
from finest.dataset.selection import Selection
from finest.pipeline.decontaminate.indexes import forget_indexes
from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.place import cached_index
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.evidence import is_dishonest
from finest.validator.models import RowFinding
from finest.validator.uncontaminated import MAX_FETCHED_BYTES, RowItems, check_index

from .made import PLAN, SHA, Published, tampered

PLACE = f"hf:alice/evaluations@{SHA}:sets/x.decon"


def index_of(texts: list[str]) -> bytes:
    return build_index([("quiz", [Item(n, text) for n, text in enumerate(texts)])]).encoded()


def questions_of(published: Published) -> list[str]:
    """Twenty words of each row, as if they were questions."""
    return [" ".join(row.text.split()[:20]) for row in published.rows()]


def put(data: bytes) -> str:
    """Put an index into the cache, as if it had been fetched, and return its sha256."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = cached_index(default_cache(), sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return sha256


def promised(honest: Published, out: Path, sha256: str, place: str = PLACE) -> Published:
    """The rows of recipe fineweb under one that says that they hold no item."""
    section = {"enabled": True, "index": place, "index_sha256": sha256, "min_matches": 5, "min_percent": 10}
    recipe: dict[str, Any] = honest.manifest.recipe | {"decontaminate": section}
    return tampered(honest, out, honest.rows(), recipe=recipe)


def test_a_row_with_an_item_is_forged(honest: Published, tmp_path: Path) -> None:
    """A miner that names an index and leaves the items in is a liar, though the row is in its page."""
    liar = promised(honest, tmp_path / "liar", put(index_of(questions_of(honest))))
    items, row = RowItems.of(liar.manifest, liar.context()), honest.rows()[0]
    finding = RowFinding(number=0, id=row.id, source="", offset=0, expected="", found=None, outcome="same")
    found = items.checked(finding, row)
    assert found.outcome == "forged"
    assert "its recipe drops texts with evaluation items: quiz, record 0" in found.detail
    assert items.checked(finding, replace(row, text="Another text.")) == finding


@pytest.mark.slow
@pytest.mark.nightly
def test_an_audit_finds_the_items(honest: Published, tmp_path: Path) -> None:
    """All rows are forged, and the verdict is that of a liar."""
    liar = promised(honest, tmp_path / "liar", put(index_of(questions_of(honest))))
    evidence = audit(liar.subject(), PLAN, liar.context())
    assert evidence.verdict == "fail" and is_dishonest(evidence)
    assert {row.outcome for row in evidence.rows} == {"forged"}
    assert "its recipe drops texts with evaluation items: quiz, record" in evidence.rows[0].detail


def test_rows_without_items_are_as_they_were(honest: Published, tmp_path: Path) -> None:
    """An honest row keeps its finding; a recipe without the section has no check."""
    other = put(index_of(["Which of these eleven birds was never seen on the island before the war of 1812?"]))
    clean = promised(honest, tmp_path / "clean", other)
    assert [check.outcome for check in check_index(clean.manifest, clean.context())] == ["pass"]
    assert not list(check_index(honest.manifest, honest.context()))
    items, row = RowItems.of(clean.manifest, clean.context()), honest.rows()[0]
    finding = RowFinding(number=0, id=row.id, source="", offset=0, expected="", found=None, outcome="same")
    assert items.checked(finding, row) == finding
    assert RowItems.of(honest.manifest, honest.context()).checked(finding, row) == finding


@pytest.mark.slow
def test_a_subset_is_no_evidence_without_its_index(honest: Published, tmp_path: Path) -> None:
    """A validator that lacks the index proves nothing, and says which file is missing."""
    sha256 = put(index_of(questions_of(honest)))
    rule = Decontaminated(index_sha256=sha256, min_matches=5, min_percent=10)
    selection = Selection(rule=rule, parent_root=honest.manifest.root, parent_rows=honest.manifest.rows)
    lie = tampered(honest, tmp_path / "lie", honest.rows(), selections=[selection])
    subject = lie.subject()
    free = {"id": None, "hotkey": None, "state": None, "commitment": None}
    subject = subject.model_copy(update={"task": subject.task.model_copy(update=free)})
    without = audit(subject, PLAN, replace(lie.context(), cache=tmp_path / "cache"))
    assert without.verdict == "no_evidence" and sha256 in without.why


class Files(Hub):
    """A client that knows one file, and says how large it is."""

    def __init__(self, data: bytes, size_bytes: int) -> None:
        self._data, self._size_bytes = data, size_bytes

    def files(self, revision: Revision) -> dict[str, RemoteFile]:
        name, sha256 = "sets/x.decon", hashlib.sha256(self._data).hexdigest()
        return {name: RemoteFile(name, self._size_bytes, "", sha256)}

    def read(self, revision: Revision, path: str, start: int, end: int) -> bytes:
        assert end <= MAX_FETCHED_BYTES
        return self._data[start:end]


@pytest.mark.parametrize(("data", "size", "place", "why"), [
    (b"no index", 8, PLACE, "is no index"),
    (b"another file", 12, PLACE, "the recipe asks for"),
    (b"", MAX_FETCHED_BYTES + 1, PLACE, "no file sets/x.decon of at most"),
    (b"", 0, "x.decon", "publish it and name it as hf:OWNER/NAME@REVISION:FILE.decon"),
])  # fmt: skip
def test_an_index_that_nobody_can_use_is_inadmissible(
    honest: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, size: int, place: str, why: str
) -> None:
    """Else a miner could keep others from checking its promise; nothing is written to the cache."""
    monkeypatch.setattr("finest.pipeline.decontaminate.indexes.Hub", lambda *_: Files(data, size))
    sha256 = hashlib.sha256(b"no index").hexdigest()
    hidden = promised(honest, tmp_path / "hidden", sha256, place)
    (check,) = check_index(hidden.manifest, hidden.context())
    assert check.outcome == "fail" and why in check.detail
    assert not cached_index(default_cache(), sha256).exists()


def test_an_index_is_fetched_once(honest: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its sha256; the cache forgets those that were not used for long."""
    data = index_of([f"Which number comes after the number {n} in the list of the {n} numbers?" for n in range(9)])
    monkeypatch.setattr("finest.pipeline.decontaminate.indexes.Hub", lambda *_: Files(data, len(data)))
    clean = promised(honest, tmp_path / "clean", hashlib.sha256(data).hexdigest())
    context = replace(clean.context(), cache=tmp_path / "cache")
    cached = cached_index(context.cache, hashlib.sha256(data).hexdigest())
    assert [check.outcome for check in check_index(clean.manifest, context)] == ["pass"]
    assert cached.read_bytes() == data
    monkeypatch.setattr("finest.pipeline.decontaminate.indexes.Hub", None)
    assert [check.outcome for check in check_index(clean.manifest, context)] == ["pass"]
    forget_indexes(context.cache, 0)
    assert not cached.exists()
