"""A real Slurm for tests, installed and started by `finest cluster up`, and gone when the test run is, killed or not.

A plugin of tests/conftest.py. Each worker of a run has a cluster of its own, and each test finds it well, whatever the
one before did to it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finest.cli.cluster import cluster
from finest.cluster import packages
from finest.cluster.commands import slurm
from finest.cluster.layout import Folder
from finest.cluster.loopback import require_loopback
from finest.errors import ClusterError

_TAKE_DOWN = """
cat
for folder in "$1"/*/; do "$0" -m finest.cli cluster down --purge --yes --folder "$folder"; done
rmdir "$1"
"""


def finest_cluster(*argv: str) -> Result:
    """`finest cluster ...`; a mistake of the product's is raised."""
    return CliRunner().invoke(cluster, argv, catch_exceptions=False)


def skip_without_slurm(*, light: bool) -> None:
    """Skip where there is no Slurm and none can be installed."""
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    try:
        require_loopback()
    except ClusterError as error:
        pytest.skip(str(error))
    missing = packages.missing(light=light)
    if missing and shutil.which("apt-get") is None:
        pytest.skip(f"not installed, and no apt-get to install it: {', '.join(missing)}")
    if missing:
        try:
            packages.install(missing, print)
        except ClusterError as error:
            pytest.skip(f"cannot be installed: {error}")


@pytest.fixture(scope="session")
def clusters() -> Iterator[Path]:
    """Where clusters may live: open to the users munge, mysql and slurm, as pytest's own folder is not.

    A process of its own takes down what is there when its standard input ends: with this one, however it ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="finest-slurm-"))
    folder.chmod(0o755)
    argv = ["sh", "-c", _TAKE_DOWN, sys.executable, str(folder)]
    keeper = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    yield folder
    keeper.communicate()


@pytest.fixture(scope="session")
def one_slurm(clusters: Path) -> Folder:
    """The folder of this worker's cluster."""
    skip_without_slurm(light=False)
    return Folder(clusters / "one")


@pytest.fixture
def slurm_cluster(one_slurm: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """The cluster, up and well; SLURM_CONF names it."""
    made = finest_cluster("up", "--yes", "--folder", str(one_slurm.path))
    assert made.exit_code == 0, made.output
    monkeypatch.setenv("SLURM_CONF", str(one_slurm.conf))
    yield one_slurm
    with suppress(ClusterError):  # the test may have killed the controller
        left = slurm("squeue", "-h", "-o", "%A", timeout_s=3).split()
        if left:
            slurm("scancel", "--quiet", *left)


@pytest.fixture
def own_folder(clusters: Path) -> Iterator[Folder]:
    """A folder of its own for a light cluster, taken down at the end."""
    skip_without_slurm(light=True)
    folder = Folder(Path(tempfile.mkdtemp(prefix="light-", dir=clusters)))
    yield folder
    finest_cluster("down", "--purge", "--yes", "--folder", str(folder.path))
