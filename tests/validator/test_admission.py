"""What is not admissible is found out before anything is downloaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finest.chain.payload import encode
from finest.dataset.manifest import write_manifest
from finest.dataset.page_choice import PageChoice
from finest.dataset.rows import Row
from finest.errors import HubUnavailable
from finest.recipe.recipe import Recipe
from finest.validator import admission
from finest.validator.audit import audit
from finest.validator.evidence import is_dishonest
from finest.validator.models import Assignment, Evidence

from .made import BOB, PLAN, SHA, Published, tampered


def refused(found: Published, **changes: Any) -> Evidence:
    """The evidence of an audit that must end with admission."""
    evidence = audit(found.subject(**changes), PLAN, found.context())
    assert not evidence.rows and not evidence.windows
    return evidence


@pytest.mark.parametrize("line", ["garbage", "fd1:alice/web@0123", "", "fd1:" + "x" * 1000, "fd1:a/b@" + SHA + "#\x00"])
def test_a_line_of_garbage_fails(honest: Published, line: str) -> None:
    """Whatever stands on the chain is read, and worth nothing."""
    evidence = refused(honest, line=line)
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "commitment")


@pytest.mark.parametrize(("block", "verdict"), [(99, "fail"), (100, "pass"), (200, "pass"), (201, "fail")])
def test_committed_within_the_lease(honest: Published, block: int, verdict: str) -> None:
    """Before the lease somebody else's task was begun; after its end it is somebody else's."""
    (*_, timing) = admission.check_assignment(honest.subject(committed_block=block))
    assert (timing.name, timing.outcome) == ("timing", verdict)


def test_an_unknown_block_is_no_evidence(honest: Published) -> None:
    """That the chain holds a newer line by now is not the miner's fault."""
    evidence = refused(honest, committed_block=None)
    assert (evidence.verdict, evidence.admission[-1].name) == ("no_evidence", "timing")


@pytest.mark.parametrize(
    "changes", [{"hotkey": BOB}, {"state": "expired"}, {"commitment": "fd1:another/line"}], ids=str
)  # fmt: skip
def test_the_task_is_the_miners(honest: Published, changes: dict[str, Any]) -> None:
    """Leased to that hotkey, not lost since, and finished with that line."""
    evidence = refused(honest, **changes)
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "lease")


def test_a_task_that_asks_for_a_recipe_is_done_with_it(honest: Published) -> None:
    """The price of a refinement is not paid for the old rows published once more; an unknown recipe is no evidence."""
    own, other = honest.manifest.recipe_hash, "ab" * 32
    known = admission.known_recipes()[own]

    def outcomes(asked: str, recipe: Recipe | None) -> list[str]:
        return [check.outcome for check in admission._check_asked_recipe(honest.manifest, recipe, asked)]

    assert (outcomes(own, known), outcomes(other, known)) == ([], ["fail"])
    assert (outcomes(own, None), outcomes(other, None)) == (["no_evidence"], ["fail"])
    assert list(admission._check_asked_recipe(honest.manifest, known, None)) == []
    evidence = refused(honest, recipe_hash=other)
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "recipe")


def test_a_usual_task_is_signed_as_before(honest: Published) -> None:
    """The fields of special work are left out where they say nothing, so that signatures of earlier versions hold."""
    usual = honest.subject().task.model_dump()
    assert usual.keys() & {"recipe_hash", "price"} == set()
    special = honest.subject(recipe_hash="ab" * 32, price=2.0).task
    assert Assignment.model_validate_json(special.model_dump_json()) == special


def test_changed_after_the_commitment_fails(honest: Published) -> None:
    """Other rows have another root than the one on the chain."""
    evidence = refused(honest, line=encode("alice/web", SHA, "ab" * 32))
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "root")


def test_rows_that_are_not_those_of_the_root_fail(honest: Published, tmp_path: Path) -> None:
    """The root is made anew of the row hashes that are there, not taken from the manifest."""
    other = tampered(honest, tmp_path / "other", [_louder(row) for row in honest.rows()])
    stated = {"roots": honest.manifest.roots, "root": honest.manifest.root}
    write_manifest(other.folder, other.manifest.model_copy(update=stated))
    evidence = refused(other)
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "root")


def _louder(row: Row) -> Row:
    return replace(row, text=row.text.upper())


def test_another_miners_dataset_fails(others: Published, honest: Published) -> None:
    """Bob's WARCs are not those of Alice's task."""
    copied = Published(others.folder, honest.warcs)
    evidence = refused(copied)
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "sources")


def test_a_task_of_whole_warcs_accepts_no_choice_of_pages(honest: Published, tmp_path: Path) -> None:
    """A miner that says an index chose its pages, to leave the others out, has done no task; it is no liar."""
    few = tampered(honest, tmp_path / "few", honest.rows())
    chosen = PageChoice(where="url_host_tld = 'org'", root="0" * 64, pages=1)
    write_manifest(few.folder, few.manifest.model_copy(update={"chosen": chosen}))
    evidence = refused(Published(few.folder, honest.warcs))
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "pages")
    assert "the task is of whole WARCs" in evidence.why and not is_dishonest(evidence)


def test_a_garbled_manifest_fails(honest: Published, tmp_path: Path) -> None:
    """What cannot be read within the limits is nothing."""
    import shutil

    line = honest.line
    shutil.copytree(honest.folder, tmp_path / "bad")
    (tmp_path / "bad" / "manifest.json").write_bytes(b"[" * 100_000)
    bad = Published(tmp_path / "bad", honest.warcs)
    evidence = refused(bad, line=line)
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "manifest")


def test_a_hub_that_is_down_is_no_evidence(honest: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own failure never costs the miner."""

    def down(*_: object, **__: object) -> None:
        raise HubUnavailable("list the files: no answer, after 8 tries")

    monkeypatch.setattr(admission, "open_dataset", down)
    evidence = refused(honest)
    assert (evidence.verdict, evidence.why) == ("no_evidence", "audit: list the files: no answer, after 8 tries")


def test_more_pages_than_warcs_hold_fail(honest: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would only cost time is refused by its size."""
    monkeypatch.setattr(admission, "MAX_PAGES_A_WARC", 10)
    evidence = refused(honest)
    assert (evidence.verdict, evidence.admission[-1].name) == ("fail", "size")
