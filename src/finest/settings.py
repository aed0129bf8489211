"""Settings: flags override the environment and `.env`, which override the defaults.

    FINEST_CACHE       folder for data built once per machine (default: $XDG_CACHE_HOME/finest or ~/.cache/finest)
    FINEST_CC_HTTPS    base address of Common Crawl's files, read without AWS credentials (default:
                       https://data.commoncrawl.org; a mirror may be at any address that fsspec knows)
    FINEST_CC_BUCKET   S3 bucket with the same files, used if there are AWS credentials (default: commoncrawl)
    FINEST_CC_COLLINFO list of Common Crawl's crawls (default: https://index.commoncrawl.org/collinfo.json)
    API_URL            address of the task server, for miners and validators
    API_HOTKEY         hotkey of the task server, for which requests are signed (default: the one it states)
    DATABASE_URL       database of a task server's state (default: sqlite:///finest-tasks.db)

AWS credentials are boto3's own: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rest, from `.env`, the environment
or ~/.aws. `.env` is read from the current folder.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import load_dotenv

from finest.errors import UsageError

CC_HTTPS = "https://data.commoncrawl.org"
CC_BUCKET = "commoncrawl"
CC_COLLINFO = "https://index.commoncrawl.org/collinfo.json"
DATABASE_URL = "sqlite:///finest-tasks.db"
_KNOWN = ("FINEST_CACHE", "FINEST_CC_HTTPS", "FINEST_CC_BUCKET", "FINEST_CC_COLLINFO")
MISSPELT = 0.85
"""Similarity (`difflib`) from which a name counts as a misspelt one: FINEST_CASH does, FINEST_CACHE_PORT, which
Kubernetes sets for a service of that name, does not."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings from the environment, with defaults filled in."""

    cache: Path
    cc_https: str = CC_HTTPS
    cc_bucket: str = CC_BUCKET
    cc_collinfo: str = CC_COLLINFO
    api_url: str | None = None
    api_hotkey: str | None = None
    database_url: str = field(default=DATABASE_URL, repr=False)
    """The database address, which may contain a password."""


def default_cache() -> Path:
    """Return the default cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finest"


def _refuse_misspelt() -> None:
    """Other FINEST_ variables are none of ours: orchestrators and scripts set such names for their own use."""
    for key in sorted(os.environ):
        meant = difflib.get_close_matches(key, _KNOWN, n=1, cutoff=MISSPELT) if key.startswith("FINEST_") else []
        if meant and meant[0] != key:
            raise UsageError(f"unknown setting {key} in the environment or .env: did you mean {meant[0]}?")


def load_settings() -> Settings:
    """Read `.env` and the environment; raises UsageError for a variable whose name is a misspelt setting's."""
    load_dotenv(".env")
    _refuse_misspelt()
    env = os.environ.get
    return Settings(
        cache=Path(env("FINEST_CACHE") or default_cache()),
        cc_https=(env("FINEST_CC_HTTPS") or CC_HTTPS).rstrip("/"),
        cc_bucket=env("FINEST_CC_BUCKET") or CC_BUCKET,
        cc_collinfo=env("FINEST_CC_COLLINFO") or CC_COLLINFO,
        api_url=(env("API_URL") or "").rstrip("/") or None,
        api_hotkey=env("API_HOTKEY") or None,
        database_url=env("DATABASE_URL") or DATABASE_URL,
    )
