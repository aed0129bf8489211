"""Limits for opening an untrusted dataset. A dataset beyond them is refused, whatever its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.errors import VerifyError

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest

MAX_FILES = 10_000
"""Data and verdict files of a dataset: the Hub asks for fewer in a folder
(https://huggingface.co/docs/hub/storage-limits)."""
MAX_REPO_FILES = 2 * MAX_FILES
"""Files and folders of a repository that are listed at all."""
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
"""A manifest of 10,000 WARC files in 20 slices each takes about 30 MB; a larger file is not read at all."""
MAX_MANIFEST_VALUES = 2_000_000
"""Values in a manifest's JSON. 10,000 WARC files in 20 slices each make about 840,000."""
FREE_VALUES, BYTES_A_VALUE = 20_000, 16
"""Values that any manifest may have, and the bytes that each further one must take. A value costs Python 100 to 300
bytes, however short it is: `[],[],[]` would take a hundred times its size. A slice of an honest manifest has four
values in 100 bytes, without a space."""
MAX_KEYS = 10_000
"""Keys of any one object. Pydantic keeps an error for each that it does not know."""
MAX_DUMPS = 1_000
MAX_DATASET_BYTES = 2**40
"""A terabyte: what `--full` may ever put on a disk, given the room."""

MAX_FOOTER_BYTES = 16 * 1024 * 1024
"""A Parquet file's footer. A shard of 500 MB has one of about 100 kB."""
MAX_GROUPS = 20_000
"""Row groups of one file, whatever it holds."""
ROWS_A_GROUP = 1_000
STORED_BYTES_A_GROUP = 512 * 1024
"""A file has at most one row group, and one more for each so many rows and for each so many bytes that it stores. Our
writer ends a group with 5,000 rows or 16 MiB of them, so that any two groups that follow each other have as much
together; text that a recipe keeps is never stored in less than a sixteenth of its bytes. Each group costs whoever
reads by ranges some requests: 3,000 rows in 3,000 groups cost 6,261."""
FILE_BYTES = 250_000_000
"""A dataset has at most one file of rows and one of verdicts for each dump, and one more for each so many bytes of
them: our writer begins another file at 500 MB."""
READS = 500
READS_A_GROUP = 16
"""Ranges that one check of a dataset may ask for: so many, and so many for each row group that it may have."""
READ_BYTES = 256 * 1024 * 1024
READ_TIMES = 6
"""Bytes that one check may ask for: so many, and each file so many times."""
MAX_GROUP_BYTES = 256 * 1024 * 1024
"""Bytes of a row group, as stored, as its footer states them uncompressed, and as they turn out to be."""
MAX_COLUMN_BYTES = 256 * 1024 * 1024
"""Bytes of single columns that are read of a whole file."""

READER_MEMORY_BYTES = 2 * 1024**3
"""Address space of the process that decodes a stranger's Parquet; Python and Arrow alone take 0.25 GB of it, a row
group of 256 MB with the hashing of its rows about 1.3 GB more."""
READER_CPU_S = 60
"""CPU seconds of one request to that process: an honest row group takes a fraction of one."""
READER_WALL_S = 600.0
"""Without a word from it for so long, something is wrong with this machine."""
CHECK_MEMORY_BYTES = 8 * 1024**3
CHECK_CPU_S_PER_GB = 600
"""A full check reads and hashes all there is: 20 to 40 s a gigabyte, measured; a bound for slow machines."""


def most_groups(rows: int, stored_bytes: int) -> int:
    """Row groups that a file of so many rows and bytes may have."""
    return 1 + rows // ROWS_A_GROUP + stored_bytes // STORED_BYTES_A_GROUP


def check_files_few(manifest: Manifest) -> None:
    """Raises VerifyError where a dataset has more files than its dumps and bytes explain: each costs requests."""
    if len(manifest.dumps) > len(manifest.sources):
        raise VerifyError(f"{len(manifest.dumps)} dumps of {len(manifest.sources)} sources")
    for kind, files in (("data", manifest.shards), ("verdicts", manifest.verdicts)):
        most = len(manifest.dumps) + sum(file.size_bytes for file in files) // FILE_BYTES
        if len(files) > most:
            raise VerifyError(f"{kind}: {len(files)} files, at most {most} of so few dumps and bytes are read")
