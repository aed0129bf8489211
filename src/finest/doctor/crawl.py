"""Check of Common Crawl: read a few bytes of a small file in the same way as a run reads WARCs."""

from __future__ import annotations

import re

from finest.doctor.subject import Subject
from finest.errors import SourceError
from finest.findings import Finding, failure, ok, warning

SMALL_FILE = "crawl-data/CC-MAIN-2025-26/warc.paths.gz"
"""A list of paths at a permanent address; about 200 kB, of which the check reads the head."""
_HEAD_BYTES = 512
_SYSTEM_WORDS = re.compile(r"\[Errno -?\d+\]([^'\")]+)")
_AWS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in .env, or remove them: HTTPS needs none"


def common_crawl(subject: Subject) -> Finding:
    """Check that Common Crawl's files can be read: over S3 if there are AWS credentials, else over HTTPS."""
    from finest.warc.places import opener_for
    from finest.warc.source import CommonCrawl, resolve
    from finest.warc.stream import Interrupted

    settings = subject.settings
    place = resolve([SMALL_FILE], CommonCrawl.of(settings))[0]
    way = "S3, with AWS credentials" if place.startswith("s3://") else "HTTPS"
    try:
        opened = opener_for(place).open(0, None, _HEAD_BYTES)
        head = opened.body.read(_HEAD_BYTES)
        opened.body.close()
    except SourceError as error:
        return failure(str(error).partition("; ")[0], _AWS if place.startswith("s3://") else f"curl -I {place}")
    except Interrupted as error:
        if error.refused:
            return warning(f"{place}: {error}; `{subject.command}` waits and retries", f"curl -I {place}")
        return failure(f"{place}: {_short(error)}", f"curl -I {settings.cc_https}/{SMALL_FILE}")
    if not head:
        return failure(f"{place} is empty", "check FINEST_CC_HTTPS and FINEST_CC_BUCKET")
    return ok(f"read over {way}")


def _short(error: Exception) -> str:
    """Extract the operating system's error message, which libraries wrap in their own."""
    said = _SYSTEM_WORDS.findall(str(error))
    return said[-1].strip() if said else str(error)[:160]
