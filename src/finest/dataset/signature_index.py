"""The index of signatures that a dataset may have, as its manifest names it (see finest.pipeline.dedup.index)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

from finest.dataset.sources import Count, Sha256, require

FOLDER = "index"
"""The folder of the index in that of the dataset."""
MAX_BUCKETS = 1_000
DIGEST_BYTES, ROW_BYTES = 8, 4
"""Bytes of an entry in a file of digests, and in the file of rows beside it."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class IndexFile(_Model):
    """A file of the index."""

    path: str = Field(pattern=rf"^{FOLDER}/[0-9]+\.(digests|rows)$", max_length=64)
    size_bytes: Count
    sha256: Sha256


def index_path(bucket: int, kind: Literal["digests", "rows"]) -> str:
    """Return the path in the dataset's folder of a file of the index."""
    return f"{FOLDER}/{bucket:02d}.{kind}"


class SignatureIndex(_Model):
    """The index of a dataset: two files for each bucket of its recipe's MinHash; none if no page has a signature."""

    format: Literal["finest-signatures/2"] = "finest-signatures/2"
    files: Annotated[tuple[IndexFile, ...], Field(max_length=2 * MAX_BUCKETS), FailFast()]

    @property
    def buckets(self) -> int:
        return len(self.files) // 2

    @model_validator(mode="after")
    def _is_whole(self) -> SignatureIndex:
        named = [index_path(bucket, kind) for bucket in range(self.buckets) for kind in _KINDS]
        require([file.path for file in self.files] == named, "the index has not two files for each bucket, in order")
        for keys, rows in zip(self.files[::2], self.files[1::2], strict=True):
            entries, rest = divmod(keys.size_bytes, DIGEST_BYTES)
            fits = not rest and rows.size_bytes == entries * ROW_BYTES
            require(fits, f"{keys.path} and {rows.path} have different numbers of entries")
        return self


_KINDS: tuple[Literal["digests", "rows"], ...] = ("digests", "rows")
