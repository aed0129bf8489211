"""The proof that a row belongs to a dataset: two short paths, from the row's hash to the root of its series and from
there to the dataset's root.

    proof = prove(dataset, 12)
    proof.holds(row_hash, root)        # True, for whoever has the row and the root that is on the chain
"""

from __future__ import annotations

import base64
import binascii
from itertools import accumulate
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from finest.dataset.merkle import proof, series_leaf, series_of, verify_proof

if TYPE_CHECKING:
    from finest.dataset.open import Dataset

_HASH_BYTES = 32
_MAX_PATH = 4 * 64 * _HASH_BYTES // 3


class RowProof(BaseModel):
    """A proof of one row; at most 2 kB of JSON for a dataset of up to 2**32 rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    row: int = Field(ge=0)
    """Number of the row in its series."""
    rows: int = Field(ge=1)
    """Rows of the series."""
    series_root: str = Field(pattern=r"^[0-9a-f]{64}$")
    series: int = Field(ge=0)
    """Number of the series in the dataset."""
    all_series: int = Field(ge=1)
    """Series of the dataset."""
    row_path: str = Field(max_length=_MAX_PATH)
    """The hashes beside the row's way to the root of its series, 32 bytes each, in base64 without a separator."""
    series_path: str = Field(max_length=_MAX_PATH)
    """The hashes beside the series' way to the dataset's root."""

    def holds(self, row_hash: str, root: str) -> bool:
        """Return whether this proves that a row with this hash is in the dataset with this root (64 hex digits each).

        A malformed proof or hash proves nothing, and raises no error.
        """
        try:
            leaf, paths = bytes.fromhex(row_hash), (_hashes(self.row_path), _hashes(self.series_path))
        except (ValueError, binascii.Error):
            return False
        top = series_leaf(self.series_root, self.rows)
        return (
            len(leaf) == _HASH_BYTES
            and verify_proof(self.series_root, leaf, self.row, self.rows, paths[0])
            and verify_proof(root, top, self.series, self.all_series, paths[1])
        )


def prove(dataset: Dataset, number: int) -> RowProof:
    """Return the proof of a row by its number in the dataset; reads the hashes of the rows of its series.

    Raises IndexError if there is no such row; VerifyError if a file cannot be read.
    """
    manifest = dataset.manifest
    if not 0 <= number < manifest.rows:
        raise IndexError(f"rows are numbered 0 to {manifest.rows - 1}")
    by_series = {name: [one for one in manifest.shards if series_of(one.path) == name] for name in manifest.roots}
    counts = [sum(shard.rows for shard in shards) for shards in by_series.values()]
    firsts = [0, *accumulate(counts)]
    at = next(place for place, end in enumerate(firsts[1:]) if number < end)
    name = list(by_series)[at]
    hashes = dataset.row_columns("row_hash", files=by_series[name])["row_hash"].to_pylist()
    tops = [series_leaf(root, rows) for root, rows in zip(manifest.roots.values(), counts, strict=True)]
    return RowProof(
        row=number - firsts[at], rows=counts[at], series_root=manifest.roots[name], series=at, all_series=len(counts),
        row_path=_packed(proof([bytes.fromhex(one) for one in hashes], number - firsts[at])),
        series_path=_packed(proof(tops, at)),
    )  # fmt: skip


def _packed(path: list[bytes]) -> str:
    return base64.b64encode(b"".join(path)).decode()


def _hashes(packed: str) -> list[bytes]:
    """Return the hashes of a path; raises ValueError if these are not whole hashes."""
    data = base64.b64decode(packed, validate=True)
    if len(data) % _HASH_BYTES:
        raise ValueError("not a whole number of hashes")
    return [data[start : start + _HASH_BYTES] for start in range(0, len(data), _HASH_BYTES)]
