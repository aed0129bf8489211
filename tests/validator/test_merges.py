"""A merge in an audit: rows of the leased datasets and no others, and what is missing is a duplicate of one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pytest

from finest.cli import tasks_merge
from finest.dataset.manifest import write_manifest
from finest.dataset.merge_inputs import MAX_INPUTS, MergeInput, MergeLease
from finest.dataset.open import open_dataset
from finest.dataset.rows import VerdictRow
from finest.errors import HubNotFound
from finest.pipeline.merging.merge import MergeOptions, merge
from finest.pipeline.progress import Progress
from finest.pipeline.verify import verify
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.settings import default_cache
from finest.validator import merge as merge_module
from finest.validator.audit import audit
from finest.validator.context import AuditContext, Warcs
from finest.validator.evidence import total_of
from finest.validator.loop.verdict_process import Job, budget_of
from finest.validator.models import Evidence, Subject
from finest.validator.quality.tier import N_GRAMS
from finest.validator.verdict_quality import measure_quality
from tests.deep import NIGHTLY

from .made import NOWHERE, PLAN, Published, invented, make, tampered
from .repeated import response, write_warc

DUMP = "CC-MAIN-2025-13"


@dataclass(frozen=True)
class Leased:
    """Some datasets, and the lease of their merge."""

    parts: tuple[Published, ...]

    @property
    def lease(self) -> MergeLease:
        manifests = [(str(one.folder), one.manifest) for one in self.parts]
        return MergeLease.of(
            MergeInput(place=place, root=found.root, rows=found.rows, tokens=found.token_count)
            for place, found in manifests
        )

    def merged(self, out: Path, *, compare: bool = True) -> Published:
        options = MergeOptions(default_cache(), 1, 10**9, compare=compare)
        merge([str(one.folder) for one in self.parts], out, options, Progress(quiet=True))
        return Published(out, ())

    def context(self, found: Published) -> AuditContext:
        return AuditContext(cache=default_cache(), warcs=Warcs.of((), NOWHERE), place=str(found.folder))

    def subject(self, found: Published) -> Subject:
        warcs = ("s3://commoncrawl/" + self.lease.item(DUMP),)
        return found.subject(warcs=warcs, merge=self.lease, recipe_hash=self.parts[0].manifest.recipe_hash)

    def audited(self, found: Published) -> Evidence:
        return audit(self.subject(found), PLAN, self.context(found))


def part(folder: Path, first: int) -> Published:
    """What a miner made of a WARC of ten pages, of which the five last are in the next one, too."""
    members = [[response(n, key=1_000 * first + n, good=n % 5 > 1)] for n in range(first, first + 10)]
    return make(folder / f"{first}", [write_warc(folder / f"{DUMP}-{first}.warc.gz", members)])


@pytest.fixture(scope="module")
def leased(tmp_path_factory: pytest.TempPathFactory) -> Leased:
    folder = tmp_path_factory.mktemp("parts")
    return Leased((part(folder, 0), part(folder, 5)))


@pytest.fixture(scope="module")
def honest(leased: Leased, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return leased.merged(tmp_path_factory.mktemp("honest") / "crawl")


def refused(evidence: Evidence, name: str, why: str) -> None:
    assert evidence.verdict == "fail" and evidence.admission[-1].name == name, evidence.why
    assert why in evidence.why


def test_an_honest_merge_passes_and_is_paid_by_its_tokens(leased: Leased, honest: Published) -> None:
    """No WARC is read: every row is a row of an input, and every dropped one was compared with the kept one."""
    evidence = leased.audited(honest)
    assert evidence.verdict == "pass", evidence.why
    outcomes = [page.outcome for window in evidence.windows for page in window.kept]
    assert outcomes.count("duplicate") == 3 and outcomes.count("held") == honest.manifest.rows
    assert len(evidence.rows) == honest.manifest.rows
    with open_dataset(str(honest.folder)) as dataset:
        paid = measure_quality(evidence, dataset, [], leased.context(honest), N_GRAMS, 1_000)
    assert paid.measured and paid.measured.verified_tokens == honest.manifest.token_count
    assert total_of(paid) > 0.8


def test_merges_are_merged_again_up_to_a_crawl(leased: Leased, honest: Published, tmp_path: Path) -> None:
    """Each round is judged by its inputs alone; the rows and their root are those of one merge of all datasets."""
    others = (part(tmp_path, 3), *((part(tmp_path, 8),) if NIGHTLY else ()))
    again = Leased(others).merged(tmp_path / "others") if NIGHTLY else others[0]
    top = Leased((honest, again))
    crawl = top.merged(tmp_path / "crawl")
    evidence = top.audited(crawl)
    assert evidence.verdict == "pass", evidence.why
    if not NIGHTLY:  # every day tests/pipeline/test_merge.py verifies a merge of a merge
        return
    at_once = Leased((*leased.parts, *others)).merged(tmp_path / "at-once")
    assert [row.id for row in crawl.rows()] == [row.id for row in at_once.rows()]
    assert crawl.manifest.root == at_once.manifest.root and crawl.manifest.reasons == at_once.manifest.reasons
    warcs = [str(path) for one in (*leased.parts, *others) for path in one.warcs]
    found = verify(crawl.folder, default_cache(), NOWHERE, sample=100, seed=1, sources=warcs)
    assert found.is_verified and not found.no_evidence and found.judged[DUPLICATE] == 14


def test_a_verdict_on_a_merge_has_a_budget_by_its_rows(leased: Leased, honest: Published, tmp_path: Path) -> None:
    """Else reading a whole crawl would be taken for an attack, and fail an honest miner."""
    job = Job(
        subject=leased.subject(honest), plan=PLAN, place=str(honest.folder), warcs=(), heldout=(), tier=1, device=None,
        tokens=1_000, index=tmp_path / "index.db", cache=default_cache(), cc_https="", cc_bucket="",
    )  # fmt: skip
    inputs = [one.model_copy(update={"rows": 100_000_000}) for one in leased.lease.inputs]
    task = job.subject.task.model_copy(update={"merge": MergeLease.of(inputs)})
    whole = job.model_copy(update={"subject": job.subject.model_copy(update={"task": task})})
    assert whole.merged_rows == 200_000_000
    small, large = budget_of(job), budget_of(whole)
    assert (
        large.cpu_s - small.cpu_s > 200_000_000 * 50e-6 and large.memory_bytes - small.memory_bytes > 200_000_000 * 26
    )


def test_a_row_of_nobody_fails(leased: Leased, honest: Published, tmp_path: Path) -> None:
    """Neither a text of the miner's own nor a row of a dataset that was not leased."""
    rows = honest.rows()
    forged = tampered(honest, tmp_path / "forged", [invented(rows[0]), *rows[1:]])
    refused(leased.audited(forged), "rows", "is no row of the leased datasets")


def test_other_datasets_than_those_leased_fail(leased: Leased, honest: Published, tmp_path: Path) -> None:
    """One is left out, another one is merged in its place, or they are merged in an order of the miner's choice."""
    other = Leased((leased.parts[0], part(tmp_path, 20)))
    refused(leased.audited(other.merged(tmp_path / "other")), "inputs", "it is no merge of")
    turned = Leased(leased.parts[::-1]).merged(tmp_path / "turned")
    refused(leased.audited(turned), "inputs", "in another order")
    refused(leased.audited(leased.parts[0]), "inputs", "it is no merge of")
    lie = Published(tmp_path / "other", ())
    write_manifest(lie.folder, lie.manifest.model_copy(update={"merged": leased.lease.roots}))
    evidence = leased.audited(lie)
    assert evidence.verdict == "fail" and evidence.admission[-1].name in ("size", "rows"), evidence.why


def without(honest: Published, out: Path, victims: int, change: dict[str, object]) -> Published:
    """The merge without some of its rows, whose verdicts are changed."""
    rows = honest.rows()
    gone = {(row.file_path, row.warc_offset, row.id) for row in rows[:victims]}
    change = {name: rows[-1].id if value == "last" else value for name, value in change.items()}

    def told(one: VerdictRow) -> VerdictRow:
        return replace(one, **change) if (one.file_path, one.offset, one.id) in gone else one  # type: ignore[arg-type]

    return tampered(honest, out, rows[victims:], [told(one) for one in honest.verdicts()])


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        ({"reason": DUPLICATE, "duplicate_of": "last"}, "compared", "are no duplicates"),
        ({"reason": DUPLICATE, "duplicate_of": "<urn:uuid:nobody>"}, "dropped", "are no duplicates of a row"),
        ({"reason": "too_short"}, "rows", "by the datasets to merge"),
    ],
)
def test_a_row_that_is_dropped_needs_a_kept_one(
    leased: Leased, honest: Published, tmp_path: Path, change: dict[str, object], name: str, why: str
) -> None:
    """As a duplicate of another text, of a row that is not there, or for another reason: it is found."""
    if "too_short" in change.values():
        change = {"reason": next(one.reason for one in honest.verdicts() if one.reason not in (KEPT, DUPLICATE))}
    refused(leased.audited(without(honest, tmp_path / "less", 1, change)), name, why)


def test_a_false_source_fails(leased: Leased, honest: Published, tmp_path: Path) -> None:
    """A manifest that names another WARC than those of the datasets would take it from others in the index."""
    lie = tampered(honest, tmp_path / "lie", honest.rows())
    first, *others = lie.manifest.sources
    named = (first, others[0].model_copy(update={"name": "z/elsewhere.warc.gz"}), *others[1:])
    write_manifest(lie.folder, lie.manifest.model_copy(update={"sources": named}))
    refused(leased.audited(lie), "rows", "is no source of the datasets to merge")


def test_datasets_that_are_only_put_together_fail(leased: Leased, tmp_path: Path) -> None:
    """A merge is paid for finding the duplicates; one that leaves them in has compared nothing."""
    lazy = leased.merged(tmp_path / "lazy", compare=False)
    refused(leased.audited(lazy), "duplicates", "are of duplicates of other rows")


def test_an_input_that_is_gone_is_nobodys_fault(
    leased: Leased, honest: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a fail nor pay: it is judged again later, and the evidence says what is missing."""
    first, second = leased.lease.inputs
    lease = MergeLease.of([first, second.model_copy(update={"place": str(tmp_path / "moved")})])
    task = leased.subject(honest).task.model_copy(update={"merge": lease})
    evidence = audit(leased.subject(honest).model_copy(update={"task": task}), PLAN, leased.context(honest))
    assert evidence.verdict == "no_evidence", evidence.why

    def gone(place: str, **_: object) -> NoReturn:
        raise HubNotFound(f"list {place}: no such repository")

    monkeypatch.setattr(merge_module, "open_dataset", gone)
    evidence = leased.audited(honest)
    assert evidence.verdict == "no_evidence"
    assert "a dataset to merge cannot be read: list" in evidence.why and "no such repository" in evidence.why


def test_a_lease_names_its_datasets_once(leased: Leased) -> None:
    """Its root is over places and roots; a change of one is another merge."""
    one = leased.lease
    for lie in (
        {"inputs": one.inputs[::-1], "root": one.root}, {"inputs": one.inputs[:1] * 2, "root": one.root},
        {"inputs": [one.inputs[0], one.inputs[1].model_copy(update={"root": "ab" * 32})], "root": one.root},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="are not those of the merge"):
            MergeLease.model_validate(lie)
    with pytest.raises(ValueError, match="named twice"):
        MergeLease.of(one.inputs[:1] * 2)
    assert tasks_merge.MAX_INPUTS == MAX_INPUTS


def test_ids_are_hashed_with_a_key_of_the_process() -> None:
    """A miner who knows PYTHONHASHSEED must not be able to make two ids that agree."""
    program = "from finest.validator.merge_rows import id_hashes; print(*id_hashes(['a', 'b', 'a']))"
    found = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True,
            check=True, timeout=300,
        ).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    assert all(one[0] == one[2] != one[1] for one in found)
    assert not {*found[0]} & {*found[1]}
