"""Finest Data: WARC in, proven FineWeb-quality dataset out."""

import os

__version__ = "0.1.0"

# DataTrove's logs would write the values of variables, and so addresses with passwords. Loguru reads it at its import.
os.environ.setdefault("LOGURU_DIAGNOSE", "NO")
