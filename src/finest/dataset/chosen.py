"""The root over pages that an index chose, and the check that a dataset has all of them, which needs no sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.dataset import merkle
from finest.errors import VerifyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from finest.dataset.open import Dataset


def root_of(pages: Iterable[tuple[str, int, int]]) -> str:
    """Compute the Merkle root over pages (source, offset, length) in their order.

    A leaf is the three, the numbers in decimal, separated by newlines; a source's name holds none.
    """
    return merkle.root(_leaves(pages))


def _leaves(pages: Iterable[tuple[str, int, int]]) -> Iterator[bytes]:
    for name, offset, length in pages:
        yield f"{name}\n{offset}\n{length}".encode()


def check_chosen(dataset: Dataset) -> list[tuple[str, int, int]]:
    """Check that each chosen page has a verdict and no other page has one or is a row; raises VerifyError.

    Returns the pages (source, offset, length) in their order; none for a dataset of all pages.
    """
    chosen = dataset.manifest.chosen
    if chosen is None:
        return []
    verdicts = dataset.verdict_columns("file_path", "offset", "length")
    columns = (verdicts[name].to_pylist() for name in ("file_path", "offset", "length"))
    pages = list(dict.fromkeys(zip(*columns, strict=True)))  # records of one gzip member share a place
    if len(pages) != chosen.pages or root_of(pages) != chosen.root:
        raise VerifyError(
            f"{dataset.place}: its verdicts are of {len(pages):,} pages that are not the {chosen.pages:,} chosen ones: "
            f"root {root_of(pages)[:16]}..., the manifest states {chosen.root[:16]}..."
        )
    rows = dataset.row_columns("file_path", "warc_offset", "warc_length")
    columns = (rows[name].to_pylist() for name in ("file_path", "warc_offset", "warc_length"))
    if other := next(iter(set(zip(*columns, strict=True)) - set(pages)), None):
        raise VerifyError(
            f"{dataset.place}: a row is of the page at offset {other[1]} of {other[0]}, which is no chosen one"
        )
    return pages
