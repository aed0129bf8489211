"""Limits for opening an untrusted dataset. A dataset beyond them is refused, whatever its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.errors import VerifyError

if TYPE_CHECKING:
    from finest.dataset.manifest import Manifest

MAX_FILES = 10_000
"""Maximum data, verdict and source files of a dataset. The Hub recommends fewer per folder
(https://huggingface.co/docs/hub/storage-limits)."""
MAX_REPO_FILES = 2 * MAX_FILES
"""Maximum files and folders of a repository that are listed."""
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
"""Maximum size of a manifest; a larger file is not read. 90,000 WARC files make one of about 1 MB."""
MAX_SOURCE_FILE_BYTES = 16 * 1024 * 1024
"""Maximum size of a file with sources, packed and unpacked. A WARC in 30 slices takes about 4 kB unpacked."""
MAX_SOURCES_A_FILE = 1_000
MAX_MANIFEST_VALUES = 2_000_000
"""Maximum values in the JSON of a manifest or a file with sources."""
FREE_VALUES, BYTES_A_VALUE = 20_000, 16
"""Values that any manifest may have, and the minimum bytes for each further value. In Python a value costs 100 to 300
bytes, however short it is, so `[],[],[]` would take a hundred times its size. A slice in an honest manifest has four
values in 100 bytes, without spaces."""
MAX_KEYS = 10_000
"""Maximum keys of any one object. Pydantic keeps an error for each unknown key."""
MAX_DUMPS = 1_000
MAX_CONFIGURATIONS = 4_000
"""Maximum languages with a folder of their own; FineWeb-2 has 1,929."""
MAX_DATASET_BYTES = 2**40
"""One terabyte: the most that `--full` may ever write to a disk, even if there is room for more."""

MAX_FOOTER_BYTES = 16 * 1024 * 1024
"""Maximum size of a Parquet file's footer. A shard of 500 MB has one of about 100 kB."""
MAX_GROUPS = 20_000
"""Maximum row groups of one file, whatever it holds."""
ROWS_A_GROUP = 1_000
STORED_BYTES_A_GROUP = 512 * 1024
"""Rows and stored bytes per row group: a file may have one row group, plus one for each ROWS_A_GROUP rows and one for
each STORED_BYTES_A_GROUP bytes. Our writer ends a group at 5,000 rows or 16 MiB of them, so any two consecutive groups
together have at least that much; text that a recipe keeps is never stored in less than a sixteenth of its bytes. Each
group costs a reader of byte ranges some requests: 3,000 rows in 3,000 groups cost 6,261."""
FILE_BYTES = 250_000_000
"""Bytes per file: a dataset may have one data file (of each configuration) and one verdict file for each dump, plus
one for each SERIES_SOURCES sources and one for each FILE_BYTES of them. Our writer starts another file at 500 MB."""
SERIES_SOURCES = 64
"""Sources whose rows make one series of files. WARCs of 1 GB give about 250 MB of rows and 130 MB of verdicts then, and
a crawl of 90,000 about 1,400 series, whose files fit in a manifest of 2 MB and in the limits of the Hub."""
READS = 500
READS_A_GROUP = 16
"""Ranges that one check of a dataset may read: READS, plus READS_A_GROUP for each row group that it may have."""
READ_BYTES = 256 * 1024 * 1024
READ_TIMES = 6
"""Bytes that one check may read: READ_BYTES, plus each file READ_TIMES times."""
MAX_GROUP_BYTES = 256 * 1024 * 1024
"""Maximum bytes of a row group: as stored, as its footer states them uncompressed, and as decoded."""
MAX_COLUMN_BYTES = 256 * 1024 * 1024
"""Maximum decoded bytes of selected columns, read across a whole file."""

READER_MEMORY_BYTES = 2 * 1024**3
"""Address space of the process that decodes untrusted Parquet. Python and Arrow alone take 0.25 GB of it; a row group
of 256 MB with the hashing of its rows takes about 1.3 GB more."""
READER_CPU_S = 60
"""CPU seconds of one request to that process; an honest row group takes a fraction of one."""
READER_WALL_S = 600.0
"""Seconds without output from that process after which this machine is assumed to have a problem."""
CHECK_MEMORY_BYTES = 8 * 1024**3
CHECK_CPU_S_PER_GB = 600
"""CPU seconds per gigabyte of a full check, which reads and hashes everything. It takes 20 to 40 s a gigabyte
(measured); the limit allows for slow machines."""


def most_groups(rows: int, stored_bytes: int) -> int:
    """Return the number of row groups that a file with this many rows and bytes may have."""
    return 1 + rows // ROWS_A_GROUP + stored_bytes // STORED_BYTES_A_GROUP


def check_values(data: bytes, name: str) -> None:
    """Raise VerifyError if JSON has more values than honest JSON of its size, before it is parsed."""
    values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if values > min(MAX_MANIFEST_VALUES, FREE_VALUES + len(data) // BYTES_A_VALUE):
        raise VerifyError(f"{name}: {values} values in {len(data)} bytes, which no honest manifest has")


def check_files_few(manifest: Manifest) -> None:
    """Raise VerifyError if a dataset has more files than its dumps and bytes explain; each file costs requests."""
    sources = manifest.source_totals.sources
    if len(manifest.dumps) > sources:
        raise VerifyError(f"{len(manifest.dumps)} dumps of {sources} sources")
    if len(manifest.configurations) > max(manifest.rows, 1):
        raise VerifyError(f"{len(manifest.configurations)} configurations of {manifest.rows} rows")
    ranges = sources // SERIES_SOURCES
    of_data = len(manifest.dumps) * max(len(manifest.configurations), 1)
    for kind, series, files in (
        ("data", of_data + ranges, manifest.shards), ("verdicts", len(manifest.dumps) + ranges, manifest.verdicts),
    ):  # fmt: skip
        most = series + sum(file.size_bytes for file in files) // FILE_BYTES
        if len(files) > most:
            raise VerifyError(f"{kind}: {len(files)} files, at most {most} of so few dumps and bytes are read")
