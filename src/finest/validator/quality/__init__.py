"""Measure a dataset's quality: what a model learns from it, compared with the reference and with raw text.

`measure` takes texts and returns bits per byte and q; it is a pure function. `assess.assess` measures an open dataset
and its WARCs.
"""

from __future__ import annotations

from finest.validator.quality.paired import NoEvidence, Quality, measure

__all__ = ["NoEvidence", "Quality", "measure"]
