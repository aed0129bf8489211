"""A real cluster: set up, examined, hurt, mended, taken down."""

from __future__ import annotations

import json
import os
import signal
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from finest.cluster.check_health import check_health
from finest.cluster.commands import cluster_at, slurm
from finest.cluster.configuration import read_password
from finest.cluster.daemons import _keeps_step_in, _processes, began
from finest.cluster.hardware import Cgroups, this_machine
from finest.cluster.jobs import accounts, queue
from finest.cluster.layout import Folder
from finest.cluster.parts import make_folders, parts
from finest.cluster.set_up import down, up
from finest.cluster.systemd import refuse_foreign
from finest.errors import ClusterError, UsageError
from finest.findings import State
from tests.cluster.real_slurm import finest_cluster
from tests.cluster.waiting import submit, wait_for

TAKES_400_MB = "exec python3 -c 'import time; x = bytearray(400 << 20); x[::4096] = bytes(400 << 8); time.sleep(30)'"


def daemons(folder: Folder, *, light: bool = False) -> dict[str, int | None]:
    return {part.daemon.name: part.daemon.pid for part in parts(folder, light=light)}


def kill(folder: Folder, name: str, *, light: bool = False) -> None:
    pid = daemons(folder, light=light)[name]
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not began(pid))


def bring_up(folder: Folder, *, light: bool = False) -> tuple[str, ...]:
    return up(folder, light=light, agree=lambda _: True, say=print).started


class TestRealCluster:
    """Tests of the run's own cluster."""

    def test_all_is_well(self, slurm_cluster: Folder) -> None:
        """`finest cluster check` finds nothing to say, and a job ran."""
        told = finest_cluster("check", "--json")
        assert told.exit_code == 0
        found = json.loads(told.stdout)
        assert found["ok"] and {one["state"] for one in found["checks"]} == {"ok"}, told.stdout

    def test_up_twice_is_up_once(self, slurm_cluster: Folder) -> None:
        """The second time nothing is started, and the same processes run."""
        before = daemons(slurm_cluster)
        told = finest_cluster("up", "--folder", str(slurm_cluster.path))
        assert "was already up" in told.stderr
        assert told.stdout == f"export SLURM_CONF={slurm_cluster.conf}\n"
        assert daemons(slurm_cluster) == before and all(before.values())

    def test_the_cluster_is_its_machines_alone(self, slurm_cluster: Folder) -> None:
        """The password and munge's key are for their owners' eyes; the password stands in no command line."""
        password = read_password(slurm_cluster.etc / "slurmdbd.conf")
        for secret in (slurm_cluster.etc / "slurmdbd.conf", slurm_cluster.munge / "munge.key"):
            assert not stat.S_IMODE(secret.stat().st_mode) & 0o077
        for pid in daemons(slurm_cluster).values():
            assert password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()

    def test_a_job_over_its_memory_is_stopped(self, slurm_cluster: Folder) -> None:
        """What it asked for is what it gets; Slurm's defaults would let it have all."""
        job = submit(TAKES_400_MB)
        wait_for(lambda: any(one.state not in {"PENDING", "RUNNING"} for one in accounts([job]) if one.step is None))
        assert next(one.state for one in accounts([job]) if one.step is None) in {"OUT_OF_MEMORY", "FAILED"}

    def test_what_waits_for_a_failed_job_is_cancelled(self, slurm_cluster: Folder) -> None:
        """With Slurm's defaults it would wait for ever."""
        first = submit("false")
        second = submit("true", f"--dependency=afterok:{first}")
        wait_for(lambda: [one.state for one in accounts([second])] == ["CANCELLED"])  # the accounts come late
        assert not queue([second])

    def test_a_drained_node_is_seen_and_its_cure_cures(self, slurm_cluster: Folder) -> None:
        """The reason is told, and the command that is shown makes the cluster well."""
        (node,) = slurm("sinfo", "-h", "-N", "-o", "%N").split()
        slurm("scontrol", "update", f"nodename={node}", "state=DRAIN", "reason=the disk is full")
        found = check_health()
        assert found["nodes"].state is State.FAILURE and "the disk is full" in found["nodes"].line
        assert found["probe"].state is State.SKIPPED
        slurm(*(found["nodes"].mend or "").removeprefix("sudo ").split())
        wait_for(lambda: check_health()["nodes"].state is State.OK)
        assert check_health()["probe"].state is State.OK

    def test_a_drained_node_is_resumed_by_up(self, slurm_cluster: Folder) -> None:
        """This cluster is nobody else's."""
        (node,) = slurm("sinfo", "-h", "-N", "-o", "%N").split()
        slurm("scontrol", "update", f"nodename={node}", "state=DRAIN", "reason=left behind")
        assert bring_up(slurm_cluster) == ()
        assert check_health()["nodes"].state is State.OK

    def test_a_killed_slurmd_is_seen_though_its_node_is_idle(self, slurm_cluster: Folder) -> None:
        """Only the job shows it; `up` mends it."""
        kill(slurm_cluster, "slurmd")
        found = check_health()
        assert found["nodes"].state is State.OK and found["probe"].state is State.FAILURE
        assert found["probe"].mend == f"sudo finest cluster up --folder {slurm_cluster.path}"
        assert bring_up(slurm_cluster) == ("slurmd",)
        wait_for(lambda: check_health()["probe"].state is State.OK)

    @pytest.mark.parametrize(
        ("name", "check"), [("slurmctld", "controller"), ("munged", "munge"), ("slurmdbd", "database"),
                            ("mariadbd", "database")],
    )  # fmt: skip
    def test_a_killed_daemon_is_named_and_up_mends_it(self, slurm_cluster: Folder, name: str, check: str) -> None:
        """It is the one failure; nothing that would block is asked."""
        kill(slurm_cluster, name)
        told = finest_cluster("check", "--json")
        assert told.exit_code == ClusterError.exit_code
        failed = [one for one in json.loads(told.stdout)["checks"] if one["state"] == "failure"]
        assert [one["name"] for one in failed] == [check]
        assert failed[0]["mend"] == f"sudo finest cluster up --folder {slurm_cluster.path}"
        assert bring_up(slurm_cluster) == (name,)
        wait_for(lambda: all(one.state is State.OK for one in check_health().values()))

    def test_a_partition_that_is_not_there_is_told(self, slurm_cluster: Folder) -> None:
        """With those that are."""
        told = finest_cluster("check", "--partition", "nosuch")
        assert told.exit_code == ClusterError.exit_code and "there are: main" in told.stdout

    def test_a_cluster_with_a_database_is_no_light_one(self, slurm_cluster: Folder) -> None:
        """It is not turned into one behind its accounts' back."""
        with pytest.raises(ClusterError, match="--purge"):
            bring_up(slurm_cluster, light=True)


class TestLightCluster:
    """Tests of clusters without a database, each with its own."""

    def test_it_works_and_says_what_it_lacks(self, own_folder: Folder) -> None:
        """No MariaDB, no slurmdbd; all is well but for the accounts."""
        assert bring_up(own_folder, light=True) == ("munged", "slurmctld", "slurmd")
        with cluster_at(own_folder.conf):
            found = check_health()
        assert {name for name, one in found.items() if one.state is not State.OK} == {"database"}
        assert found["database"].state is State.WARNING

    def test_without_control_groups_memory_is_enforced_as_well(
        self, own_folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A container that has none: slurmd starts, and a job that takes too much is killed."""
        bare = replace(this_machine(), cgroups=Cgroups.NONE)
        monkeypatch.setattr("finest.cluster.set_up.this_machine", lambda: bare)
        bring_up(own_folder, light=True)
        with cluster_at(own_folder.conf):
            assert check_health()["memory"].state is State.OK
            job = submit(TAKES_400_MB)
            wait_for(lambda: queue([job], ended=True)[0].state not in {"PENDING", "RUNNING", "COMPLETING"})
            assert queue([job], ended=True)[0].state == "FAILED"

    def test_down_leaves_no_process_and_asks_before_jobs_die(self, own_folder: Folder) -> None:
        """Jobs included; the second time there is nothing to stop; the folder stays until it is purged."""
        bring_up(own_folder, light=True)
        before = daemons(own_folder, light=True)
        with cluster_at(own_folder.conf):
            submit("sleep 600")
            wait_for(lambda: bool(pids_in(own_folder)))
        keepers = pids_in(own_folder)
        with pytest.raises(ClusterError, match="nothing was stopped"):
            down(own_folder, purge=False, agree=lambda _: False, say=print)
        assert daemons(own_folder, light=True) == before
        told = finest_cluster("down", "--yes", "--folder", str(own_folder.path))
        assert told.stdout == "stopped: slurmd, slurmctld, munged\n"
        assert not any(began(pid or 0) for pid in (*before.values(), *keepers))
        assert "nothing was running" in finest_cluster("down", "--folder", str(own_folder.path)).stdout
        assert own_folder.conf.exists()
        finest_cluster("down", "--purge", "--folder", str(own_folder.path))
        assert not own_folder.path.exists()

    def test_jobs_of_a_dead_controller_are_not_left_behind(self, own_folder: Folder) -> None:
        """With nobody to cancel them, their processes are ended."""
        bring_up(own_folder, light=True)
        with cluster_at(own_folder.conf):
            submit("sleep 600")
            wait_for(lambda: bool(pids_in(own_folder)))
        keepers = pids_in(own_folder)
        for name in ("slurmctld", "slurmd"):
            kill(own_folder, name, light=True)
        down(own_folder, purge=False, agree=lambda _: True, say=print)
        wait_for(lambda: not any(map(began, keepers)))

    def test_what_a_daemon_died_of_is_told(self, own_folder: Folder) -> None:
        """Its last line, its log, and what to do."""
        bring_up(own_folder, light=True)
        down(own_folder, purge=False, agree=lambda _: True, say=print)
        own_folder.conf.write_text(own_folder.conf.read_text().replace("SlurmctldHost=", "SlurmctldHost=not-"))
        with pytest.raises(ClusterError, match=r"slurmctld ended: .*not a valid controller.*slurmctld\.out.*--purge"):
            bring_up(own_folder, light=True)

    def test_an_edited_slurm_conf_stays(self, own_folder: Folder) -> None:
        """Once made it is its owner's: a lower limit holds after the next `up`."""
        bring_up(own_folder, light=True)
        down(own_folder, purge=False, agree=lambda _: True, say=print)
        own_folder.conf.write_text(own_folder.conf.read_text().replace("MaxArraySize=10001", "MaxArraySize=4"))
        bring_up(own_folder, light=True)
        with cluster_at(own_folder.conf):
            assert check_health()["array-limit"].line == "3 tasks per array"


def pids_in(folder: Folder) -> list[int]:
    """Keepers of steps of that cluster."""
    return [pid for pid in _processes() if _keeps_step_in(pid, folder.spool)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets as far")
def test_a_folder_with_other_things_is_not_taken(tmp_path: Path) -> None:
    """`down --purge` would delete them."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        make_folders(Folder(tmp_path), light=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets as far")
def test_a_folder_behind_closed_doors_is_not_taken(tmp_path: Path) -> None:
    """Munge and slurm run as users of their own, who could not get there."""
    tmp_path.chmod(0o700)
    with pytest.raises(ClusterError, match="not accessible to the users"):
        make_folders(Folder(tmp_path / "inside"), light=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets as far")
def test_a_folder_that_is_no_cluster_is_not_purged(tmp_path: Path) -> None:
    """A mistyped folder is not deleted."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="was not created by"):
        down(Folder(tmp_path), purge=True, agree=lambda _: True, say=print)
    assert (tmp_path / "thesis.tex").exists()


def test_a_foreign_slurm_conf_is_not_touched(tmp_path: Path) -> None:
    """A machine that has its cluster keeps it."""
    conf = tmp_path / "slurm.conf"
    refuse_foreign(conf)
    conf.write_text("ClusterName=ours\n")
    with pytest.raises(ClusterError, match="--folder"):
        refuse_foreign(conf)
