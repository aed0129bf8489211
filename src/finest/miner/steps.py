"""The four steps of a task: refine, publish, commit, finish. Each is safe to repeat and finds what is already done."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from finest.atomic_files import write_whole
from finest.chain.payload import encode
from finest.dataset.falsify import falsify
from finest.dataset.manifest import MANIFEST_NAME, read_manifest
from finest.dataset.packet import Packet
from finest.dataset.task_folders import publish_task
from finest.errors import (
    ClusterError,
    HubNotFound,
    LeaseLost,
    LedgerError,
    NeedsPerson,
    RunError,
    TaskServerUnavailable,
    UsageError,
    VerifyError,
)
from finest.miner.journal import Committed, Finished, Published, Refined
from finest.pipeline.ledger import Ledger
from finest.pipeline.merging.merge import MergeOptions, merge
from finest.pipeline.options import DEDUP_MEMORY_BYTES, RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.tasks.canaries import day_of
from finest.tasks.models import TaskState
from finest.tasks.transport import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from finest.chain.commitments import CommitReceipt
    from finest.dataset.commit import Sent
    from finest.dataset.manifest import Manifest
    from finest.executors.slurm.request import SlurmRequest
    from finest.miner.journal import Journal
    from finest.miner.lease import Lease
    from finest.miner.status_file import StatusFile
    from finest.pipeline.done import SliceDone
    from finest.pipeline.options import RayRequest
    from finest.recipe.recipe import Recipe
    from finest.tasks.canaries import Canaries
    from finest.tasks.models import Task
    from finest.warc.slices import Slice
    from finest.warc.source import CommonCrawl

FALSIFIED = "canary"
"""Folder of a falsified dataset within the dataset's folder."""


class References(Protocol):
    """The reference recipes of a task server."""

    def at(self, block: int) -> Recipe:
        """Return the reference of an English task that was leased at a block; raises RunError if it cannot be had."""
        ...

    def known(self) -> tuple[Recipe, ...]:
        """Return the recipes of the server's list that are on this machine."""
        ...


@dataclass(frozen=True, slots=True)
class MineOptions:
    """The options of `finest mine`."""

    hf_repo: str
    work: Path
    recipe: Recipe
    """The recipe for tasks that ask for none, without `references`."""
    cache: Path
    common_crawl: CommonCrawl
    netuid: int
    workers: int = 1
    slurm: SlurmRequest | None = None
    """Set to refine on Slurm."""
    ray: RayRequest | None = None
    """Set to refine on Ray. Without `slurm` and `ray`, the miner refines on this machine."""
    limit: int | None = None
    warcs: int = 4
    crawl: str | None = None
    once: bool = False
    prefetch: bool = False
    keep_bytes: int | None = None
    more_recipes: tuple[Recipe, ...] = ()
    """Recipes for tasks that ask for one, besides `recipe`."""
    references: References | None = None
    """Where the task server's reference recipes come from, if they are used for tasks that ask for none."""

    def recipe_of(self, task: Task) -> Recipe:
        """Return the recipe for a task: the one that it asks for, or else the reference or the miner's own.

        Raises RunError if the recipe is not on this machine.
        """
        if task.recipe_hash is None:
            return self.references.at(task.leased_block) if self.references else self.recipe
        found = next((one for one in self.recipes if one.hash == task.recipe_hash), None)
        if found is None:
            raise RunError(f"task {task.id} asks for another version of the recipe {task.recipe} than this one")
        return found

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """All recipes that the miner can use, with those of the server's list, which is asked for."""
        listed = self.references.known() if self.references else ()
        return tuple({one.hash: one for one in (*listed, self.recipe, *self.more_recipes)}.values())

    canaries: Canaries | None = None
    """The operator's plan of canaries, if this hotkey is one of them."""


class UploadView(Protocol):
    """Shows a person how far an upload is, from its beginning to its end."""

    def __enter__(self) -> UploadView: ...

    def __exit__(self, *_: object) -> None: ...

    def say(self, line: str) -> None: ...

    def show(self, sent: Sent) -> None: ...


@dataclass(frozen=True, slots=True)
class Display:
    """Where a miner shows what it does."""

    console: Console
    """For the progress of a run."""
    say: Callable[[str], None]
    """Takes one line for each event."""
    upload: Callable[[Callable[[str], None]], UploadView]
    """Makes the view of one upload, which gives its lines to the function that it is called with."""


class FinishServer(Protocol):
    """The part of a task server that the steps need."""

    def packet(self, root: str) -> Packet: ...
    def finish(self, task_id: str, repo: str, revision: str, root: str) -> Task: ...


class CommitChain(Protocol):
    """The part of a chain that the steps need."""

    def commit(self, line: str) -> CommitReceipt: ...


class Steps:
    """The steps of a task with the real pipeline, Hub, chain and task server."""

    def __init__(
        self, options: MineOptions, server: FinishServer, chain: CommitChain, now: StatusFile, display: Display
    ) -> None:  # fmt: skip
        self._options, self._server, self._chain = options, server, chain
        self._now, self._display, self._say = now, display, display.say

    def refined(self, journal: Journal, lease: Lease) -> Refined:
        """Refine the task's WARCs, continuing after the slices that its ledger has; or merge its datasets."""
        progress = LeaseProgress(self._display.console, self._say, lease, self._now)
        try:
            manifest = self._merge(journal, progress) if journal.record.task.merge else self._refine(journal, progress)
        finally:
            progress.close()
        shutil.rmtree(journal.warcs, ignore_errors=True)
        if share := self._false_share(journal):
            manifest = falsify(journal.dataset, journal.dataset / FALSIFIED, share, journal.id)
        return Refined(
            root=manifest.root, rows=manifest.rows, tokens=manifest.token_count, pages=manifest.pages,
            size_bytes=manifest.size_bytes,
        )  # fmt: skip

    def _merge(self, journal: Journal, progress: Progress) -> Manifest:
        """Merge the task's datasets; raises RunError if they cannot be merged, so that the task is released."""
        task, options = journal.record.task, self._options
        assert task.merge is not None
        flags = "--work", "--cpus-per-task"
        merging = MergeOptions(options.cache, options.workers, DEDUP_MEMORY_BYTES, flags=flags)
        is_done = (journal.dataset / MANIFEST_NAME).exists()
        try:
            places = [one.place for one in task.merge.inputs]
            manifest = read_manifest(journal.dataset) if is_done else merge(places, journal.dataset, merging, progress)
        except (HubNotFound, UsageError, VerifyError) as error:
            raise RunError(f"the datasets of task {task.id} cannot be merged: {error}") from error
        if (manifest.merged, manifest.recipe_hash) != (task.merge.roots, task.recipe_hash):
            raise RunError(f"the datasets of task {task.id} are not those that it names")
        return manifest

    def _refine(self, journal: Journal, progress: Progress) -> Manifest:
        options = self._options
        task = journal.record.task
        recipe, limit = options.recipe_of(task), None if task.packet else options.limit
        restart = self._is_another_run(journal, recipe, limit)
        if restart:
            self._say(f"Task {journal.id} was started with another recipe or limit; it starts again from the beginning")
        run = RunOptions(
            specs=() if task.packet else tuple(_source_of(journal, path) for path in task.warcs), out=journal.dataset,
            packet=self._packet(journal, task.packet.root) if task.packet else None, recipe=recipe,
            cache=options.cache, common_crawl=options.common_crawl, workers=options.workers, limit=limit,
            restart=restart, slurm=options.slurm, ray=options.ray,
        )  # fmt: skip
        return refine(run, progress)

    def published(self, journal: Journal, lease: Lease) -> Published:
        """Publish the dataset as the task's folder in the repository."""
        with self._display.upload(self._say) as upload:

            def say(line: str) -> None:
                lease.check()
                upload.say(line)

            def show_progress(how_far: Sent) -> None:
                lease.check()
                self._now.keep_alive()
                upload.show(how_far)

            folder = journal.dataset / FALSIFIED if self._false_share(journal) else journal.dataset
            revision = publish_task(folder, self._options.hf_repo, journal.id, say=say, progress=show_progress)
        return Published(repo=revision.repo, revision=revision.sha)

    def committed(self, journal: Journal, lease: Lease) -> Committed:
        """Commit the dataset on the chain. Renews the lease first, so that a lost task is never committed.

        While the task server is away it commits without: the block of the commitment then shows when it was ready.
        """
        line = line_of(journal)
        try:
            task = lease.renew()
        except TaskServerUnavailable as error:
            self._say(f"Task {journal.id} is committed now and reported later: {error}")
            task = None
        if task and task.state is TaskState.FINISHED and task.commitment != line:
            raise LeaseLost(f"task {journal.id} is finished with another commitment: {task.commitment}")
        receipt = self._chain.commit(line)
        return Committed(line=receipt.line, block=receipt.block)

    def finished(self, journal: Journal, lease: Lease) -> Finished:  # noqa: ARG002 - as all steps
        """Report the task as finished to the task server."""
        published, refined = journal.record.published, journal.record.refined
        assert published is not None and refined is not None
        try:
            task = self._server.finish(journal.id, published.repo, published.revision, refined.root)
        except Refused as refused:
            if refused.name == "commitment-missing":
                self._chain.commit(line_of(journal))  # does nothing if the line is on the chain
            raise
        journal.update(task=task)
        return Finished(block=task.closed_block)

    def cancel_jobs(self, journal: Journal) -> None:
        """Cancel the Slurm jobs of a task that has ended; an earlier process may have left some running."""
        if not (journal.dataset / "ledger" / "slurm").exists():
            return
        from finest.pipeline.slurm.run import cancel

        try:
            ids = cancel(journal.dataset)
        except (ClusterError, LedgerError) as error:
            self._say(f"Task {journal.id}: its jobs could not be cancelled: {error}")
        else:
            if ids:
                self._say(f"Task {journal.id}: cancelled jobs {', '.join(map(str, ids))}")

    def _false_share(self, journal: Journal) -> float:
        """Return the share of rows to falsify: 0 unless the task is to be a bad canary.

        Raises NeedsPerson if the task server does not know of this plan: then nobody could reveal the canary later.
        """
        plan, task = self._options.canaries, journal.record.task
        if plan is None:
            return 0.0
        day = day_of(task.seal or "")
        if day is None or not plan.opens(task.seal or "", task.hotkey, task.id):
            raise NeedsPerson(
                f"task {task.id} is sealed with another plan, or this hotkey is not in it: give the same file to "
                "finest serve --canaries and to finest mine --canaries"
            )
        return plan.false_share(task.id, day) if plan.kind(task.hotkey, task.id, day) == "bad" else 0.0

    def _packet(self, journal: Journal, root: str) -> Packet:
        """Return the pages of the task's packet, from its folder or from the task server."""
        path = journal.folder / "packet.json"
        with suppress(FileNotFoundError, ValidationError):
            kept = Packet.model_validate_json(path.read_bytes())
            if kept.choice.root == root:
                return kept
        packet = self._server.packet(root)
        write_whole(path, packet.model_dump_json().encode())
        return packet

    def _is_another_run(self, journal: Journal, recipe: Recipe, limit: int | None) -> bool:
        try:
            plan = Ledger.read(journal.dataset).plan
        except LedgerError:
            return journal.dataset.exists()  # a ledger that cannot be read, or files without one
        return (plan.recipe_hash, plan.limit) != (recipe.hash, limit)


def line_of(journal: Journal) -> str:
    """The commitment line of a published task."""
    published, refined = journal.record.published, journal.record.refined
    assert published is not None and refined is not None
    return encode(published.repo, published.revision, refined.root)


def _source_of(journal: Journal, path: str) -> str:
    """The prefetched file of a WARC, or else its path at Common Crawl."""
    local = journal.warcs / path
    return str(local.absolute()) if local.exists() else path


class LeaseProgress(Progress):
    """Progress of a pipeline run that raises LeaseLost, and so ends the run, when the lease is lost."""

    def __init__(self, console: Console, say: Callable[[str], None], lease: Lease, now: StatusFile) -> None:
        super().__init__(console)
        self._say, self._lease, self._now = say, lease, now

    def say(self, line: str) -> None:
        self._lease.check()
        self._say(line)

    def finished(self, done: SliceDone, slice_: Slice) -> None:
        super().finished(done, slice_)
        self._lease.check()

    def tick(self) -> None:
        super().tick()
        self._lease.check()
        self._now.keep_alive(lambda: self.rates.left_s if self.rates else None)

    def end(self) -> None:
        super().end()
        self._now.keep_alive()
