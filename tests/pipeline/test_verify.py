"""`finest verify` says that rows are verified only where enough of them were judged again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from finest.cli import cli
from finest.cli.views.refinery import show_verification
from finest.dataset.manifest import write_manifest
from finest.errors import NO_EVIDENCE, VerifyError
from finest.pipeline.verify import Verification, verify
from finest.settings import default_cache
from tests.dataset.made import manifest_of, row, verdict, write_shards
from tests.deep import sampled
from tests.validator.made import NOWHERE, Published, forge, invented, make, tampered
from tests.validator.repeated import response, write_warc

INVENTED = 175


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A WARC of eight good pages and four short ones."""
    folder = tmp_path_factory.mktemp("little")
    warc = write_warc(folder / "a.warc.gz", [[response(n, good=n < 8)] for n in range(12)])
    return make(folder / "made", [warc])


def verified(folder: Path, sample: int = 64, sources: Sequence[Path] = ()) -> Verification:
    return verify(folder, default_cache(), NOWHERE, sample=sample, seed=1, sources=list(map(str, sources)))


def said(found: Verification) -> str:
    """What the command prints."""
    console = Console(file=io.StringIO(), width=200)
    show_verification(console, found)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_invented_rows_whose_source_cannot_be_read_are_not_verified(tmp_path: Path) -> None:
    """175 invented rows with honest hashes and root: the files agree, and that is all that is said."""
    rows = [row(n, file_path="gone.warc.gz") for n in range(INVENTED)]
    verdicts = [verdict(page) for page in rows]
    manifest = manifest_of(rows, verdicts, *write_shards(tmp_path, rows, verdicts))
    source = manifest.sources[0].model_copy(update={"name": "gone.warc.gz"})
    write_manifest(tmp_path, manifest.model_copy(update={"sources": (source,)}))
    done = CliRunner().invoke(cli, ["verify", str(tmp_path), "--sample", "64"])
    assert done.exit_code == NO_EVIDENCE == 75
    assert "files agree, rows NOT verified: only 0 of 64 sampled pages" in " ".join(done.output.split())
    assert "verified: root" not in done.output


@pytest.mark.nightly
def test_invented_rows_behind_drops_that_anybody_can_judge_are_not_verified(tmp_path: Path) -> None:
    """Half of the sample is drops: they alone prove nothing about the rows."""
    gone = write_warc(tmp_path / "gone.warc.gz", [[response(n)] for n in range(4)])
    there = write_warc(tmp_path / "there.warc.gz", [[response(n, good=False)] for n in range(4, 8)])
    hidden = forge(make(tmp_path / "made", [gone, there]), tmp_path / "hidden", 1.0, invented)
    found = verified(hidden.folder, 8, [there])
    assert found.judged and sum(found.judged.values()) == found.drawn / 2
    assert not found.is_verified and "and 0 of the 4 kept ones" in said(found)


def test_an_honest_dataset_is_verified(little: Published) -> None:
    """All pages judged again, from the ledger's own places or from those that are named."""
    for sources in ((), little.warcs):
        found = verified(little.folder, sources=sources)
        assert found.is_verified and sum(found.judged.values()) == found.drawn == 12
        assert "verified: root" in said(found)


def test_no_sample_is_said_to_be_no_proof(little: Published) -> None:
    """Whoever asks for the files alone is told that he has the files alone; it is no failure."""
    found = verified(little.folder, 0)
    assert (found.is_verified, found.lacks_evidence) == (False, False)
    assert "rows NOT verified: with --sample 0 only the files were checked" in said(found)


@pytest.mark.parametrize("reason", sampled(["extraction_limit", "extraction_crash"]))
@pytest.mark.nightly
def test_verdicts_that_machines_may_not_share_prove_nothing(little: Published, tmp_path: Path, reason: str) -> None:
    """Who gives every page such a verdict has nothing that could be held against him, and nothing proven."""
    verdicts = [replace(one, reason=reason) if one.reason != "kept" else one for one in little.verdicts()]
    found = verified(tampered(little, tmp_path / "some", little.rows(), verdicts).folder, sources=little.warcs)
    assert (found.not_repeatable, found.judged) == (4, {"kept": 8}) and found.is_verified
    most = [replace(one, reason=reason) if n else one for n, one in enumerate(little.verdicts())]
    rows = [one for one in little.rows() if one.id == most[0].id]
    found = verified(tampered(little, tmp_path / "most", rows, most).folder, sources=little.warcs)
    assert found.not_repeatable == 11 and found.lacks_evidence
    assert "11 pages have a verdict that may differ on another machine" in said(found)


@pytest.mark.nightly
def test_a_record_that_is_not_in_its_warc_is_a_lie(little: Published, tmp_path: Path) -> None:
    """Where the WARC is the one that the manifest states: else every invented row would be a mere gap."""
    rows = [replace(one, warc_offset=one.warc_offset + 1) for one in little.rows()]
    verdicts = [replace(one, offset=one.offset + 1) if one.reason == "kept" else one for one in little.verdicts()]
    moved = tampered(little, tmp_path / "moved", rows, verdicts)
    with pytest.raises(VerifyError, match=r"is not in its WARC a\.warc\.gz at offset"):
        verified(moved.folder, sources=little.warcs)


def test_a_dataset_without_a_page_has_nothing_to_be_judged(tmp_path: Path) -> None:
    """It claims nothing, so its files are all that there is to be verified."""
    warc = write_warc(tmp_path / "a.warc.gz", [])
    assert verified(make(tmp_path / "made", [warc]).folder).is_verified


def test_half_is_enough_and_less_is_not(little: Published) -> None:
    """Of all pages that were drawn, and of the kept ones among them."""
    manifest = little.manifest
    full = Verification(manifest, sample=8, drawn=8, drawn_kept=4, judged={"kept": 2, "language": 2})
    assert full.is_verified
    assert not replace(full, judged={"kept": 1, "language": 4}).is_verified
    assert not replace(full, judged={"kept": 2, "language": 1}).is_verified
