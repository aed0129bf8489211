"""What the doctor says of chain, Hub and crawl: real clients against a devnet."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.command import command

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet

pytestmark = pytest.mark.slow


class Patient:
    """A subnet with a miner, and what `finest doctor` says of it when its environment or flags are changed."""

    def __init__(self, subnet: Subnet) -> None:
        self.subnet = subnet
        self.flags = {"--hf-repo": "alice/web", "--work": str(subnet.folder / "alice" / "finest-work")}
        names = subnet.wallets["alice"].flags
        self.flags |= dict(zip(names[::2], names[1::2], strict=True))

    def examine(self, flags: dict[str, str] | None = None, **environment: str) -> dict[str, Any]:
        """Each check by its name, and the exit status as `status`."""
        arguments = [word for pair in (self.flags | (flags or {})).items() for word in pair]
        environ = self.subnet.environment("alice") | environment
        return examined(arguments, environ, self.subnet.folder)


def examined(arguments: list[str], environ: dict[str, str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        command("doctor", "--json", *arguments),
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    said = json.loads(done.stdout)
    for check in said["checks"]:
        assert check["state"] != "failure" or check["mend"], check
    assert said["ok"] is (done.returncode == 0)
    return {check["name"]: check for check in said["checks"]} | {"status": done.returncode, "all": done.stdout}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    from finest.demo.subnet import Subnet

    with Subnet(tmp_path_factory.mktemp("subnet"), ("alice",)) as subnet:
        yield Patient(subnet)


def test_all_is_well(patient: Patient) -> None:
    """A miner on a devnet: nothing fails, and the exit status is 0."""
    found = patient.examine()
    assert found["status"] == 0, found["all"]
    for name in ("wallet", "chain", "registration", "commitment", "task-server", "subnet", "server-hotkey", "clock",
                 "hub-token", "hub-repository", "common-crawl"):  # fmt: skip
        assert found[name]["state"] == "ok", found[name]
    assert "alice/web will be made" in found["hub-repository"]["line"]
    assert "S3" in found["common-crawl"]["line"]


def test_nothing_is_configured(tmp_path: Path, cache: Path) -> None:
    """Without accounts it runs at once: what is missing is said with what mends it, and nothing secret is needed."""
    gone = "http://127.0.0.1:1"
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "FINEST_CC_HTTPS": gone, "HF_ENDPOINT": gone,
        "AWS_EC2_METADATA_DISABLED": "true", "BT_NETWORK": "ws://127.0.0.1:1", "FINEST_CACHE": str(cache),
    }  # fmt: skip
    found = examined([], environ, tmp_path)
    assert found["status"] == 1
    for name, mend in (
        ("wallet", "btcli wallet create --wallet default --wallet-hotkey default"),
        ("chain", "--subtensor.chain_endpoint"),
        ("task-server", "API_URL="),
        ("hub-token", "hf auth login"),
        ("common-crawl", "curl -I http"),
    ):
        assert found[name]["state"] == "failure", found[name]
        assert mend in found[name]["mend"]
    for name in ("registration", "subnet", "server-hotkey", "clock", "hub-repository", "commitment", "slurm"):
        assert found[name]["state"] == "skipped", found[name]


@pytest.mark.nightly
def test_the_hotkey_has_no_seat(patient: Patient) -> None:
    """A wallet that nobody registered: the command that registers it on this very subnet."""
    import bittensor as bt

    path = patient.subnet.folder / "wallets"
    bt.Wallet("carol", "default", str(path)).create_new_coldkey(use_password=False, suppress=True)
    bt.Wallet("carol", "default", str(path)).create_new_hotkey(use_password=False, suppress=True)
    found = patient.examine({"--wallet.name": "carol"})
    assert found["registration"]["state"] == "failure"
    assert found["registration"]["mend"].startswith("btcli subnets register --netuid 63 --network ws://127.0.0.1:")
    assert "--wallet carol --wallet-hotkey default" in found["registration"]["mend"]


@pytest.fixture(scope="module")
def ailing(patient: Patient) -> dict[str, Any]:
    """What one look finds where four things are wrong that have nothing to do with each other."""
    token = "hf_" + "x" * 34
    found = patient.examine(
        {"--netuid": "77", "--hf-repo": "alice/" + "w" * 50}, HF_TOKEN=token, AWS_SECRET_ACCESS_KEY="wrong" * 4,
    )  # fmt: skip
    assert token not in found["all"]
    assert patient.subnet.devnet.state.secret_key not in found["all"]
    return found


def test_another_subnet(ailing: dict[str, Any]) -> None:
    """A subnet that is not there fails with the flags to check."""
    assert ailing["chain"]["state"] == "failure"
    assert "subnet 77 does not exist" in ailing["chain"]["line"]
    assert "--netuid" in ailing["chain"]["mend"]
    assert ailing["subnet"]["state"] == "failure"
    assert ailing["subnet"]["mend"] == "finest mine --netuid 63"


def test_a_name_too_long_for_a_commitment(ailing: dict[str, Any]) -> None:
    """Fifty characters are the most; the flag that chooses another is named."""
    assert ailing["commitment"]["state"] == "failure"
    assert "--hf-repo" in ailing["commitment"]["mend"]


@pytest.mark.nightly
def test_the_hub_says_no(ailing: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    """A token that nobody has, and a repository of somebody else's; the token is never shown."""
    assert ailing["hub-token"]["state"] == "failure"
    assert "hf auth login" in ailing["hub-token"]["mend"]
    assert ailing["hub-repository"]["state"] == "skipped"
    assert elsewhere["hub-repository"]["state"] == "failure"
    assert "bob/web" in elsewhere["hub-repository"]["line"]


@pytest.mark.nightly
def test_common_crawl_over_s3_and_https(ailing: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    """Wrong credentials fail with how to set or drop them; without credentials HTTPS is tried."""
    assert ailing["common-crawl"]["state"] == "failure"
    assert "AWS_ACCESS_KEY_ID" in ailing["common-crawl"]["mend"]
    found = elsewhere["common-crawl"]
    assert (found["state"], found["line"]) == ("ok", "read over HTTPS")


@pytest.fixture(scope="module")
def elsewhere(patient: Patient) -> dict[str, Any]:
    """What is found with a wallet's own subnet and token, but another's repository, server and no credentials."""
    alice = patient.subnet.wallets["alice"].hotkey_ss58
    found = patient.examine(
        {"--hf-repo": "bob/web"}, API_HOTKEY=alice, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""
    )  # fmt: skip
    assert patient.subnet.devnet.tokens["alice"] not in found["all"]
    return found


@pytest.mark.nightly
def test_another_server_than_the_one_named(patient: Patient, elsewhere: dict[str, Any]) -> None:
    """Nothing is signed for a server that API_HOTKEY does not name."""
    found = elsewhere["server-hotkey"]
    assert found["state"] == "failure"
    assert patient.subnet.wallets["alice"].hotkey_ss58 in found["line"]
    assert "API_HOTKEY" in found["mend"]


@pytest.mark.nightly
def test_a_server_that_is_not_there(patient: Patient) -> None:
    """Nobody answers: how to look for oneself. A password in its address is refused and not shown."""
    found = patient.examine(API_URL="http://127.0.0.1:1")
    assert found["task-server"]["state"] == "failure"
    assert found["task-server"]["mend"].startswith("curl -i http://127.0.0.1:1/v1/health")
    found = patient.examine(API_URL="http://me:secret@127.0.0.1:1")
    assert found["task-server"]["state"] == "failure"
    assert "API_URL" in found["task-server"]["mend"]
    assert "secret" not in found["all"]


@pytest.mark.nightly
def test_slurm_is_asked_for(patient: Patient) -> None:
    """Without Slurm's commands they are named."""
    found = patient.examine({"--executor": "slurm"}, PATH="/nowhere")["slurm"]
    assert found["state"] == "failure"
    assert "sbatch" in found["line"]
