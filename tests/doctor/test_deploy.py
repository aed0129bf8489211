"""The deployment files are what their readers take them for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finest.errors import NeedsPerson, UsageError

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))


def test_there_are_three_units() -> None:
    """One for the miner, one for the task server, one for the validator."""
    assert [unit.stem for unit in UNITS] == ["finest-miner", "finest-tasks", "finest-validator"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    text = unit.read_text().replace("/opt/finest/bin/finest", sys.executable)
    copy = tmp_path / unit.name
    copy.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_not_restarted_when_a_person_is_needed(unit: Path) -> None:
    """The exit status for it is that of NeedsPerson, or that of a flag that is none."""
    (kept_down,) = re.findall(r"^RestartPreventExitStatus=(.+)$", unit.read_text(), re.MULTILINE)
    assert {str(NeedsPerson.exit_code), str(UsageError.exit_code)} <= set(kept_down.split())


def test_pm2_takes_its_file() -> None:
    """It names the three programs, stays down at 78 but not after a kill, and gives them time to end."""
    if not shutil.which("node"):
        pytest.skip("no node")
    script = f"console.log(JSON.stringify(require({json.dumps(str(DEPLOY / 'ecosystem.config.js'))})))"
    done = subprocess.run(
        ["node", "-e", script],
        env=os.environ | {"VALIDATOR_FLAGS": "--parallel 2 "},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    from finest.tasks.serve import SHUTDOWN_TIMEOUT_S

    apps = {app["name"]: app for app in json.loads(done.stdout)["apps"]}
    assert apps["finest-miner"]["args"][0] == "mine"
    assert apps["finest-tasks"]["args"][0] == "serve"
    assert apps["finest-validator"]["args"] == ["validate", "--parallel", "2"]
    for app in apps.values():
        assert {NeedsPerson.exit_code, UsageError.exit_code} <= set(app["stop_exit_codes"])
        assert 0 not in app["stop_exit_codes"]  # pm2 says 0 of a process that was killed
        assert app["kill_timeout"] > 1000 * SHUTDOWN_TIMEOUT_S


def test_compose_names_what_exists() -> None:
    """Every volume and service that is used is there, and each of our services runs a command of ours."""
    yaml = pytest.importorskip("yaml")
    from finest.cli import cli

    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert set(compose["services"]) == {"database", "tasks", "miner", "validator"}
    for name, service in compose["services"].items():
        named = {one.partition(":")[0] for one in service["volumes"] if isinstance(one, str)}
        assert named <= set(compose["volumes"]), name
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        if name != "database":
            assert service["build"]["dockerfile"] == "deploy/Dockerfile"
            assert service["command"][0] in cli.commands


def test_a_container_that_is_broken_into_has_no_key_but_its_own() -> None:
    """Each service names the variables that it reads, and mounts one hotkey, read-only, and no coldkey."""
    yaml = pytest.importorskip("yaml")
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    secret = {"POSTGRES_PASSWORD", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY"}
    allowed = {"miner": {"HF_TOKEN", "AWS_SECRET_ACCESS_KEY"}, "validator": {"WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"}}
    for name in ("tasks", "miner", "validator"):
        service = services[name]
        assert "env_file" not in service
        assert secret & set(service["environment"]) == allowed.get(name, set())
        wallet, hotkey = (service["environment"][one] for one in ("BT_WALLET", "BT_WALLET_HOTKEY"))
        mounts = [one for one in service["volumes"] if not isinstance(one, str)]
        assert {one["target"] for one in mounts} == {
            f"/wallets/{wallet}/hotkeys/{hotkey}", f"/wallets/{wallet}/coldkeypub.txt",
        }  # fmt: skip
        for one in mounts:
            assert one["type"] == "bind" and one["read_only"] and not one["bind"]["create_host_path"]
            assert one["source"].endswith(one["target"].removeprefix("/wallets"))


def test_the_image_copies_what_exists() -> None:
    """What the Dockerfile copies lies in the checkout."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert (DEPLOY.parent / name).exists(), name


def test_the_sample_of_settings_is_complete() -> None:
    """Every setting that is read stands in .env.sample."""
    from finest import settings
    from finest.chain import options

    sample = (DEPLOY.parent / ".env.sample").read_text()
    for line in (settings.__doc__ or "").splitlines():
        if found := re.match(r"    ([A-Z_]+) ", line):
            assert f"{found[1]}=" in sample
    for name in re.findall(r"\b(BT_[A-Z_]+)\b", options.__doc__ or ""):
        assert f"{name}=" in sample or name == "BT_CHAIN_ENDPOINT"
