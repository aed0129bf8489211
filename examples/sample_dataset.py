"""Sample a dataset with DuckDB and with Polars: its shards are plain Parquet.

    python examples/sample_dataset.py my-dataset

Needs `pip install duckdb`, and `pip install polars` for the second half.
"""

from __future__ import annotations

import sys


def with_duckdb(dataset: str) -> list[tuple[object, ...]]:
    """Five random rows."""
    import duckdb

    query = f"""
        SELECT url, token_count, replace(text[:60], chr(10), ' ') AS beginning
        FROM '{dataset}/data/*/*.parquet' USING SAMPLE 5 ROWS
    """
    return duckdb.sql(query).fetchall()


def with_polars(dataset: str) -> list[tuple[object, ...]]:
    """The five longest rows in English."""
    import polars as pl

    rows = pl.scan_parquet(f"{dataset}/data/*/*.parquet").filter(pl.col("language") == "en")
    return rows.sort("token_count", descending=True).select("url", "token_count").head(5).collect().rows()


def main(dataset: str) -> None:
    """Print both samples."""
    for row in with_duckdb(dataset):
        print(*row)
    try:
        longest = with_polars(dataset)
    except ModuleNotFoundError:
        return print("Polars is not installed; pip install polars")
    for row in longest:
        print(*row)
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
