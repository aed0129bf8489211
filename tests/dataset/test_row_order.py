"""Rows in the order of the files: whatever is out of place, or twice there, is found."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from finest.dataset.merkle import root
from finest.dataset.row_order import RowOrder
from finest.dataset.rows import Row, batch_of, digests
from finest.errors import VerifyError

from .made import row

FILE = "data/D/000_00000.parquet"
A, B = "s3://a.warc.gz", "s3://b.warc.gz"


def placed(source: str, *offsets: int, language: str = "en") -> list[Row]:
    """Different rows of a source at those offsets."""
    return [
        row(n, file_path=source, warc_offset=offset, url=f"{source} {n}", language=language)
        for n, offset in enumerate(offsets)
    ]


def ordered(*files: tuple[str, list[Row]], sources: int = 2, by_language: bool = False, batch: int = 2) -> RowOrder:
    """The order after those rows of those files, in small batches."""
    order = RowOrder(sources, by_language=by_language)
    for path, rows in files:
        for start in range(0, len(rows), batch):
            part = batch_of(rows[start : start + batch])
            order.add(path, part, digests(part))
    return order


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_rows_in_order_give_a_root_for_each_series(batch: int) -> None:
    """A series may have several files; several rows at one offset are fine; the batches do not matter."""
    first, second, third = placed(A, 0, 5, 5, 5, 9), placed(A, 9, 12), placed(B, 3)
    files = ((FILE, first), ("data/D/000_00001.parquet", second), ("data/D/001_00000.parquet", third))
    changed = [replace(one, text="other") for one in second]
    files = (files[0], (files[1][0], changed), files[2])
    found = ordered(*files, batch=batch).roots()
    assert found == {
        "data/D/000": root(digests(batch_of([*first, *changed]))),
        "data/D/001": root(digests(batch_of(third))),
    }


@pytest.mark.parametrize("batch", [1, 2, 100])
@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([*placed(A, 0, 5), *placed(A, 0, 4)[1:]], "row 2: it lies before an earlier row of its source"),
        ([*placed(A, 0), *placed(B, 0), *placed(A, 7)], f"row 2: the rows of {A} do not lie together"),
        ([*placed(A, 0, 5), placed(A, 0, 5)[1]], "row 2: the same row occurs twice"),
        ([*placed(A, 3, 3, 3), placed(A, 3)[0]], "row 3: the same row occurs twice"),
        ([*placed(A, 0), *placed(B, 0), *placed("s3://c", 0)], "row 2: rows of more than the 2 sources"),
        (placed(A, -3), "row 0: it lies before"),
        (placed(A, 1, -(2**63)), "row 1: it lies before"),
    ],
)
def test_rows_out_of_order_are_refused(rows: list[Row], says: str, batch: int) -> None:
    """A row that occurs twice cannot hide: not behind other rows of its source, nor in another file or batch."""
    with pytest.raises(VerifyError) as caught:
        ordered((FILE, rows), batch=batch)
    assert str(caught.value).startswith(f"{FILE}: {says}")


def test_a_row_cannot_be_repeated_in_another_folder() -> None:
    """Neither in the folder of another dump, nor in that of another language."""
    with pytest.raises(VerifyError, match="do not lie together"):
        ordered((FILE, placed(A, 0)), (FILE.replace("D", "E"), placed(B, 0)), (FILE.replace("D", "F"), placed(A, 0)))
    french = placed(A, 0, language="fra")
    with pytest.raises(VerifyError, match="a row in another language than deu"):
        ordered(("data/fra/D_00000.parquet", french), ("data/deu/D_00000.parquet", french), by_language=True)
    german = placed(A, 0, language="deu")
    ordered(("data/deu/D_00000.parquet", german), ("data/fra/D_00000.parquet", french), by_language=True)


def test_a_leaf_is_the_row_hash() -> None:
    """An independent computation of the root of one row."""
    rows = placed(A, 0)
    expected = hashlib.sha256(b"\0" + digests(batch_of(rows))[0]).hexdigest()
    assert ordered((FILE, rows)).roots() == {"data/D/000": expected}
