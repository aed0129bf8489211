"""A submission on the Hub, through the real client: published once, read within its limits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from finest.devnet.hub.server import HubServer
from tests.devnet.hub_client import environment

from .made import folder_of, model, recipe_text, with_model

SCRIPT = """
import json, sys
from pathlib import Path
from huggingface_hub import CommitOperationAdd, HfApi
from finest.contest.sealing import publish
from finest.contest.submission import read_submission
from finest.errors import FinestError

submission = read_submission(sys.argv[1])
first = publish(submission, "alice/better", lambda _: None)
again = publish(submission, "alice/better", lambda _: None)
api = HfApi()
Path("large").open("wb").truncate(1 << 26)
found = [str(first) == str(again), read_submission(str(first)).digest == submission.digest]
for path, data in (("own.safetensors", "large"), ("own.safetensors", b"x" * 600), ("evil.py", b"raise SystemExit")):
    oid = api.create_commit("alice/better", [CommitOperationAdd(path, data)], commit_message="changed").oid
    try:
        found.append(read_submission(f"alice/better@{oid}").digest)
    except FinestError as error:
        found.append(str(error))
    api.create_commit("alice/better", [CommitOperationAdd("own.safetensors", submission.files["own.safetensors"])],
                      commit_message="back")
print(json.dumps([*found, submission.digest]))
"""


@pytest.mark.nightly
def test_a_submission_is_published_and_read(tmp_path: Path) -> None:
    """Equal files make one commit; a model of 64 MB is refused by its size, another one by its sha256."""
    data = model()
    folder = folder_of(tmp_path / "better", recipe_text(with_model(data)), own=data)
    with HubServer(tmp_path / "hub") as hub:
        token = hub.add_user("alice")
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder)], cwd=tmp_path, capture_output=True, text=True, timeout=300,
            env=environment(tmp_path, hub, token, xet=False), check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    same, equal, large, other, evil, digest = json.loads(done.stdout.splitlines()[-1])
    assert (same, equal) == (True, True)
    assert large.startswith("own.safetensors has 67")
    assert "its sha256 is not the one in recipe.toml" in other
    assert evil == digest, "no other file is read"
