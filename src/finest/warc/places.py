"""Which opener reads the WARC at a location."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.warc.openers import HttpsOpener, LocalOpener, S3Opener
from finest.warc.store_openers import HubOpener, StoreOpener

if TYPE_CHECKING:
    from finest.warc.stream import Opener


def opener_for(location: str) -> Opener:
    """Return the opener for a location that `resolve` returned: an absolute path, `s3://bucket/key`, `http(s)://...` or
    another address that fsspec knows.
    """
    if location.startswith("s3://"):
        return S3Opener(location)
    if location.startswith(("https://", "http://")):
        return HttpsOpener(location)
    if "://" in location:
        return HubOpener(location) if location.startswith("hf://") else StoreOpener(location)
    return LocalOpener(location)
