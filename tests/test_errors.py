"""Errors of the operating system in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.errors import plain_os_error


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_where_a_folder_should_be(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        (tmp_path / "file" / below).mkdir(parents=True)
    assert plain_os_error(caught.value, tmp_path).startswith(f"a file is in the way at {tmp_path}/file")
