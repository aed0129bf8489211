"""The guides about models: their commands exist, and run by their words on the devnet."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finest.cli.model import model
from finest.devnet.hub.server import HubServer
from tests.devnet.hub_client import environment
from tests.e2e.command import command

GUIDES = Path(__file__).parents[2] / "docs" / "guides"


def commands(guide: str) -> Iterator[list[str]]:
    """The `finest model` commands in a guide's blocks, without `finest`."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("finest model"):
                yield shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize("guide", ["publish-a-model.md", "label-pages.md", "train-a-model.md"])
def test_the_commands_of_a_guide_exist(guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each parses: no flag has another name, none is missing."""
    monkeypatch.chdir(tmp_path)
    Path("prompt.txt").write_text("{text}", encoding="utf-8")
    found = list(commands(guide))
    for _, name, *arguments in found:
        model.commands[name].make_context(name, list(arguments))
    assert len(found) >= 4


@pytest.mark.nightly
def test_the_guide_to_publishing_runs(tmp_path: Path) -> None:
    """Word by word, on the devnet's Hub; with the revision that was printed in the place of the guide's."""
    rows = [
        {"text": f"{words} {number}", "label": label, "url": f"https://host{number % 30}.example/{number}"}
        for number in range(90)
        for label, words in ((1, "The cell wall is made of cellulose, lesson"), (0, "Buy now at the best price, offer"))
    ]
    pq.write_table(pa.Table.from_pylist(rows[:120]), tmp_path / "labels.parquet")
    for name in ("unseen.jsonl", "pages.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows[120:]), encoding="utf-8")
    revision, outputs = None, []
    with HubServer(tmp_path / "hub") as hub:
        env = environment(tmp_path / "home", hub, hub.add_user("alice"), xet=True)
        for words in commands("publish-a-model.md"):
            told = [re.sub(r"alice/edu@[0-9a-f]{40}", str(revision), word) for word in words]
            done = subprocess.run(
                command(*told), env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
            )
            outputs.append(done.stdout)
            if "publish" in told:
                revision = done.stdout.splitlines()[0]
    assert len(outputs) == 5 and "equal" in outputs[3]
    assert pq.read_metadata(tmp_path / "scores.parquet").num_rows == 60
