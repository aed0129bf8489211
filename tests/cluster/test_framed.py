"""What other people wrote into Slurm, on a real one: it is told apart from what Slurm says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from finest.cluster.commands import slurm
from finest.cluster.framed import delimited, records
from finest.cluster.jobs import accounts, queue
from finest.cluster.layout import Folder
from finest.cluster.nodes import nodes, partitions
from finest.errors import ClusterError
from finest.executors.slurm.units import cancel, stage_in, stages, submitted
from tests.cluster.waiting import submit, wait_for

RUN = "finest-web-0123456789ab"
TEXTS = [
    "a\nb", "a|b|c\"'", '{"a":\n "b|c"}', "\n\n", f"{RUN}/slices\nx", "7|7|PENDING|None||x|y", "\x1b[31m\t\u00e9\u2603",
    "%F%k|",
]  # fmt: skip
"""Comments and names of jobs as users, plugins and cheats write them."""


@pytest.fixture
def wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a site's wrappers, in front of Slurm's own commands."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def wrap(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_words_of_other_jobs_break_nothing(slurm_cluster: Folder) -> None:
    """Whatever stands in comments and names, each job is one record with its own words, and the run finds its own."""
    later = "--begin=now+1hour"
    said = {submit("true", later, f"--comment={text}", f"--job-name=n{text}"): text for text in TEXTS}
    ours = submit("true", later, "--array=0-1", f"--comment={RUN}/slices", f"--job-name={RUN}-slices")
    replaced = submit("true", later, "--comment=by the site", f"--job-name={RUN}-dataset")
    found = {row.job: row for row in queue()}
    assert set(found) >= {*said, ours, replaced}
    for job, text in said.items():
        assert found[job].comment == text
        assert stage_in(found[job], RUN) is None
    assert stages(RUN) == {"slices": ours, "dataset": replaced}
    assert submitted(RUN, "slices") == ours
    assert cancel(RUN) == [ours, replaced]
    wait_for(lambda: stages(RUN) == {})
    assert {row.job for row in queue()} >= set(said)
    assert {row.job for row in accounts([*said])} <= set(said)


def test_a_drain_reason_of_many_lines(slurm_cluster: Folder) -> None:
    """The node is one node, and its reason one line."""
    (node,) = nodes()
    slurm("scontrol", "update", f"nodename={node.name}", "state=DRAIN", "reason=disk\nvm|main|idle|1|1|none\nfull | x")
    try:
        (drained,) = nodes()
        assert (drained.name, drained.is_usable) == (node.name, False)
        assert drained.reason == "disk vm|main|idle|1|1|none full | x"
        assert len(partitions()) == 1
    finally:
        slurm("scontrol", "update", f"nodename={node.name}", "state=RESUME")


def test_a_banner_around_an_answer(slurm_cluster: Folder, wrapped: Path) -> None:
    """What a site's wrapper prints before and after is nobody's record."""
    job = submit("true", "--begin=now+1hour", "--comment=own")
    for name in ("squeue", "sinfo", "sacct"):
        real = next(path for path in ("/usr/bin", "/usr/local/bin") if Path(path, name).exists())
        wrap(wrapped, name, f'echo "Welcome | 7|8"; echo 42; {real}/{name} "$@"; code=$?; echo bye; exit $code')
    assert [row.comment for row in queue([job])] == ["own"]
    assert len(nodes()) == 1
    wait_for(lambda: {row.job for row in accounts([job])} == {job})


def test_an_answer_that_cannot_be_read_cancels_all_the_same(slurm_cluster: Folder, wrapped: Path) -> None:
    """A queue that lies: the run's jobs are cancelled by their names, nobody else's, and the error is one line."""
    later = "--begin=now+1hour"
    mine = submit("true", later, f"--comment={RUN}/slices", f"--job-name={RUN}-slices")
    other = submit("true", later, "--job-name=other")
    # the fields of the format, their percent signs gone, are a record that says nothing
    wrap(wrapped, "squeue", 'for one; do last="$one"; done; printf "%s\\n" "$last" | tr -d "%"')
    with pytest.raises(ClusterError, match=r"^the output of squeue is not Slurm's"):
        cancel(RUN, ("slices", "dataset"))
    (wrapped / "squeue").unlink()
    wait_for(lambda: mine not in {row.job for row in queue()})
    assert other in {row.job for row in queue()}


def test_too_few_fields_are_an_error(wrapped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No record is guessed from a part of one."""
    monkeypatch.delenv("SLURM_CONF", raising=False)
    wrap(wrapped, "sinfo", 'printf "%s" "$3" | sed "s/|.*>/>/"')
    wrap(wrapped, "sacct", 'printf "1%s" "$3" | sed "s/--delimiter=//"')
    with pytest.raises(ClusterError, match="sinfo"):
        records("sinfo", fields=("%a", "%b", "%c"), timeout_s=10)
    with pytest.raises(ClusterError, match="sacct"):
        delimited("sacct", fields=("JobID", "State"), timeout_s=10)
    assert json.dumps(records("true", fields=("%a",), timeout_s=10)) == "[]"
