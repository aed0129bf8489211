"""The devnet's commands, and the product on it: unmodified, told by its environment alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.cli import cli
from finest.devnet.crawl import warc_key
from finest.devnet.devnet import Devnet
from tests.e2e.command import command, finest, manifest, root

pytest.importorskip("nanio")


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """Bucket, its files over HTTP, and the Hub."""
    with Devnet(tmp_path_factory.mktemp("devnet"), services=("bucket", "crawl", "hub")) as made:
        yield made


@pytest.fixture(scope="module")
def refined(devnet: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WARC of the devnet's crawl, refined over S3."""
    out = tmp_path_factory.mktemp("refined") / "out"
    finest("refine", warc_key(0), "--out", out, "--workers", 1, "--quiet", env=devnet.process_environment())
    return out


def services(folder: Path) -> dict[str, dict[str, object]]:
    done = finest("devnet", "status", "--folder", folder, "--json", check=False)
    found: dict[str, dict[str, object]] = json.loads(done.stdout)["services"]
    assert done.returncode == (0 if all(one["up"] for one in found.values()) else 1)
    return found


@pytest.mark.nightly
def test_up_status_env_down(tmp_path: Path) -> None:
    """A devnet outlives the terminal that started it, is found again by its folder, and ends when told."""
    folder = tmp_path / "devnet"
    try:
        up = subprocess.run(
            command("devnet", "up", "--folder", folder),
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            start_new_session=True,
        )
        assert f'eval "$(finest devnet env --folder {folder})"' in up.stdout, up.stderr
        found = services(folder)
        assert up.returncode == (0 if found["chain"]["up"] else 1)
        assert {name for name, one in found.items() if not one["up"]} <= {"chain"}
        for one in found.values():
            assert str(one["address"]) in up.stdout
        again = finest("devnet", "up", "--folder", folder, check=False)
        assert services(folder) == found
        assert "was already up" in again.stdout or not found["chain"]["up"]

        os.kill(int(str(found["hub"]["pid"])), signal.SIGKILL)
        time.sleep(0.2)
        assert services(folder)["hub"]["problem"] == "killed, or ended without output"
        assert "not up: hub" in finest("devnet", "env", "--folder", folder).stderr
    finally:
        down = finest("devnet", "down", "--folder", folder, "--delete")
    assert down.stdout.startswith("stopped: bucket, crawl")
    assert not folder.exists()


@pytest.mark.nightly
def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """No devnet: one line that says how to start one; nothing to stop is no failure."""
    for verb in ("status", "env"):
        done = finest("devnet", verb, "--folder", tmp_path / "none", check=False)
        assert (done.returncode, "start one with `finest devnet up`" in done.stderr) == (10, True)
    assert finest("devnet", "down", "--folder", tmp_path / "none").stdout == "nothing was running\n"


@pytest.mark.nightly
def test_env_is_what_programs_need(devnet: Devnet) -> None:
    """The shell's lines and the JSON say the same as Python."""
    told = json.loads(finest("devnet", "env", "--folder", devnet.folder, "--json").stdout)
    assert {name: value for name, value in told.items() if value is not None} == devnet.environment()
    lines = finest("devnet", "env", "--folder", devnet.folder, "--no-s3").stdout.splitlines()
    assert f"export HF_ENDPOINT={devnet.hub.endpoint}" in lines
    assert "export AWS_SECRET_ACCESS_KEY=''" in lines


@pytest.mark.nightly
def test_refine_gives_equal_roots_both_ways(devnet: Devnet, refined: Path, tmp_path: Path) -> None:
    """A Common Crawl path is read over S3 with credentials and over HTTP without, and the dataset is the same."""
    devnet.crawl.forget()
    over_http = tmp_path / "http"
    env = devnet.process_environment(s3=False)
    finest("refine", warc_key(0), "--out", over_http, "--workers", 1, "--quiet", env=env)
    assert {one.path for one in devnet.crawl.requests()} == {f"/{warc_key(0)}"}
    assert root(over_http) == root(refined)
    finest("verify", over_http, "--sample", 8, env=env)


PUBLISHED = """
import sys
from datasets import load_dataset
rows = load_dataset(sys.argv[1], revision=sys.argv[2], split="train")
print(rows.num_rows, len(set(rows["id"])))
"""


@pytest.mark.skipif("publish" not in cli.commands, reason="nothing publishes yet")
@pytest.mark.nightly
def test_refine_publish_load_verify(devnet: Devnet, refined: Path, tmp_path: Path) -> None:
    """From WARC to a dataset that others load and prove, through the Hub's own clients."""
    pytest.importorskip("datasets")
    env = devnet.process_environment()
    sha = finest("publish", refined, "--hf_repo", "crawl", env=env).stdout.strip().splitlines()[-1]
    assert len(sha) == 40
    loaded = subprocess.run(
        [sys.executable, "-c", PUBLISHED, "devnet/crawl", sha],
        check=False,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert loaded.returncode == 0, loaded.stderr
    rows, ids = map(int, loaded.stdout.split())
    assert rows == ids == manifest(refined)["rows"]
    finest("verify", f"devnet/crawl@{sha}", "--sample", 8, env=env)
    stranger = finest("publish", refined, "--hf_repo", "crawl", env={**env, "HF_TOKEN": "hf_wrong"}, check=False)
    assert stranger.returncode == 8
