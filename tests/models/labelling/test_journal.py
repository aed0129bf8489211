"""The journal: every label at once, half a line forgotten, another labelling refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.errors import UsageError
from finest.models.labelling.journal import Journal

HEAD = {"labels": [0, 1], "sources": []}


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    """The last entry of a page counts, and an undo takes it back."""
    path = tmp_path / "journal"
    with Journal(path, HEAD) as journal:
        journal.add("a", "label", label=1, by="eve")
        journal.add("b", "skip", by="eve")
        journal.add("c", "label", label=0, by="eve")
        journal.add("b", "undo", by="eve")
        journal.add("a", "label", label=0, by="eve")
    with Journal(path, HEAD) as journal:
        assert {page: journal.of(page).label for page in "ac"} == {"a": 0, "c": 0}  # type: ignore[union-attr]
        assert journal.of("b") is None
        assert (journal.count("label"), journal.count("skip")) == (2, 0)
        assert journal.newest().page == "a"  # type: ignore[union-attr]


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    """A killed process leaves it; what was whole stays, and the next entry begins a line of its own."""
    path = tmp_path / "journal"
    with Journal(path, HEAD) as journal:
        journal.add("a", "label", label=1)
    with path.open("ab") as file:
        file.write(b'{"page":"b","what":"la')
    with Journal(path, HEAD) as journal:
        journal.add("c", "label", label=1)
    with Journal(path, HEAD) as journal:
        assert journal.of("b") is None and journal.count("label") == 2


@pytest.mark.parametrize("content", [b"text\n", b'{"page":"a"}\n', b'{"format":"finest-labels/1"', b"[1]\n"])
def test_a_foreign_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """Whatever it is, not a byte of it changes."""
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="name another --out"), Journal(path, HEAD):
        pass
    assert path.read_bytes() == content


def test_two_labellings_do_not_mix(tmp_path: Path) -> None:
    """Other labels or other sources need another file, and so does a second process at the same time."""
    path = tmp_path / "journal"
    with Journal(path, HEAD):
        with pytest.raises(UsageError, match="is labelling into"), Journal(path, HEAD):
            pass
    with pytest.raises(UsageError, match="begun with other labels"), Journal(path, {**HEAD, "labels": ["a", "b"]}):
        pass
