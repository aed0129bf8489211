"""Bad input and a person's mistakes: one clear line, never a traceback."""

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from finest.cli import main
from tests.e2e.command import SAMPLE, environment, finest, manifest, root


class Refused(Protocol):
    def __call__(self, status: int, *arguments: object, says: str) -> None: ...


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command in this process, whose imports are paid for, and checks its exit status and its few lines."""

    def check(status: int, *arguments: object, says: str) -> None:
        monkeypatch.setattr(sys, "argv", ["finest", *map(str, arguments)])
        monkeypatch.setattr(atexit, "register", lambda function: function)
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])  # the command leaves pandas out of its own process
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr().err
        assert ended.value.code == status, said
        assert says in said
        assert len(said.strip().splitlines()) <= 4, said

    return check


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("empty.warc.gz", b"", "empty"), ("page.warc.gz", b"<!DOCTYPE html><html></html>", "page.warc.gz")],
)
def test_not_a_warc(name: str, content: bytes, says: str, tmp_path: Path, refused: Refused) -> None:
    """An empty file and a web page are named and refused."""
    (tmp_path / name).write_bytes(content)
    refused(3, "refine", tmp_path / name, "--out", tmp_path / "out", says=says)


def test_missing_file(tmp_path: Path, refused: Refused) -> None:
    """A source that is not there is named."""
    refused(3, "refine", tmp_path / "no.warc.gz", "--out", tmp_path / "out", says="no.warc.gz")


def test_no_such_recipe(tmp_path: Path, refused: Refused) -> None:
    """The shipped recipes are listed."""
    refused(4, "refine", SAMPLE, "--out", tmp_path / "out", "--recipe", "fineweb2", says="fineweb, finest")


def test_wrong_key_in_a_recipe(tmp_path: Path, refused: Refused) -> None:
    """The key is named."""
    (tmp_path / "r.toml").write_text('name = "x"\n[languge]\nthreshold = 1\n')
    refused(4, "recipe", "show", tmp_path / "r.toml", says="languge")


def test_wrong_model_hash(tmp_path: Path, refused: Refused) -> None:
    """A language model that is not the one that the recipe names is refused before the first page."""
    (tmp_path / "r.toml").write_text(f'name = "x"\n[language]\nmodel_sha256 = "{"0" * 64}"\n')
    refused(4, "refine", SAMPLE, "--out", tmp_path / "out", "--recipe", tmp_path / "r.toml", says="sha256")


def test_a_folder_of_other_things(tmp_path: Path, refused: Refused) -> None:
    """A folder that holds anything else is left alone."""
    (tmp_path / "thesis.tex").write_text("")
    refused(5, "refine", SAMPLE, "--out", tmp_path, says="thesis.tex")


@pytest.mark.nightly
def test_another_run_in_the_folder(tmp_path: Path, refused: Refused) -> None:
    """Another limit is another run: refused, then done with --restart."""
    out = tmp_path / "out"
    finest("refine", SAMPLE, "--out", out, "--limit", 5)
    assert sum(manifest(out)["reasons"].values()) == 5
    refused(5, "refine", SAMPLE, "--out", out, "--limit", 6, says="--restart")
    finest("refine", SAMPLE, "--out", out, "--limit", 6, "--restart")
    assert sum(manifest(out)["reasons"].values()) == 6


def test_no_run_in_the_folder(tmp_path: Path, refused: Refused) -> None:
    """status, report, why and verify say that there is nothing and how to begin."""
    for command in (["status", tmp_path], ["report", tmp_path], ["why", "x", "--in", tmp_path]):
        refused(5, *command, says="finest refine")
    refused(7, "verify", tmp_path, says="manifest.json")


def test_unknown_setting(tmp_path: Path) -> None:
    """A misspelt FINEST_ variable is an error, not silence."""
    import os

    done = finest("refine", SAMPLE, "--out", tmp_path / "o", check=False, env={**os.environ, "FINEST_CASH": "1"})
    assert done.returncode == 2
    assert "FINEST_CASH" in done.stderr


def test_no_page_of_that_name(tmp_path: Path, refused: Refused) -> None:
    """`why` says that the run has no such page."""
    out = tmp_path / "out"
    finest("refine", SAMPLE, "--out", out, "--limit", 3)
    refused(2, "why", "https://nowhere.example/", "--in", out, says="nowhere.example")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 120 KB; skipped where none may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.nightly
def test_disk_full(small_disk: Path, tmp_path: Path) -> None:
    """A full disk is said in one line; with more room the same command ends with the same root."""
    done = finest("refine", SAMPLE, "--out", small_disk / "out", "--quiet", check=False)
    assert (done.returncode, "the disk is full" in done.stderr) == (6, True), done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4, done.stderr
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    finest("refine", SAMPLE, "--out", small_disk / "out")
    finest("refine", SAMPLE, "--out", tmp_path / "roomy")
    assert root(small_disk / "out") == root(tmp_path / "roomy")


def test_no_room_for_the_output(tmp_path: Path, refused: Refused) -> None:
    """An output folder that cannot be made is one line."""
    (tmp_path / "file").write_text("")
    refused(6, "refine", SAMPLE, "--out", tmp_path / "file" / "out", says="file")


def test_a_terminal_without_the_letters(tmp_path: Path) -> None:
    """Where the output's encoding has no such character another one stands for it."""
    shown = finest("dashboard", "--work", tmp_path, env=environment(PYTHONIOENCODING="ascii", API_URL="")).stdout
    assert "No miner is running here" in shown
