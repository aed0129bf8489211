"""Pages of a repository's copy: HTML files of its last commit by language, English and short ones left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench import site_pages

from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect
from tests import languages_made as made


def html(language: str, seed: int) -> str:
    return f"<html><body><article>{''.join(f'<p>{one}</p>' for one in made.article(language, seed, 10))}</article>"


def clone(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    commit = ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "pages"]
    for command in (["init", "-q"], ["add", "."], commit):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return folder


def test_a_warc_for_each_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = clone(
        tmp_path / "ann+site",
        {"ü/a.html": html("de", 1), "b.htm": html("de", 2), "c.html": html("en", 3), "d.html.fr.utf8": html("fr", 4)},
    )
    two = clone(tmp_path / "bob+site", {"a.html": html("de", 5), "b.html": "<p>kurz</p>", "c.txt": html("de", 6)})
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["site_pages", str(one), str(two), "--out", str(out), "--each", "1"])
    monkeypatch.setattr(site_pages, "SIZES", range(10, 100_000))
    site_pages.main()
    assert sorted(path.name for path in out.iterdir()) == ["de.warc.gz", "fr.warc.gz", "sites.json"]
    assert json.loads((out / "sites.json").read_text())["de"] == {"ann/site": 1, "bob/site": 1}
    source = inspect(str(out / "fr.warc.gz"), "fr.warc.gz")
    records = list(read_slice(source, Slice(0, 0, 0, source.size_bytes), max_record_bytes=1 << 26))
    assert [record.url for record in records] == ["https://ann.github.io/site/d.html.fr.utf8"]
