"""A dataset without the rows that hold evaluation items: anybody who has the index can check it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finest.cli import cli
from finest.dataset.decontaminated import Decontaminated
from finest.dataset.manifest import read_manifest, write_manifest
from finest.dataset.open import open_dataset
from finest.dataset.parent import check_parent
from finest.dataset.rows import Row
from finest.dataset.selection import Rule, Selection
from finest.errors import RecipeError, UsageError, VerifyError
from finest.pipeline.decontaminate.indexes import keep_index, provide_rule_indexes
from finest.pipeline.select import select
from finest.pipeline.verify import Verification, verify
from finest.recipe.decontaminate.place import cached_index
from finest.settings import default_cache
from tests.validator.made import NOWHERE, Published, tampered

Built = tuple[Path, str]


def rule(index: Built, min_matches: int = 5) -> Decontaminated:
    return Decontaminated(index_sha256=index[1], min_matches=min_matches, min_percent=10)


def cleaned(whole: Published, index: Built, out: Path) -> Result:
    return CliRunner().invoke(cli, ["decontaminate", str(whole.folder), "--index", str(index[0]), "--out", str(out)])


@pytest.fixture(scope="module")
def subset(whole: Published, index: Built, tmp_path_factory: pytest.TempPathFactory) -> Published:
    out = tmp_path_factory.mktemp("subset") / "cleaned"
    done = cleaned(whole, index, out)
    assert done.exit_code == 0, done.output
    return Published(out, whole.warcs)


def verified(found: Published, parent: Path | None = None, sample: int = 16) -> Verification:
    return verify(
        found.folder, default_cache(), NOWHERE, sample=sample, seed=1, sources=list(map(str, found.warcs)),
        parent=None if parent is None else str(parent),
    )  # fmt: skip


def compare(found: Published, parent: Path) -> None:
    with open_dataset(str(found.folder)) as dataset, open_dataset(str(parent)) as before:
        check_parent(dataset, before, default_cache())


def claimed(whole: Published, out: Path, rows: Sequence[Row], stated: Decontaminated) -> Published:
    """A subset that holds those rows and says that it was made by the rule."""
    there = Counter(row.id for row in rows)
    verdicts = [
        replace(one, reason="contaminated") if one.reason == "kept" and not there[one.id] else one
        for one in whole.verdicts()
    ]
    old = whole.manifest
    selection = Selection(rule=stated, parent_root=old.root, parent_rows=old.rows)
    forged = tampered(whole, out, rows, verdicts, selections=[selection])
    write_manifest(out, forged.manifest.model_copy(update={"sources": old.sources}))
    return forged


@pytest.mark.nightly
def test_a_subset_of_any_size_names_the_index_and_no_row(whole: Published, subset: Published, index: Built) -> None:
    """So more rows can be left out than an expression can name; the card says how to check it."""
    (selection,) = subset.manifest.selections
    assert selection.rule == rule(index)
    assert subset.manifest.reasons["contaminated"] == whole.manifest.rows - subset.manifest.rows > 0
    assert "not_selected" not in subset.manifest.reasons
    card = (subset.folder / "README.md").read_text()
    assert f"the text holds no item of the evaluation index with the sha256 {index[1]}" in card
    assert "--parent PARENT --index FILE.decon" in card and "`contaminated` of the pages" in card
    assert "holds this selection already" in cleaned(whole, index, subset.folder).output


@pytest.mark.nightly
def test_it_is_verified_with_and_without_its_parent(whole: Published, subset: Published) -> None:
    """Every row is matched again, and pages that were left out are judged again."""
    found = verified(replace(subset, warcs=()), whole.folder)
    assert found.is_verified and found.judged["contaminated"] > 0 and found.parent == str(whole.folder)


@pytest.mark.nightly
def test_a_selection_of_it_keeps_both_rules(subset: Published, tmp_path: Path) -> None:
    """Each rule has its own reason."""
    select(str(subset.folder), "token_count >= 1", tmp_path / "fewer")
    found = verified(Published(tmp_path / "fewer", subset.warcs), subset.folder)
    assert found.is_verified
    assert [type(one) for one in found.manifest.rules] == [Decontaminated, Rule]


@pytest.mark.parametrize("in_full", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_a_row_with_an_item_is_found_without_the_parent(
    whole: Published, index: Built, tmp_path: Path, in_full: bool
) -> None:
    """By reading the texts alone, as of a dataset on the Hub, and with every byte of the files."""
    keep_index(index[0], index[1], default_cache())
    forged = claimed(whole, tmp_path / "forged", whole.rows(), rule(index))
    with open_dataset(str(forged.folder)) as dataset:
        check = partial(dataset.check_all, forged.folder) if in_full else dataset.check_selections
        with pytest.raises(VerifyError, match="does not satisfy the selection: the text holds no item"):
            check(default_cache())


@pytest.mark.nightly
def test_the_parent_shows_an_omitted_row(whole: Published, subset: Published, index: Built, tmp_path: Path) -> None:
    """As for any other selection."""
    forged = claimed(whole, tmp_path / "forged", subset.rows()[1:], rule(index))
    with pytest.raises(VerifyError, match="of the parent satisfies the selection and is missing"):
        compare(forged, whole.folder)


@pytest.mark.nightly
def test_an_omitted_row_is_found_without_the_parent(
    whole: Published, subset: Published, index: Built, tmp_path: Path
) -> None:
    """When its page is sampled: the recipe keeps it, and its row holds no item."""
    forged = claimed(whole, tmp_path / "forged", subset.rows()[1:], rule(index))
    with pytest.raises(VerifyError, match="was left out, and its row satisfies the selection: the text holds no"):
        verified(forged, sample=200)


@pytest.mark.nightly
def test_a_smuggled_row_is_found(whole: Published, subset: Published, index: Built, tmp_path: Path) -> None:
    """A row that the parent does not have, in the place of one that the rule leaves out."""
    kept = {row.id for row in subset.rows()}
    out = next(row for row in whole.rows() if row.id not in kept)
    forged = claimed(whole, tmp_path / "forged", [replace(out, text="Buy it now."), *subset.rows()], rule(index))
    with pytest.raises(VerifyError, match="is not a row of the parent that satisfies the selection"):
        compare(forged, whole.folder)


@pytest.mark.nightly
def test_other_thresholds_are_another_rule(whole: Published, subset: Published, index: Built, tmp_path: Path) -> None:
    """Whoever left out more rows than the stated rule does is found."""
    forged = claimed(whole, tmp_path / "forged", subset.rows(), rule(index, min_matches=10_000))
    with pytest.raises(VerifyError, match="of the parent satisfies the selection and is missing"):
        compare(forged, whole.folder)


def test_a_missing_index_names_the_next_command(subset: Published, index: Built, tmp_path: Path) -> None:
    """Only the file with that sha256 is taken, and it is kept in the cache."""
    manifest, cache = subset.manifest, tmp_path / "cache"
    with pytest.raises(UsageError, match=r"name its file: finest verify here --index FILE.decon"):
        provide_rule_indexes(manifest, "here", [], cache)
    with open_dataset(str(subset.folder)) as dataset, pytest.raises(UsageError, match="not on this machine"):
        dataset.check_selections(cache)
    other = tmp_path / "other.decon"
    other.write_bytes(index[0].read_bytes()[:-1])
    with pytest.raises(RecipeError, match=r"other\.decon"):
        provide_rule_indexes(manifest, "here", [other], cache)
    assert not cache.exists()
    provide_rule_indexes(manifest, "here", [index[0]], cache)
    assert cached_index(cache, index[1]).is_file()


def test_an_index_that_no_selection_needs_is_refused(whole: Published, index: Built, tmp_path: Path) -> None:
    """Else a wrong file would seem to have been used."""
    with pytest.raises(UsageError, match="needs no index; leave out --index"):
        provide_rule_indexes(whole.manifest, "here", [index[0]], tmp_path)


@pytest.mark.nightly
def test_a_damaged_index_in_the_cache_is_not_used(subset: Published, index: Built, tmp_path: Path) -> None:
    """It is checked by its sha256 each time that it is loaded."""
    path = cached_index(tmp_path, index[1])
    path.parent.mkdir()
    path.write_bytes(b"another file")
    with open_dataset(str(subset.folder)) as dataset, pytest.raises(RecipeError, match="its sha256 is"):
        dataset.check_selections(tmp_path)


def test_the_command_takes_the_index(subset: Published, index: Built) -> None:
    """And says what was proved in plain words."""
    command = ["verify", str(subset.folder), "--sample", "0", "--index", str(index[0])]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert "every row satisfies the selection: the text holds no item of the evaluation index" in done.output
    assert read_manifest(subset.folder).rules[0].needs_index
