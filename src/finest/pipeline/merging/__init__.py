"""Merge finished datasets of different WARC files into one: `finest merge`."""
