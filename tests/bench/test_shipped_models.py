"""How the texts of the shipped models are made, and how their ablation draws."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bench.ablation import Page, Result, table, up_to
from bench.shipped_sources import Repository
from bench.shipped_texts import MAX_PIECES, MIN_CHARS, WebPage, divided, is_usable, pieces, rendered

from finest.errors import UsageError

PROSE = "The cell is the smallest unit of life, and all cells arise from other cells by division in two. " * 4


def test_pieces_are_as_long_as_asked_and_few() -> None:
    lines = [PROSE] * 20
    found = pieces("\n".join(lines), 1000)
    assert len(found) == MAX_PIECES
    assert all(1000 <= len(piece) < 1000 + len(PROSE) for piece in found)
    assert "\n".join(found) == "\n".join(lines[: len("\n".join(found).split("\n"))])
    assert pieces("short", 1000) == []


def test_a_page_is_divided_by_its_marked_text() -> None:
    """What people marked is main text; the rest is boilerplate, its short labels too."""
    menu = "<div><p>Home</p><p>Sign up for our weekly newsletter now</p></div>"
    html = f"<body>{menu}<article><p>{PROSE}</p></article></body>"
    spam, main = divided(WebPage("a.example", html, "article", PROSE))
    assert spam == "Home\nSign up for our weekly newsletter now"
    assert main.strip() == PROSE.strip()


def test_markdown_loses_its_marks() -> None:
    """A model must not learn that its good texts are Markdown."""
    text = rendered(
        '---\ntitle: "Cells"\n---\n# Cells\n\nThe **cell**{: data-type="term"} is ([\\[link\\]](#fig)) $x^2$ alive.'
        f"{PROSE}\n\n![a picture](cell.jpg)\n\n::: note\n\n- one\n"
    )
    assert "The cell is" in text
    for mark in ("**", "data-type", "link", "$", "title", "picture", ":::", "#"):
        assert mark not in text


def test_usable_texts_are_long_and_english() -> None:
    assert is_usable(PROSE)
    assert not is_usable(PROSE[: MIN_CHARS - 1])
    assert not is_usable(
        "Zellen entstehen durch die Teilung anderer Zellen und sind die kleinste Einheit des Lebens. " * 4
    )


def test_files_are_read_at_the_pinned_revision(tmp_path: Path) -> None:
    """Later commits and changes in the folder do not count."""
    copy = tmp_path / "a+b"
    copy.mkdir()
    git = ["git", "-C", str(copy), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run([*git, "init", "-q"], check=True)
    for text in ("first", "second"):
        (copy / "x.md").write_text(text)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", text], check=True)
    first = subprocess.run([*git, "rev-parse", "HEAD~1"], check=True, capture_output=True, text=True).stdout.strip()
    assert list(Repository("a/b", first, "MIT").files(tmp_path, ".md")) == [("x.md", b"first")]
    with pytest.raises(UsageError, match="a/b: revision 0000 cannot be read"):
        list(Repository("a/b", "0000", "MIT").files(tmp_path, ".md"))
    with pytest.raises(UsageError, match="git clone"):
        list(Repository("c/d", first, "MIT").files(tmp_path, ".md"))


def test_both_sides_of_the_ablation_stay_within_the_tokens() -> None:
    pages = [Page("a.example", "text", 40, {}) for _ in range(10)]
    assert sum(page.tokens for page in up_to(pages, 100)) == 80


def test_the_table_has_wider_intervals_than_its_seeds_spread() -> None:
    """With three seeds, 4.30 standard errors make a 95 % interval."""
    results = [Result(1, "edu", 0.1, "web", seed, 0.01 * seed, 0.0, 100) for seed in range(3)]
    assert table(results)[-1] == "| 1 | edu | 10% | web | +0.0100 ± 0.0248 | 100 |"
