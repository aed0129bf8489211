"""The tracks: how much of what `fineweb` keeps a submission keeps.

Stricter recipes are better text and less of it, so that recipes of different yield cannot be compared by quality alone.
Within a track all train on equally many tokens, and each has at least that many.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Track:
    """A track and its band of yields: the submission's tokens as a share of the tokens that `fineweb` keeps."""

    percent: int
    """The track's name, as in `--track 20`."""

    @property
    def least(self) -> float:
        """The smallest share: four fifths of the track's."""
        return 0.8 * self.percent / 100

    @property
    def most(self) -> float:
        """The largest share: five fourths of the track's."""
        return 1.25 * self.percent / 100

    def holds(self, share: float) -> bool:
        """Return whether a submission with this yield is in the track."""
        return self.least <= share <= self.most


TRACKS = {percent: Track(percent) for percent in (5, 20, 60)}
"""About the yields of the strictest published selections, of FineWeb-Edu, and of a light filter. The bands do not meet,
so a submission belongs to one track."""
