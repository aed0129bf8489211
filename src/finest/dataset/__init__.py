"""Finished datasets: their format, and how to write, publish, open and check them.

A dataset consists of Parquet shards (shards.py) of rows with hashes (rows.py) and a manifest (manifest.py), whose
Merkle root (merkle.py) commits to every row. publish.py sends a dataset to the Hub as one revision. open.py opens any
dataset without downloading it. Files from others are untrusted, so a separate process decodes them (reader.py) within
limits (limits.py, meter.py).
"""
