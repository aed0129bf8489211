"""A real Slurm for tests: one for all workers of a test run, installed and started by `finest cluster up`.

Tests take turns at it: each has it alone, and finds it well, whatever the one before did to it. Import the fixtures
into a folder's conftest:

    from tests.cluster.real_slurm import one_slurm, slurm_cluster
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finest.cli.cluster import cluster
from finest.cluster import packages
from finest.cluster.commands import slurm
from finest.cluster.layout import Folder
from finest.errors import ClusterError

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:12]


def finest_cluster(*argv: str) -> Result:
    """`finest cluster ...`; a mistake of the product's is raised."""
    return CliRunner().invoke(cluster, argv, catch_exceptions=False)


def skip_without_slurm(*, light: bool) -> None:
    """Skip where there is no Slurm and none can be installed."""
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    missing = packages.missing(light=light)
    if missing and shutil.which("apt-get") is None:
        pytest.skip(f"not installed, and no apt-get to install it: {', '.join(missing)}")
    if missing:
        try:
            packages.install(missing, print)
        except ClusterError as error:
            pytest.skip(f"cannot be installed: {error}")


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
    with path.open("w") as file:
        fcntl.flock(file, how)
        yield file.fileno()


@pytest.fixture(scope="session")
def one_slurm() -> Iterator[Folder]:
    """The folder of the run's cluster. The worker that leaves last takes it down."""
    skip_without_slurm(light=False)
    # not below pytest's own folder, which is closed to the users munge, mysql and slurm
    folder = Folder(Path(tempfile.gettempdir()) / f"finest-slurm-{RUN}")
    users = folder.path.with_suffix(".users")
    with locked(users, fcntl.LOCK_SH) as lock:
        yield folder
        with suppress(BlockingIOError):  # somebody else still uses it
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finest_cluster("down", "--purge", "--yes", "--folder", str(folder.path))
            users.unlink()
            folder.path.with_suffix(".turn").unlink(missing_ok=True)


@pytest.fixture
def slurm_cluster(one_slurm: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """The run's cluster, up and well, for this test alone; SLURM_CONF names it."""
    with locked(one_slurm.path.with_suffix(".turn")):
        made = finest_cluster("up", "--yes", "--folder", str(one_slurm.path))
        assert made.exit_code == 0, made.output
        monkeypatch.setenv("SLURM_CONF", str(one_slurm.conf))
        yield one_slurm
        with suppress(ClusterError):  # the test may have killed the controller
            left = slurm("squeue", "-h", "-o", "%A", timeout_s=3).split()
            if left:
                slurm("scancel", "--quiet", *left)
