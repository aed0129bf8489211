"""Stages of other packages: found when a recipe names them, named in plain words when they are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finest.errors import RecipeError
from finest.recipe.failure import MAX_CHARS, described
from finest.recipe.recipe import parse_recipe
from finest.recipe.stages import EXTRACTION

SHOUT = """
from finest.recipe.check import Check
from finest.recipe.stage import Column, Rules, Stage

class ShoutRules(Rules):
    enabled: bool = True
    most: float = 0.5

def run(state, rules, tools):
    share = sum(c.isupper() for c in state.text) / len(state.text)
    state.columns["upper_share"] = share
    yield Check("shout_upper", share, rules.most, share > rules.most)

STAGE = Stage(
    name="shout", section="shout", rules=ShoutRules, run=run, needs=("text", "columns"), question="Does it shout?",
    reasons={"shout_upper": "Too many capitals."}, columns=(Column("upper_share", "float64", "Share of capitals."),),
)
"""
USE = """
import json, sys
from pathlib import Path
from finest.dataset.manifest import read_manifest
from finest.pipeline.progress import Progress
from finest.pipeline.options import RunOptions
from finest.pipeline.run import refine
from finest.pipeline.verify import verify
from finest.recipe.recipe import load_recipe, parse_recipe
from finest.settings import default_cache
from finest.warc.source import CommonCrawl
import pyarrow.parquet as pq

source, out, toml = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
recipe = load_recipe(toml)
assert parse_recipe(recipe.resolved()).hash == recipe.hash
crawl = CommonCrawl("https://x", "x")
refine(RunOptions((source,), out, recipe, default_cache(), crawl), Progress(quiet=True))
manifest = read_manifest(out)
found = verify(out, default_cache(), crawl, sample=50, seed=1, sources=(source,))
assert found.is_verified, found
values = [v for shard in manifest.shards for v in pq.read_table(out / shard.path)["upper_share"].to_pylist()]
assert "`upper_share`" in (out / "README.md").read_text()
print(json.dumps({"reasons": manifest.reasons, "values": values, "recipe": manifest.recipe}))
"""


def installed(folder: Path, version: str = "1.0") -> None:
    """A distribution as pip leaves it: a module, and what its metadata says."""
    (folder / "finest_shout.py").write_text(SHOUT)
    info = folder / f"finest_shout-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: finest-shout\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[finest.stages]\nshout = finest_shout:STAGE\n")


@pytest.mark.nightly
def test_a_stage_of_another_package_drops_pages_and_fills_a_column(tmp_path: Path) -> None:
    """Its reason, its column and its origin are in the dataset, which is judged again and agrees."""
    import json

    from finest.pipeline.preflight import KNOWN_HTML
    from tests.pipeline.test_run import record

    site = tmp_path / "site"
    site.mkdir()
    installed(site)
    loud = KNOWN_HTML.replace("river", "RIVER " * 120)
    source, toml = tmp_path / "pages.warc.gz", tmp_path / "loud.toml"
    source.write_bytes(record(0, KNOWN_HTML.encode()) + record(1, loud.encode()))
    toml.write_text(
        'name = "loud"\n[shout]\nmost = 0.3\n[gopher_repetition]\nenabled = false\n[gopher_quality]\nenabled = false\n'
    )
    command = [sys.executable, "-c", USE, str(source), str(tmp_path / "out"), str(toml)]
    path = os.pathsep.join([str(site), *sys.path])
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["reasons"] == {"kept": 1, "shout_upper": 1}
    assert len(told["values"]) == 1
    assert 0 < told["values"][0] < 0.3
    assert told["recipe"]["stages"]["shout"]["distribution"] == "finest-shout"
    with pytest.raises(
        RecipeError, match=r"package finest-shout 1\.0; if you trust it: pip install finest-shout==1\.0"
    ):
        parse_recipe(told["recipe"])


def test_an_exception_in_words_gives_nothing_away() -> None:
    """One bounded line with its type and place, without secrets, folders and control characters."""
    try:
        raise ValueError("https://me:secret@host/x?token=abc /home/me/cache/a.bin \x1b[31m\n" + "x" * 5000)
    except ValueError as error:
        words = described(error, EXTRACTION)
    assert words.startswith("ValueError in stage extraction at test_installed.py:")
    assert len(words) <= MAX_CHARS
    assert not any(part in words for part in ("secret", "abc", "/home", "\x1b", "\n"))
