"""Model files from the Hub: by revision and sha256, bounded, cached; whatever a stranger put there."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.dataset.model_files import MAX_MODEL_BYTES, fetch_model, parse_model_place
from finest.devnet.hub.server import HubServer
from finest.errors import UsageError, VerifyError
from tests.devnet.hub_client import client, environment

SHA = "4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c"
WEIGHTS = bytes(range(256)) * 40
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
MAKE = f"""
result, weights = {{}}, bytes(range(256)) * 40
open("large", "wb").truncate({MAX_MODEL_BYTES + 1})
for name, files in {{
    "good": {{"edu.safetensors": weights, "model.json": b"{{}}"}},
    "two": {{"a.safetensors": weights, "b.safetensors": b"b" * 600}},
    "deep": {{"deep/a.safetensors": weights}},
    "small": {{"a.safetensors": weights[1:200]}},
    "large": {{"a.safetensors": "large"}},
}}.items():
    repo = "maker/" + name
    api.create_repo(repo, repo_type="model")
    changes = [CommitOperationAdd(path, data) for path, data in files.items()]
    if name == "small":  # git itself stores it, and the Hub states no sha256
        api.create_commit(repo, [CommitOperationDelete(".gitattributes")], commit_message="no attributes")
    result[name] = "hf:" + repo + "@" + api.create_commit(repo, changes, commit_message="model").oid
"""
FETCH = """
import json, sys
from pathlib import Path
from finest.dataset.model_files import fetch_model
from finest.errors import FinestError

def fetched(spec, sha256):
    try:
        return str(fetch_model(spec, sha256, Path("cache")).resolve())
    except FinestError as error:
        return f"{type(error).__name__}: {error}"

print(json.dumps([fetched(*one) for one in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture(scope="module")
def models(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Model repositories that the real client made: their places by name."""
    made: dict[str, str] = client(tmp_path_factory.mktemp("maker"), hub, MAKE, token=hub.add_user("maker"))
    return made


def fetch(hub: HubServer, home: Path, *wanted: tuple[str, str]) -> list[str]:
    """Run `fetch_model` in a process, for the client reads its settings once: paths, or errors."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", FETCH, json.dumps(wanted)], cwd=home, env=environment(home, hub, None, xet=False),
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    return list(json.loads(done.stdout))


@pytest.mark.nightly
def test_a_model_is_fetched_once(hub: HubServer, models: dict[str, str], tmp_path: Path) -> None:
    """By revision and sha256 into the cache; from there without a request, and again where the copy was damaged."""
    wanted = (models["good"], SHA256)
    hub.requests.clear()
    path = Path(fetch(hub, tmp_path, wanted)[0])
    assert path.read_bytes() == WEIGHTS
    seen = len(hub.requests.all())
    assert fetch(hub, tmp_path, wanted, wanted) == [str(path)] * 2 and len(hub.requests.all()) == seen
    path.write_bytes(b"damaged")
    fetch(hub, tmp_path, wanted)
    assert path.read_bytes() == WEIGHTS


def test_what_is_not_the_named_model(hub: HubServer, models: dict[str, str], tmp_path: Path) -> None:
    """Another sha256, two files, none, one without a sha256, one too large, no such revision: one line and no file."""
    hub.requests.clear()
    said = fetch(
        hub, tmp_path, (models["good"], "0" * 64), (models["two"], SHA256), (models["deep"], SHA256),
        (models["small"], SHA256), (models["large"], SHA256), (f"{models['good'][:-40]}{SHA}", SHA256),
        (f"hf:nobody/none@{SHA}", SHA256),
    )  # fmt: skip
    expected = (
        "VerifyError: .* not the 0000", "VerifyError: .* holds 2 files", "VerifyError: .* holds 0 files",
        "VerifyError: .* no sha256", "VerifyError: .* larger", "HubNotFound: .* no such revision",
        "HubNotFound: .*nobody/none",
    )  # fmt: skip
    for line, pattern in zip(said, expected, strict=True):
        assert re.fullmatch(f"{pattern}.*", line), line
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not [seen for seen in hub.requests.all() if "resolve" in seen.path], "no byte of a file was read"


def test_local_files(tmp_path: Path) -> None:
    """A path is the file itself, if it has the named sha256."""
    path = tmp_path / "edu.safetensors"
    path.write_bytes(WEIGHTS)
    assert fetch_model(str(path), SHA256, tmp_path) == path
    with pytest.raises(VerifyError, match="not the"):
        fetch_model(str(path), "0" * 64, tmp_path)
    with pytest.raises(UsageError, match="no such model file"):
        fetch_model(str(tmp_path / "none"), SHA256, tmp_path)
    with pytest.raises(UsageError, match="64 lower-case"):
        fetch_model(str(path), "main", tmp_path)


@pytest.mark.parametrize("text", ["hf:a/b", "hf:a/b@main", f"hf:../b@{SHA}", f"hf:a/b/c@{SHA}", f"hf:a/b@{SHA}\n"])
def test_what_names_no_model(text: str) -> None:
    """A branch may move, and a path may leave the cache: neither names a model."""
    with pytest.raises(UsageError):
        parse_model_place(text)
    assert str(parse_model_place(f"hf:a/b@{SHA}")) == f"a/b@{SHA}"
