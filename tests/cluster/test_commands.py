"""One Slurm command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from finest.cluster.commands import (
    CommandRefused,
    cluster_at,
    conf_value,
    environment,
    explained,
    slurm,
)
from finest.errors import ClusterError, ClusterUnavailable

UNAVAILABLE = {
    "slurm_load_jobs error: Unable to contact slurm controller (connect failure)": "slurmctld",
    'squeue: error: If munged is up, restart with --num-threads=10\nsqueue: error: Munge encode failed: Failed to '
    'connect to "/run/munge/munge.socket.2": Connection refused\nsqueue: error: slurm_send_node_msg: auth_g_create: '
    "REQUEST_JOB_INFO has authentication error\nslurm_load_jobs error: Protocol authentication error": "munge",
    "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:127.0.0.1:6819: "
    "Connection refused\nsacct: error: Sending PersistInit msg: Connection refused\nsacct: error: Problem talking to "
    "the database: Connection refused": "slurmdbd",
    "sinfo: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\nsinfo: error: fetch_config: DNS SRV "
    "lookup failed\nsinfo: fatal: Could not establish a configuration source": "slurm.conf",
}  # fmt: skip


@pytest.mark.parametrize("complaint", UNAVAILABLE)
def test_a_dead_part_is_named(complaint: str) -> None:
    """What is down stands in the message, and waiting may help."""
    error = explained("squeue", 1, complaint)
    assert isinstance(error, ClusterUnavailable)
    assert UNAVAILABLE[complaint] in str(error)


def test_a_refusal_is_told_in_slurms_own_words() -> None:
    """The line that says why, without the program's decoration; plugins' chatter before it is left out."""
    complaint = (
        "srun: error: invalid partition specified: gpu\nsrun: error: Unable to allocate resources: Invalid name\n"
    )
    error = explained("srun", 1, complaint)
    assert isinstance(error, CommandRefused)
    assert error.said == "Unable to allocate resources: Invalid name"
    assert str(error) == f"srun failed: {error.said}"


def test_a_command_that_fails_without_a_word_has_its_exit_status() -> None:
    """No empty message."""
    assert "exit status 3" in str(explained("sbatch", 3, " \n"))


def test_a_cluster_without_accounts_is_no_dead_one() -> None:
    """No patience brings back what was never kept."""
    error = explained("sacct", 1, "Slurm accounting storage is disabled\n")
    assert isinstance(error, CommandRefused)
    assert "keeps no accounts" in str(error)


def test_variables_of_a_job_do_not_reach_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formats, filters and the job that we may be in stay out; what names the cluster and everything else stays."""
    for name in ("SLURM_ARRAY_TASK_ID", "SQUEUE_FORMAT", "SACCT_FORMAT", "SBATCH_PARTITION", "SINFO_FORMAT"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("SLURM_CONF", "/here/slurm.conf")
    monkeypatch.setenv("HF_HOME", "/there")
    found = environment()
    assert {name for name in found if name.startswith(("SLURM", "SQUEUE", "SACCT", "SBATCH", "SINFO"))} == {
        "SLURM_CONF",
        "SLURM_BITSTR_LEN",
    }
    assert found["SLURM_CONF"] == "/here/slurm.conf" and found["HF_HOME"] == "/there"


def test_a_missing_slurm_conf_is_told_at_once(tmp_path: Path) -> None:
    """Slurm's own commands would look for it for 59 s."""
    with cluster_at(tmp_path / "slurm.conf"), pytest.raises(ClusterError, match="cannot be read"):
        slurm("true")


def test_a_missing_command_comes_with_what_installs_it() -> None:
    """No traceback where Slurm is not installed."""
    with pytest.raises(ClusterError, match="apt-get install slurm-client"):
        slurm("squeue-of-no-release")


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command has a deadline."""
    monkeypatch.delenv("SLURM_CONF", raising=False)
    with pytest.raises(ClusterUnavailable, match="no answer"):
        slurm("sleep", "30", timeout_s=0.05)


def test_another_cluster_is_asked_for_a_while(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SLURM_CONF is as it was afterwards."""
    monkeypatch.delenv("SLURM_CONF", raising=False)
    with cluster_at(tmp_path):
        assert environment()["SLURM_CONF"] == str(tmp_path)
    assert "SLURM_CONF" not in os.environ


def test_slurm_conf_is_read_as_slurm_reads_it(tmp_path: Path) -> None:
    """Any case, comments left out, the last one counts; None for what is not there."""
    conf = tmp_path / "slurm.conf"
    conf.write_text("#AuthInfo=socket=/a\nAuthType=auth/munge\nauthinfo = socket=/b # mine\n")
    with cluster_at(conf):
        assert conf_value("AuthInfo") == "socket=/b"
        assert conf_value("MaxArraySize") is None
