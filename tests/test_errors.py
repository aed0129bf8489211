"""Errors of the operating system in plain words."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

import pytest

from finest.errors import plain_os_error


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_where_a_folder_should_be(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        (tmp_path / "file" / below).mkdir(parents=True)
    assert plain_os_error(caught.value, tmp_path).startswith(f"a file is in the way at {tmp_path}/file")


def test_a_folder_of_another_user(tmp_path: Path) -> None:
    """The folder that refuses is named with its owner, its mode and what gives access to it."""
    tmp_path.chmod(0o555)
    me = pwd.getpwuid(os.geteuid()).pw_name
    said = plain_os_error(PermissionError(errno.EACCES, "Permission denied", f"{tmp_path}/a/b"), tmp_path)
    assert said == (
        f"Permission denied at {tmp_path}/a/b: {tmp_path} belongs to {me} (dr-xr-xr-x), and you are {me}; name a "
        f"folder that is yours, or have {me} type: setfacl -m u:{me}:rwX {tmp_path}"
    )
    said = plain_os_error(OSError(errno.EROFS, "Read-only file system", str(tmp_path)), tmp_path)
    assert "mounted for reading only; name a folder on another one" in said
