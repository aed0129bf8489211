"""Signature files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finest.errors import LedgerError
from finest.pipeline.dedup.signatures import SignatureFile, write_signatures


def test_columns_and_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Rows without a signature have no value in a column, and all others have theirs."""
    signatures = [np.arange(8, dtype=np.uint64).reshape(2, 4) + np.uint64(10 * n) for n in range(3)]
    write_signatures(tmp_path / "signatures.npy", [signatures[0], None, *signatures[1:]])
    file = SignatureFile.open(tmp_path / "signatures.npy")
    assert (file.buckets, file.hashes, file.signed, file.total_rows) == (2, 4, 3, 4)
    assert file.rows().tolist() == [0, 2, 3]
    assert file.column(1, 2).tolist() == [6, 16, 26]


def test_a_damaged_signature_file_is_named(tmp_path: Path) -> None:
    """A file that is cut or is something else is an error that names it."""
    path = tmp_path / "signatures.npy"
    write_signatures(path, [np.ones((14, 8), np.uint64)])
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(LedgerError, match=r"signatures .*signatures\.npy"):
        SignatureFile.open(path)
    np.save(path, np.ones(3))
    with pytest.raises(LedgerError):
        SignatureFile.open(path)
