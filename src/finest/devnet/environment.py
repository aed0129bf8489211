"""The environment variables that make any program use a devnet instead of the real services."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING

from finest.devnet.bucket import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from finest.devnet.state import State

LOOPBACK = "127.0.0.1,localhost"

UNSET = (
    *("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_REGION"),
    *("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_XET_CACHE", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"),
)
"""Variables that would make a program bypass the devnet, or fail on it."""


def devnet_environment(folder: Path, state: State, token: str | None, *, s3: bool = True) -> dict[str, str]:
    """Return the variables to set. Without `s3` they contain no AWS credentials, so programs read Common Crawl over
    HTTP.
    """
    return _hub(folder, state, token) | _bucket(folder, state, s3=s3) | _chain(folder, state) | _no_proxy(os.environ)


def _hub(folder: Path, state: State, token: str | None) -> dict[str, str]:
    named = {"HF_TOKEN": token} if token else {}
    return {"HF_ENDPOINT": state.address("hub"), "HF_HOME": str(folder / "hf-home"), **named}


def _bucket(folder: Path, state: State, *, s3: bool) -> dict[str, str]:
    """Return the variables for the bucket.

    The paths of the credentials files point to nonexistent files, so the user's own credentials never reach the devnet.
    boto3 treats empty credentials as absent, and setting them prevents a `.env` file from supplying others.
    """
    access_key, secret_key = (state.access_key, state.secret_key) if s3 else ("", "")
    return {
        "AWS_ENDPOINT_URL": state.address("bucket"),
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ALLOW_HTTP": "true",  # obstore, like the readers of DuckDB and Polars, refuses http without it
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws" / "credentials"),
        "AWS_CONFIG_FILE": str(folder / "aws" / "config"),
        "FINEST_CC_HTTPS": state.address("crawl"),
        "FINEST_CC_BUCKET": "commoncrawl",
        "FINEST_CC_COLLINFO": f"{state.address('crawl')}/collinfo.json",
    }


def _chain(folder: Path, state: State) -> dict[str, str]:
    """Return the variables of Bittensor's SDK and `btcli`, with separate caches for the devnet: the caches identify a
    chain by its genesis.
    """
    return {
        "BT_NETWORK": state.address("chain"),
        "BT_CHAIN_ENDPOINT": state.address("chain"),
        "BITTENSOR_RUNTIME_CACHE_DIR": str(folder / "bittensor" / "runtime"),
        "BTCLI_TOKEN_SYMBOLS_CACHE": str(folder / "bittensor" / "symbols.json"),
    }


def _no_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Return NO_PROXY with loopback added: it is never behind a proxy. Existing exceptions remain."""
    before = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    after = before if LOOPBACK in before else f"{before},{LOOPBACK}".strip(",")
    return {"NO_PROXY": after, "no_proxy": after}


def as_shell(values: Mapping[str, str], shell: str) -> str:
    """Return lines for `eval` (sh) or `source` (fish)."""
    if shell == "fish":
        lines = [f"set -e {name};" for name in UNSET]
        lines += [f"set -gx {name} {_fish(value)};" for name, value in values.items()]
    else:
        lines = [f"unset {' '.join(UNSET)}"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join(lines)


def as_json(values: Mapping[str, str]) -> str:
    """Return one JSON object; null marks variables to unset."""
    return json.dumps({**dict.fromkeys(UNSET), **values}, indent=1)


def _fish(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
