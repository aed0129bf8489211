"""Finest Data: WARC in, proven FineWeb-quality dataset out."""

__version__ = "0.1.0"
