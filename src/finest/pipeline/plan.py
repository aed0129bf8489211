"""Begin and finish a run: plan its slices, and assemble the dataset from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from finest.dataset.manifest import read_manifest
from finest.errors import UsageError
from finest.formatting import counted
from finest.pipeline.assemble import assemble
from finest.pipeline.dedup.earlier_datasets import EarlierDatasets
from finest.pipeline.dedup.index import check_indexable
from finest.pipeline.heads import sources_at
from finest.pipeline.ledger import Ledger, wipe
from finest.pipeline.missing import leave_out
from finest.pipeline.pages.choose import choose_pages, packet_pages
from finest.pipeline.run_plan import RunPlan, SliceRule
from finest.pipeline.select import check_where
from finest.pipeline.slices import run_slices
from finest.pipeline.tasks import Tasks
from finest.warc.pauses import Pauses
from finest.warc.source import name_sources, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.dataset.manifest import Manifest
    from finest.pipeline.options import RunOptions
    from finest.pipeline.progress import Progress
    from finest.pipeline.source_table import Sources


def begin(options: RunOptions, progress: Progress) -> Ledger:
    """Inspect the sources and open the run in `options.out`, or begin it."""
    if options.workers < 1:
        raise UsageError("--workers must be a whole number of at least 1")
    try:
        str(options.out).encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"--out {str(options.out)!r}: the name is not valid UTF-8, which Parquet needs; choose another"
        ) from None
    if options.where is not None:
        check_where(options.where, options.recipe)
    if options.keep_index:
        check_indexable(options.recipe)
        if options.where is not None:
            raise UsageError("--keep-index is for all rows; select afterwards with finest select")
    against: tuple[str, ...] = ()
    if options.against:
        progress.say(f"Looking at the earlier {counted(len(options.against), 'dataset')}: {', '.join(options.against)}")
        against = EarlierDatasets.open(options.against, options.recipe).roots
    options.out.parent.mkdir(parents=True, exist_ok=True)
    plan = replace(make_plan(options, progress), against=against)
    if options.restart:
        wipe(options.out)
    return Ledger.begin(options.out, plan)


def finished(ledger: Ledger, progress: Progress, *, with_index: bool = False) -> Manifest | None:
    """Return the manifest of a finished run; None if there is work left. The manifest is written last.

    Raises UsageError if the run was finished without the index that is wanted now.
    """
    path = ledger.out / "manifest.json"
    if not path.exists():
        return None
    manifest = read_manifest(ledger.out)
    if with_index and manifest.index is None:
        raise UsageError(
            f"{ledger.out} is finished and has no index: remove {path} and run the same command again, which makes the "
            f"dataset with its index from the pages that are judged"
        )
    progress.say(f"{ledger.out} is already finished")
    return manifest


def finish(
    ledger: Ledger, options: RunOptions, tasks: Tasks, check: Callable[[], None] = lambda: None
) -> Manifest:  # fmt: skip
    """Judge the missing slices, then assemble the dataset. Call with the lock held, or with shared tasks.

    Raises SourceError if more sources could not be read than `options.allow_missing` allows, and what `check()` raises
    before slices are judged.
    """

    def judge_rest() -> None:
        check()
        ledger.sweep()
        run_slices(ledger, options, tasks.progress)
        leave_out(ledger, options, tasks.progress.say)

    tasks.once("Judging the rest", judge_rest, lambda: bool(ledger.packed().all()))
    return assemble(ledger, options, tasks)


def local_tasks(ledger: Ledger, options: RunOptions, progress: Progress) -> Tasks:
    """Return what makes the dataset on this machine."""
    return Tasks(options.workers, ledger.folder / "logs", progress)


def make_plan(options: RunOptions, progress: Progress) -> RunPlan:
    """Find the sources, and look at those that the ledger in the folder does not know.

    With `pages_where`, they are the sources with pages that the index chooses; with a packet, those with its pages.
    """
    if options.packet is not None:
        sources, chosen = packet_pages(options, options.packet, progress)
    elif options.pages_where is not None:
        sources, chosen = choose_pages(options, progress)
    else:
        sources, chosen = _all_sources(options, progress), None
    return RunPlan(
        recipe=options.recipe.resolved(),
        recipe_hash=options.recipe.hash,
        engine=options.engine,
        limit=options.limit,
        sources=sources,
        where=check_where(options.where, options.recipe) if options.where is not None else None,
        chosen=chosen,
        rule=SliceRule.of(int(sources.sizes.sum())),
    )


def _all_sources(options: RunOptions, progress: Progress) -> Sources:
    locations = resolve(options.specs, options.common_crawl, shard=options.shard)
    names = name_sources(locations)
    is_begun = not options.restart and (options.out / "ledger" / "run.json").exists()
    known = Ledger.read(options.out).plan.sources if is_begun else None
    progress.say("Looking at the sources")
    pauses = Pauses(options.out / "ledger" / "pauses", options.max_pause_s)
    return sources_at(locations, names, known, pauses, progress, options.allow_missing)
