"""Is a data set good? What a model learns from it, beside what it learns from the reference and from raw text.

`measure` takes texts and gives bits per byte and q: pure. `assess.assess` does it for an open data set and its WARCs.
"""

from __future__ import annotations

from finest.validator.quality.paired import NoEvidence, Quality, measure

__all__ = ["NoEvidence", "Quality", "measure"]
