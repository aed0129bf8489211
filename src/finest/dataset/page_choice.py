"""The choice of some pages of a crawl: what chose them, their number, and the root over them.

It imports neither NumPy nor Arrow, which start threads: a verdict's process reads its subject before it is confined.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_CHARS = 4096
"""Equal to that of finest.where, which imports Arrow; a test compares the two."""


class PageChoice(BaseModel):
    """The only pages of the sources that were read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    where: str = Field(min_length=1, max_length=MAX_CHARS)
    """The expression that chose them of the crawl's index."""
    root: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Merkle root over them, in the order of sources and offsets (finest.dataset.chosen.root_of)."""
    pages: int = Field(ge=1, lt=2**63)
