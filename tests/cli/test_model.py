"""The commands `finest model`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from finest.cli import cli
from finest.errors import NO_EVIDENCE, FinestError, VerifyError
from tests.models.made import rows, written


def finest(*words: object) -> Result:
    return CliRunner().invoke(cli, ["model", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path / "labels.jsonl", rows(200))
    written(tmp_path / "held.jsonl", rows(80, seed=4, clear=0.05))
    ran = finest(
        "train", "--labels", tmp_path / "labels.jsonl", "--heldout", tmp_path / "held.jsonl", "--bits", 12,
        "--out", tmp_path / "edu.safetensors",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    return tmp_path


def test_from_labels_to_scores(folder: Path) -> None:
    """Train, look at it, score, check."""
    shown = finest("show", folder / "edu.safetensors").output
    record = json.loads((folder / "model.json").read_bytes())
    assert "AUC" in shown and record["model_sha256"] in shown and "labels.jsonl" in shown
    assert json.loads(finest("show", folder, "--json").output) == record

    scored = finest("score", folder / "edu.safetensors", folder / "held.jsonl", "--out", folder / "s.parquet")
    assert scored.exit_code == 0 and "80 documents scored by edu" in scored.output
    table = pq.read_table(folder / "s.parquet")
    assert table.column_names == ["source", "row", "id", "url", "edu", "edu_raw"]
    assert table["row"].to_pylist() == list(range(80))
    assert sum(table["edu_raw"].to_pylist()) == record["evaluation"]["sets"][0]["raw_sum"]

    assert finest("check", folder).exit_code == 0


def test_a_check_ends_with_a_status(folder: Path) -> None:
    """0 is equal, 7 is different, 75 is no evidence: scripts can tell."""
    record = json.loads((folder / "model.json").read_bytes())
    record["evaluation"]["sets"][0]["auc"]["value"] = 0.9999
    (folder / "model.json").write_text(json.dumps(record))
    assert isinstance(finest("check", folder).exception, VerifyError)
    (folder / "held.jsonl").unlink()
    assert finest("check", folder).exit_code == NO_EVIDENCE


def test_scores_are_written_whole_or_not_at_all(folder: Path) -> None:
    with (folder / "held.jsonl").open("ab") as file:
        file.write(b"{")
    ran = finest("score", folder / "edu.safetensors", folder / "held.jsonl", "--out", folder / "s.parquet")
    assert isinstance(ran.exception, FinestError) and "line 81" in str(ran.exception)
    assert not list(folder.glob("*s.parquet*")) + list(folder.glob(".*tmp"))


def test_a_missing_extra_is_one_line(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; sys.argv = ['finest', *sys.argv[1:]]\n"
        "from finest.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "model", "train", "--labels", "x.csv", "--out", "x.safetensors"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr == "finest: scipy is not installed; pip install 'finest-data[train]'\n"
