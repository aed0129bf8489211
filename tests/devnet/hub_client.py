"""Real clients against the devnet's Hub: a script in its own process, for clients read the environment once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import requests

from finest.devnet.hub.server import HubServer

CLIENT_S = 100
HEAD = """
import hashlib, io, json, os, sys
import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, HfFileSystem
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError
api, REPO = HfApi(), "alice/rows"

def sha256(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()

def refused(call, *args, **options):
    try:
        call(*args, **options)
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        return [type(error).__name__, status]
    return ["no error", None]
"""
TAIL = '\nprint("\\nRESULT " + json.dumps(result))\n'


def environment(home: Path, hub: HubServer, token: str | None, *, xet: bool) -> dict[str, str]:
    """What the client is told; nothing of this machine's own settings but PATH."""
    told = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "HF_XET_CLIENT_AC_MAX_UPLOAD_CONCURRENCY": "2",
        "HF_XET_DATA_MAX_CONCURRENT_FILE_INGESTION": "1",
    }
    if token:
        told["HF_TOKEN"] = token
    if not xet:
        told["HF_HUB_DISABLE_XET"] = "1"
    return told


def client(
    home: Path,
    hub: HubServer,
    script: str,
    *,
    token: str | None = None,
    xet: bool = False,
    python: str = sys.executable,
) -> Any:
    """Run a script of `huggingface_hub` calls in `home`; what it left in `result`."""
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [python, "-c", HEAD + textwrap.dedent(script) + TAIL],
        cwd=home,
        env=environment(home, hub, token, xet=xet),
        capture_output=True,
        text=True,
        timeout=CLIENT_S,
        check=False,
    )
    marked = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert done.returncode == 0 and marked, f"rc {done.returncode}\n{done.stdout}\n{done.stderr[-4000:]}"
    return json.loads(marked[-1].removeprefix("RESULT "))


def ask(hub: HubServer, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
    """One request without any client's help; redirects are not followed."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = path if path.startswith("http") else hub.endpoint + path
    headers |= options.pop("headers", {})
    return requests.request(method, address, headers=headers, timeout=60, allow_redirects=False, **options)


def lines(*operations: tuple[str, dict[str, Any]]) -> bytes:
    """The body of a commit."""
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in operations)
