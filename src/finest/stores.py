"""File systems of stores that fsspec supports: `gs://...`, `az://...`, `hf://datasets/owner/name`, `hf://buckets/...`."""

from __future__ import annotations

from typing import Any

from finest.errors import UsageError
from finest.masking import masked

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def file_system(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address and the path in it; of ftp:// and sftp:// it connects to the server.

    Raises UsageError for an unsupported kind of address, and for one whose package is not installed, with its name.
    """
    from fsspec.core import url_to_fs

    scheme = address.partition("://")[0]
    try:
        files, path = url_to_fs(address)
    except ImportError as error:
        name = _PACKAGES.get(scheme, error.name or "the package that fsspec names")
        raise UsageError(f"{scheme}:// needs the package {name}; pip install {name}") from error
    except ValueError as error:
        raise UsageError(f"{masked(address)}: {masked(error)}") from error
    return files, str(path)
