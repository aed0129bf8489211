"""The journal: each step is written down when it is done, and never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.atomic_files import alone
from finest.errors import NeedsPerson, TaskServerError
from finest.miner.journal import (
    STEPS,
    Committed,
    Ended,
    Finished,
    Journal,
    Published,
    Refined,
    is_running,
    journals,
)
from tests.miner.world import LINE, REPO, REVISION, ROOT, WARC, task

DONE = {
    "refined": Refined(root=ROOT, rows=3, tokens=9, pages=5, size_bytes=1000),
    "published": Published(repo=REPO, revision=REVISION),
    "committed": Committed(line=LINE, block=50),
    "finished": Finished(block=99),
}


def test_each_step_follows_the_last(tmp_path: Path) -> None:
    """A journal read again says what was done, with what it made, and what comes next."""
    journal = Journal.begin(tmp_path, task(), 63)
    assert journal.record.state == "leased"
    for step in STEPS:
        assert journal.record.next_step == step
        journal.update(**{step: DONE[step]})
        again = Journal.read(journal.folder)
        assert again is not None and again.record == journal.record and again.record.state == step
    assert journal.record.next_step is None and not journal.record.open


@pytest.mark.parametrize("how", ["lost", "released", "failed"])
def test_an_ended_task_has_no_next_step(tmp_path: Path, how: str) -> None:
    """Whatever was done of it, nothing is done any more."""
    journal = Journal.begin(tmp_path, task(), 63)
    journal.update(refined=DONE["refined"], ended=Ended(how=how, why="so"))  # type: ignore[arg-type]
    assert journal.record.next_step is None and journal.record.state == how


def test_a_torn_write_leaves_the_last_state(tmp_path: Path) -> None:
    """A journal is renamed into place: half a new one beside it is not looked at, and a broken one is none."""
    journal = Journal.begin(tmp_path, task(), 63)
    (journal.folder / ".journal.json.77.tmp").write_bytes(b'{"format": "finest-ta')
    (found,) = journals(tmp_path)
    assert found.record == journal.record
    (journal.folder / "journal.json").write_bytes(b'{"format": "finest-ta')
    assert journals(tmp_path) == []


@pytest.mark.parametrize("id", ["", "..", "a/b", "/etc", "x" * 41])
def test_a_task_cannot_name_a_folder_outside(tmp_path: Path, id: str) -> None:
    """A task's id is a folder's name here."""
    with pytest.raises(TaskServerError, match="names a task"):
        Journal.begin(tmp_path, task(id), 63)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "@list.txt", "s3://bucket/key", "crawl-data/CC-MAIN-2025-26/../../x.warc.gz", "*.warc.gz"]
)
def test_a_task_cannot_name_other_files(tmp_path: Path, path: str) -> None:
    """A task server that names a file of the miner's machine is not obeyed."""
    with pytest.raises(TaskServerError, match="not a file of Common Crawl"):
        Journal.begin(tmp_path, task(warcs=[WARC.format(0), path]), 63)


def test_one_miner_a_work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is told which process works there."""
    monkeypatch.setattr("finest.atomic_files.LOCK_S", 0.0)
    assert not is_running(tmp_path)
    with alone(tmp_path, "miner"):
        assert is_running(tmp_path)
        with pytest.raises(NeedsPerson, match=r"another miner \(process \d+\) is running in"), alone(tmp_path, "miner"):
            pass
    assert not is_running(tmp_path)


def test_a_folder_that_cannot_be_written_needs_a_person(tmp_path: Path) -> None:
    """Said with what the system said."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedsPerson, match="cannot be written to"), alone(tmp_path / "file", "miner"):
        pass
