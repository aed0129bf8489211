"""What the doctor says to a validator: real clients against a devnet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.doctor.test_world import examined

pytest.importorskip("bittensor")
pytest.importorskip("nanio")

if TYPE_CHECKING:
    from finest.demo.subnet import Subnet

pytestmark = pytest.mark.slow
NEEDED = (
    "quality-model", "memory", "room", "open-files", "wallet", "chain", "registration", "permit", "weights",
    "task-server", "subnet", "server-hotkey", "clock", "database", "hub", "common-crawl",
)  # fmt: skip


class Patient:
    """A subnet with a validator, and what is said of it when its flags or environment are changed."""

    def __init__(self, subnet: Subnet) -> None:
        self.subnet, self.work = subnet, subnet.folder / "victor" / "work"

    def examine(self, *flags: str, name: str = "victor", **environment: str) -> dict[str, Any]:
        """Each check by its name, and the exit status as `status`. There is no token of the Hub."""
        arguments = ["--validator", *self.subnet.wallets[name].flags, "--work", str(self.work), *flags]
        return examined(arguments, self.subnet.environment(name) | environment, self.subnet.folder)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    from finest.demo.subnet import Subnet

    with Subnet(tmp_path_factory.mktemp("subnet"), ("alice",)) as subnet:
        subnet.add_wallet("victor", validator=True)
        yield Patient(subnet)


@pytest.mark.nightly
def test_all_is_well(patient: Patient) -> None:
    """A validator without a token: nothing fails, nothing is made, and a miner's needs are not asked for."""
    found = patient.examine("--once", "--no-weights")  # flags of `finest validate` are taken
    assert found["status"] == 0, found["all"]
    for name in NEEDED:
        assert found[name]["state"] == "ok", found[name]
    assert "validator permit, stake 10,000 alpha, number 1 of 1" in found["permit"]["line"]
    assert "no token is needed" in found["hub"]["line"]
    assert "validator.db will be created" in found["database"]["line"]
    assert not {"hub-token", "hub-repository", "commitment", "slurm"} & found.keys()
    assert not patient.work.exists()


@pytest.mark.nightly
def test_a_seat_without_a_permit_and_a_database_that_is_away(patient: Patient) -> None:
    """What others stake is said, and the command that stakes more; when weights were set is said anyway.

    Of the database the flag is named, and the password is not.
    """
    found = patient.examine("--database", "postgresql://me:secret@127.0.0.1:1/finest", name="alice")
    assert found["permit"]["state"] == "failure"
    assert "no validator permit; stake 0 alpha; 1 permit, from 10,000 up" in found["permit"]["line"]
    assert found["permit"]["mend"].startswith("btcli stake add --netuid 63 --network ws://127.0.0.1:")
    assert found["weights"]["state"] == "ok"
    assert found["database"]["state"] == "failure"
    assert "--database" in found["database"]["mend"]
    assert "secret" not in found["all"]


@pytest.mark.nightly
def test_nothing_is_configured(tmp_path: Path, cache: Path) -> None:
    """Without anything: each failure has its command."""
    gone = "http://127.0.0.1:1"
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "FINEST_CC_HTTPS": gone, "HF_ENDPOINT": gone,
        "AWS_EC2_METADATA_DISABLED": "true", "BT_NETWORK": "ws://127.0.0.1:1", "FINEST_CACHE": str(cache),
    }  # fmt: skip
    found = examined(["--validator"], environ, tmp_path)
    failed = {name for name, one in found.items() if isinstance(one, dict) and one["state"] == "failure"}
    assert failed == {"wallet", "chain", "task-server", "hub", "common-crawl"}
    assert "HF_ENDPOINT" in found["hub"]["mend"]


def test_the_installation_alone(tmp_path: Path) -> None:
    """What an update tries before it takes over: no network, no account, no look at the machine."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "HF_ENDPOINT": "http://127.0.0.1:1"}
    found = examined(["--validator", "--installation"], environ, tmp_path)
    assert found["status"] == 0
    assert [*found][:-2] == ["python", "packages", "recipe", "compiled-core", "known-page", "quality-model"]
