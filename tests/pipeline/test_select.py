"""`finest select` and `finest refine --where`: the same rows, and nobody can omit one or add one unseen."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.dataset.check_files import check_files
from finest.dataset.manifest import Manifest, read_manifest, write_manifest
from finest.dataset.open import open_dataset
from finest.dataset.parent import check_parent
from finest.dataset.rows import Row, VerdictRow
from finest.dataset.selection import Rule, Selection
from finest.errors import LedgerError, UsageError, VerifyError, WhereError
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.select import select
from finest.pipeline.verify import Verification, verify
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache
from tests.recipe.quality_model.made import model_file
from tests.validator.made import NOWHERE, Published, invented, make, tampered
from tests.validator.repeated import response, write_warc


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Two WARCs of eight good pages and two short ones; the second repeats two pages of the first."""
    folder = tmp_path_factory.mktemp("whole")
    one = write_warc(folder / "a.warc.gz", [[response(n, good=n < 8)] for n in range(10)])
    two = write_warc(folder / "b.warc.gz", [[response(n)] for n in (0, 3, *range(20, 26))])
    return make(folder / "made", [one, two])


@pytest.fixture(scope="module")
def some(whole: Published, tmp_path_factory: pytest.TempPathFactory) -> Published:
    out = tmp_path_factory.mktemp("some") / "some"
    select(str(whole.folder), where_of(whole), out)
    return Published(out, whole.warcs)


def where_of(whole: Published) -> str:
    """An expression that is true for about half of the rows."""
    urls = sorted(row.url for row in whole.rows())
    return f"url >= '{urls[len(urls) // 2]}' AND token_count >= 1"


def refined(whole: Published, out: Path, where: str | None) -> Manifest:
    options = RunOptions(
        specs=tuple(map(str, whole.warcs)), out=out, recipe=load_recipe("fineweb"), cache=default_cache(),
        common_crawl=NOWHERE, where=where,
    )  # fmt: skip
    return refine(options, Progress(quiet=True))


def verified(found: Published, parent: Path | None = None, sample: int = 64) -> Verification:
    return verify(
        found.folder, default_cache(), NOWHERE, sample=sample, seed=1, sources=list(map(str, found.warcs)),
        parent=None if parent is None else str(parent),
    )  # fmt: skip


def compare(found: Published, parent: Path) -> None:
    """The part of `finest verify --parent` that compares the two."""
    with open_dataset(str(found.folder)) as dataset, open_dataset(str(parent)) as before:
        check_parent(dataset, before)


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset, without the ledger."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "ledger" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.nightly
def test_refining_with_a_selection_equals_refining_and_selecting(
    whole: Published, some: Published, tmp_path: Path
) -> None:
    """The same files to the byte, manifest and card too: the selection applies after deduplication."""
    assert whole.manifest.reasons["duplicate"] == 2
    refined(whole, tmp_path / "refined", where_of(whole))
    assert files(tmp_path / "refined") == files(some.folder)
    assert some.manifest.reasons["duplicate"] == 2
    assert 0 < some.manifest.rows < whole.manifest.rows


def test_a_selection_is_verified_with_and_without_its_parent(whole: Published, some: Published) -> None:
    """Pages that were left out are judged again like all others."""
    found = verified(replace(some, warcs=()), whole.folder)  # the parent's ledger knows the WARCs
    assert found.is_verified and found.judged["not_selected"] > 0 and found.parent == str(whole.folder)


@pytest.mark.nightly
def test_a_selection_of_a_selection_is_verified_against_each_parent(some: Published, tmp_path: Path) -> None:
    """Each step has its own parent; the sample checks all rules."""
    select(str(some.folder), "token_count >= 1 AND url NOT LIKE '%2'", tmp_path / "fewer")
    found = verified(Published(tmp_path / "fewer", some.warcs), some.folder)
    assert found.is_verified and len(found.manifest.selections) == 2 and found.parent == str(some.folder)


def claimed(whole: Published, out: Path, rows: Sequence[Row], where: str) -> Published:
    """A selection that holds those rows and says that it was made by `where`."""
    there = Counter((row.id, row.warc_offset) for row in rows)
    verdicts: list[VerdictRow] = []
    for verdict in whole.verdicts():
        is_out = verdict.reason == "kept" and not there[verdict.id, verdict.offset]
        verdicts.append(replace(verdict, reason="not_selected") if is_out else verdict)
    old = whole.manifest
    selection = Selection(rule=Rule(where=where), parent_root=old.root, parent_rows=old.rows)
    forged = tampered(whole, out, rows, verdicts, selections=[selection])
    write_manifest(out, forged.manifest.model_copy(update={"sources": old.sources}))
    return forged


def omitted(rows: list[Row]) -> list[Row]:
    return rows[1:]


def smuggled(rows: list[Row]) -> list[Row]:
    return [replace(rows[0], text=f"{rows[0].text} Buy it now."), *rows[1:]]


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (omitted, "of the parent satisfies the selection and is missing"),
        pytest.param(smuggled, "of the parent satisfies the selection", marks=pytest.mark.nightly),
    ],
)
def test_the_parent_shows_a_row_that_was_omitted_or_altered(
    whole: Published, tmp_path: Path, attack: Callable[[list[Row]], list[Row]], said: str
) -> None:
    """Hashes, root and counts agree with each other, and not with the parent."""
    forged = claimed(whole, tmp_path / "forged", attack(whole.rows()), "token_count >= 1")
    with pytest.raises(VerifyError, match=said):
        compare(forged, whole.folder)


@pytest.mark.nightly
def test_the_parent_shows_a_row_that_was_smuggled_in(whole: Published, tmp_path: Path) -> None:
    """A row of no parent, in the place of one that the rule leaves out."""
    where = where_of(whole)
    last = max(whole.rows(), key=lambda row: row.url)
    first = min(whole.rows(), key=lambda row: row.url)
    good = [row for row in whole.rows() if row.url >= where.split("'")[1]]
    invented = replace(first, url=last.url, text="Buy it now.")
    forged = claimed(whole, tmp_path / "forged", [invented, *good], where)
    with pytest.raises(VerifyError, match=r"is not a row of the parent that satisfies the selection: url >="):
        compare(forged, whole.folder)


@pytest.mark.nightly
def test_a_row_that_does_not_satisfy_the_expression_is_found_without_the_parent(
    whole: Published, tmp_path: Path
) -> None:
    """By reading all rows, and by reading only the columns that the expression names."""
    forged = claimed(whole, tmp_path / "forged", whole.rows(), where_of(whole))
    with pytest.raises(VerifyError, match="does not satisfy the selection: url >="):
        check_files(forged.folder, forged.manifest)
    with open_dataset(str(forged.folder)) as dataset, pytest.raises(VerifyError, match="does not satisfy"):
        dataset.check_selections()


@pytest.mark.nightly
def test_an_omitted_row_is_found_without_the_parent_when_its_page_is_sampled(whole: Published, tmp_path: Path) -> None:
    """The page is kept by the recipe, and its row satisfies the expression that is said to have left it out."""
    forged = claimed(whole, tmp_path / "forged", omitted(whole.rows()), "token_count >= 1")
    with pytest.raises(VerifyError, match=r"was left out, and its row satisfies the selection: token_count >= 1"):
        verified(forged)


@pytest.mark.nightly
def test_a_dropped_page_is_no_page_that_was_left_out(whole: Published, tmp_path: Path) -> None:
    """`not_selected` of a page that the recipe drops is as wrong as any other reason."""
    verdicts = whole.verdicts()
    dropped = next(n for n, verdict in enumerate(verdicts) if verdict.reason not in ("kept", "duplicate"))
    verdicts[dropped] = replace(verdicts[dropped], reason="not_selected")
    old = whole.manifest
    selection = Selection(rule=Rule(where="token_count >= 1"), parent_root=old.root, parent_rows=old.rows + 1)
    forged = tampered(whole, tmp_path / "forged", whole.rows(), verdicts, selections=[selection])
    with pytest.raises(VerifyError, match="is 'not_selected' in the dataset, but judged again"):
        verified(forged)


@pytest.mark.nightly
def test_another_dataset_is_not_the_parent(whole: Published, some: Published, tmp_path: Path) -> None:
    """Neither one with another root, nor one whose files are not those of its root."""
    with pytest.raises(VerifyError, match="is not the parent: its root is"):
        compare(some, some.folder)
    with pytest.raises(VerifyError, match="is no selection of another dataset"):
        compare(whole, some.folder)
    first, *others = whole.rows()
    copy = tampered(whole, tmp_path / "copy", [invented(first), *others])
    stated = {name: getattr(whole.manifest, name) for name in ("root", "roots", "sources")}
    write_manifest(copy.folder, copy.manifest.model_copy(update=stated))
    with pytest.raises(VerifyError, match="the root over its rows is"):
        compare(some, copy.folder)


def test_a_column_that_the_recipe_lacks_is_named_before_the_work_starts(whole: Published, tmp_path: Path) -> None:
    """The error lists the columns that there are, and no folder is made."""
    out = tmp_path / "out"
    for write in (partial(refined, whole, out, "edu >= 12"), partial(select, str(whole.folder), "edu >= 12", out)):
        with pytest.raises(WhereError, match=r"no column 'edu' at character 1 \(columns: text, id,"):
            write()
        assert not list(tmp_path.iterdir())


def test_the_recipe_that_gives_the_column_is_named(
    whole: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wants a score learns which recipe writes it."""
    data = model_file("edu")
    (tmp_path / "edu.safetensors").write_bytes(data)
    recipe = tmp_path / "scored.toml"
    recipe.write_text(
        'name = "scored"\n[[quality_model.models]]\nname = "edu"\nmodel = "edu.safetensors"\n'
        f'sha256 = "{hashlib.sha256(data).hexdigest()}"\n'
    )
    monkeypatch.setattr("finest.pipeline.select.SHIPPED", ("fineweb", str(recipe)))
    with pytest.raises(WhereError, match=f"fineweb does not give edu, and these do: --recipe {recipe}"):
        refined(whole, tmp_path / "out", "edu >= 12")


@pytest.mark.nightly
def test_a_run_with_another_selection_is_another_run(whole: Published, tmp_path: Path) -> None:
    """Its folder is not overwritten; the same selection is the same run, and is finished already."""
    first = refined(whole, tmp_path / "out", "token_count >= 1")
    assert refined(whole, tmp_path / "out", " token_count >= 1\n").root == first.root
    for other in (None, "token_count >= 2"):
        with pytest.raises(LedgerError, match="another selection"):
            refined(whole, tmp_path / "out", other)


def test_the_command_selects_and_says_what_to_do_next(whole: Published, tmp_path: Path) -> None:
    """A second time it finds its own work; another selection does not overwrite it."""
    command = ["select", str(whole.folder), "--where", "token_count >= 1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert f"finest verify {tmp_path / 'out'} --parent {whole.folder}" in done.output
    assert "holds this selection already" in CliRunner().invoke(cli, command).output
    with pytest.raises(UsageError, match="exists already"):
        select(str(whole.folder), "token_count >= 2", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "    token_count >= 1\n" in card and read_manifest(tmp_path / "out").selections[0].parent_root in card


def test_what_a_stranger_selected_by_cannot_hurt_the_reader(some: Published, tmp_path: Path) -> None:
    """An expression beyond the limits makes the manifest one that is not read."""
    shutil.copytree(some.folder, tmp_path / "copy")
    data = json.loads((tmp_path / "copy" / "manifest.json").read_bytes())
    data["selections"][0]["rule"]["where"] = f"url like '%a{'_' * 100}c'"
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(VerifyError, match="more than 8 times the wildcard"):
        read_manifest(tmp_path / "copy")
