"""A leased merge in the miner's hands: the leased datasets, whatever they are, and nothing that the lease lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.dataset.manifest import read_manifest
from finest.dataset.merge_inputs import MAX_MERGED_ROWS, MergeInput, MergeLease
from finest.errors import NoRoom, RunError, TaskServerError
from finest.miner.error_kinds import Kind, kind_of
from finest.miner.journal import Journal, check_task
from finest.pipeline.dedup.stages import plan
from finest.pipeline.merging import room
from finest.pipeline.options import DEDUP_MEMORY_BYTES
from finest.recipe.recipe import load_recipe
from finest.tasks.models import Task
from tests.miner.test_steps import Bench
from tests.miner.world import task
from tests.validator.made import Published
from tests.validator.test_merges import part

CRAWL = "CC-MAIN-2025-26"


def leased(lease: MergeLease, recipe_hash: str, **changes: object) -> Task:
    """The task of a merge."""
    return task(kind="merge", warcs=[lease.item(CRAWL)], merge=lease, recipe_hash=recipe_hash, **changes)


def input_of(found: Published, **changes: object) -> MergeInput:
    manifest = found.manifest
    named = {"place": str(found.folder), "root": manifest.root, "rows": manifest.rows, "tokens": manifest.token_count}
    return MergeInput(**(named | changes))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Published]:
    folder = tmp_path_factory.mktemp("parts")
    return [part(folder, first) for first in (0, 5)]


def begun(work: Path, lease: MergeLease, recipe_hash: str) -> Bench:
    """A miner with the task; its places are folders, which a real task server may not name."""
    bench = Bench(work, "")
    record = bench.journal.record.model_copy(update={"task": leased(lease, recipe_hash, id="t2")})
    bench.journal = Journal(work / "tasks" / "t2", record)
    bench.journal.folder.mkdir(parents=True)
    return bench


def test_a_merge_is_made_of_the_leased_datasets(parts: list[Published], tmp_path: Path) -> None:
    """The manifest names them by their roots; a start after a crash finds what is done."""
    lease = MergeLease.of(map(input_of, parts))
    bench = begun(tmp_path / "work", lease, parts[0].manifest.recipe_hash)
    with bench.lease() as held:
        done = bench.steps.refined(bench.journal, held)
        assert bench.steps.refined(bench.journal, held).root == done.root
    manifest = read_manifest(bench.journal.dataset)
    assert manifest.merged == lease.roots and done.rows == sum(one.manifest.rows for one in parts) - 3


def test_a_merge_without_room_needs_a_person(
    parts: list[Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """The miner keeps the task, and its message has the flag of `finest mine`."""
    monkeypatch.setattr(room, "free_disk_bytes", lambda _: 1_000)
    bench = begun(tmp_path / "work", MergeLease.of(map(input_of, parts)), parts[0].manifest.recipe_hash)
    with bench.lease() as held, pytest.raises(NoRoom, match="larger disk with --work") as refused:
        bench.steps.refined(bench.journal, held)
    assert kind_of(refused.value, tmp_path) is Kind.PERSON


def test_a_miner_can_compare_the_rows_of_the_largest_lease() -> None:
    plan(MAX_MERGED_ROWS, load_recipe("fineweb").dedup, DEDUP_MEMORY_BYTES)


def test_datasets_that_cannot_be_merged_end_the_task_alone(parts: list[Published], tmp_path: Path) -> None:
    """One that is gone, is another one now, or has another recipe: the miner goes on with the next task."""
    one, other = map(input_of, parts)
    recipe = parts[0].manifest.recipe_hash
    cases = (
        (other.model_copy(update={"place": str(tmp_path / "gone")}), recipe, "cannot be merged"),
        (other.model_copy(update={"root": "ab" * 32}), recipe, "not those that it names"),
        (other, "cd" * 32, "not those that it names"),
    )
    for number, (second, asked, why) in enumerate(cases):
        bench = begun(tmp_path / f"work-{number}", MergeLease.of([one, second]), asked)
        with bench.lease() as held, pytest.raises(RunError, match=why):
            bench.steps.refined(bench.journal, held)


def test_a_task_that_names_a_local_file_is_refused(parts: list[Published]) -> None:
    """A task server could have a miner publish a folder of its own machine."""
    lease = MergeLease.of(map(input_of, parts))
    with pytest.raises(TaskServerError, match="is no revision on the Hub"):
        check_task(leased(lease, "ab" * 32))
    places = [f"alice/web@{number:040x}/tasks/t1" for number in range(2)]
    fine = [one.model_copy(update={"place": place}) for one, place in zip(lease.inputs, places, strict=True)]
    check_task(leased(MergeLease.of(fine), "ab" * 32))
    other = leased(MergeLease.of(fine), "ab" * 32).model_copy(update={"warcs": ["merges/x/y"]})
    with pytest.raises(TaskServerError, match="is not the merge"):
        check_task(other)
