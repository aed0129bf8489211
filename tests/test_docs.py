"""The docs say what the code does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from finest.cli import cli
from finest.dataset.rows import schema_with
from finest.recipe.recipe import load_recipe, parse_recipe, tomllib
from finest.recipe.stage import Column
from finest.where import bind, parse

DOCS = Path(__file__).parents[1] / "docs"
_spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
assert _spec and _spec.loader
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` writes, by a Python of its own: click remembers what tests called commands with."""
    folder = tmp_path_factory.mktemp("docs")
    subprocess.run([sys.executable, DOCS / "generate.py", folder], check=True)
    return folder


@pytest.mark.parametrize("page", generate.PAGES)
def test_generated_pages_are_fresh(page: str, written: Path) -> None:
    """`make docs` would change nothing."""
    assert (DOCS / page).read_text(encoding="utf-8") == (written / page).read_text(encoding="utf-8")


def test_the_recipes_in_the_docs_are_recipes() -> None:
    """Each block can be copied into a file; the one for other crawls is FineWeb's, read by the standards."""
    page = (DOCS / "concepts" / "recipe.md").read_text(encoding="utf-8")
    found = [parse_recipe(tomllib.loads(block)) for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    standard = {recipe.name: recipe for recipe in found}["fineweb-standard"]
    fineweb = load_recipe("fineweb")
    same = {"payload": fineweb.payload, "decode": fineweb.decode}
    assert standard.model_copy(update=same).resolved() | {"name": "", "description": ""} == (
        fineweb.resolved() | {"name": "", "description": ""}
    )
    assert (standard.payload.reading, standard.decode.encoding) == ("standard", "standard")


def all_commands(group: click.Group, name: str) -> list[tuple[str, click.Command]]:
    found = []
    for word, command in group.commands.items():
        found.append((f"{name} {word}", command))
        if isinstance(command, click.Group):
            found += all_commands(command, f"{name} {word}")
    return found


@pytest.mark.parametrize(("name", "command"), all_commands(cli, "finest"), ids=str)
def test_every_command_has_help_and_stands_in_the_readme(name: str, command: click.Command) -> None:
    """No command without help; none that the README does not name."""
    assert command.help
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert " ".join(name.split()[:2]) in readme
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help or parameter.name == "help", parameter


def test_the_expressions_in_the_docs_are_expressions() -> None:
    """Each --where can be copied, for a dataset with the columns that the guide names."""
    score, other = [Column(name, "int64", "") for name in ("edu", "spam", "edu_raw")], Column("page_type", "string", "")
    schema = schema_with([*score, other])
    reference = (DOCS / "reference" / "where.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `.*?` \| `(.*?)` \|", reference, re.MULTILINE)
    found = [one for page in pages() for one in re.findall(r'--where "(.*?)"', page.read_text(encoding="utf-8"))]
    assert len(rows) > 10 and len(found) > 5
    for text in (*found, *rows, *re.findall(r"```sql\n(.*?)```", reference, re.DOTALL)):
        bind(parse(text), schema)


def pages() -> list[Path]:
    return [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]


def headings(page: Path) -> set[str]:
    """The anchors of a page, as MkDocs and the usual forges make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """A relative link names a file of the project and, behind a #, one of its headings."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or anchor in headings(path), target


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs.yml names each page once; the pages made from docstrings it may name before they exist."""
    named = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)$", (DOCS.parent / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    inside = [name for name in named if not name.startswith("project/")]
    assert len(inside) == len(set(inside))
    assert {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} == set(inside)
