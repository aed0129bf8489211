"""The four steps of a task. Each may be done again at any time: what is done already is found, not made twice."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from finest.chain.payload import encode
from finest.dataset.publish import publish
from finest.errors import ClusterError, LeaseLost, LedgerError
from finest.miner.journal import Committed, Finished, Published, Refined
from finest.pipeline.ledger import Ledger
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.tasks.client import Refused
from finest.tasks.models import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from finest.chain.commitments import CommitReceipt
    from finest.dataset.publish import Sent
    from finest.executors.slurm.request import SlurmRequest
    from finest.miner.journal import Journal
    from finest.miner.lease import Lease
    from finest.miner.status_file import Now
    from finest.pipeline.options import RayRequest
    from finest.pipeline.summary import SliceSummary
    from finest.recipe.recipe import Recipe
    from finest.tasks.models import Task
    from finest.warc.source import CommonCrawl


@dataclass(frozen=True, slots=True)
class MineOptions:
    """What a person asked for."""

    hf_repo: str
    work: Path
    recipe: Recipe
    cache: Path
    common_crawl: CommonCrawl
    netuid: int
    workers: int = 1
    slurm: SlurmRequest | None = None
    """Refine on Slurm."""
    ray: RayRequest | None = None
    """Refine on Ray; neither: on this machine."""
    limit: int | None = None
    warcs: int = 4
    crawl: str | None = None
    once: bool = False
    prefetch: bool = False
    keep_bytes: int | None = None


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


class Finishes(Protocol):
    """What the steps need of a task server."""

    def finish(self, task_id: str, repo: str, revision: str, root: str) -> Task: ...


class Commits(Protocol):
    """What the steps need of a chain."""

    def commit(self, line: str) -> CommitReceipt: ...


class Steps:
    """Refine, publish, commit, finish, with the real engine, Hub, chain and task server."""

    def __init__(
        self, options: MineOptions, server: Finishes, chain: Commits, now: Now, display: Display
    ) -> None:  # fmt: skip
        self._options, self._server, self._chain = options, server, chain
        self._now, self._display, self._say = now, display, display.say

    def refined(self, journal: Journal, lease: Lease) -> Refined:
        """The dataset of the task's WARCs, from where its ledger ends."""
        options = self._options
        restart = self._is_another_run(journal)
        if restart:
            self._say(f"Task {journal.id} was begun with another recipe or limit: it is begun anew")
        run = RunOptions(
            specs=tuple(_where(journal, path) for path in journal.record.task.warcs), out=journal.dataset,
            recipe=options.recipe, cache=options.cache, common_crawl=options.common_crawl, workers=options.workers,
            limit=options.limit, restart=restart, slurm=options.slurm, ray=options.ray,
        )  # fmt: skip
        progress = Watched(self._display.console, self._say, lease, self._now)
        try:
            manifest = refine(run, progress)
        finally:
            progress.close()
        shutil.rmtree(journal.warcs, ignore_errors=True)
        return Refined(
            root=manifest.root, rows=manifest.rows, tokens=manifest.token_count, pages=manifest.pages,
            size_bytes=manifest.size_bytes,
        )  # fmt: skip

    def published(self, journal: Journal, lease: Lease) -> Published:
        """The one revision of the repository that holds the dataset."""
        with self._display.upload(self._say) as upload:

            def said(line: str) -> None:
                lease.check()
                upload.say(line)

            def sent(how_far: Sent) -> None:
                lease.check()
                self._now.going()
                upload.show(how_far)

            revision = publish(journal.dataset, self._options.hf_repo, say=said, progress=sent)
        return Published(repo=revision.repo, revision=revision.sha)

    def committed(self, journal: Journal, lease: Lease) -> Committed:
        """The commitment as it stands on the chain. The lease is renewed first: a lost task is never committed."""
        line = line_of(journal)
        task = lease.renew()
        if task.state is TaskState.FINISHED and task.commitment != line:
            raise LeaseLost(f"task {journal.id} is finished with another commitment: {task.commitment}")
        receipt = self._chain.commit(line)
        return Committed(line=receipt.line, block=receipt.block)

    def finished(self, journal: Journal, lease: Lease) -> Finished:  # noqa: ARG002 - as all steps
        """The task server's word that the task is finished."""
        published, refined = journal.record.published, journal.record.refined
        assert published is not None and refined is not None
        try:
            task = self._server.finish(journal.id, published.repo, published.revision, refined.root)
        except Refused as refused:
            if refused.name == "commitment-missing":
                self._chain.commit(line_of(journal))  # does nothing where it stands
            raise
        journal.note(task=task)
        return Finished(block=task.closed_block)

    def abandoned(self, journal: Journal) -> None:
        """Ends what still works at a task that is lost: an earlier process may have left jobs on a cluster."""
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

    def _is_another_run(self, journal: Journal) -> bool:
        try:
            plan = Ledger.read(journal.dataset).plan
        except LedgerError:
            return journal.dataset.exists()  # a ledger that cannot be read, or files without one
        return (plan.recipe_hash, plan.limit) != (self._options.recipe.hash, self._options.limit)


def line_of(journal: Journal) -> str:
    """What is committed for a published task."""
    published, refined = journal.record.published, journal.record.refined
    assert published is not None and refined is not None
    return encode(published.repo, published.revision, refined.root)


def _where(journal: Journal, path: str) -> str:
    """The WARC where it was read ahead; else its path at Common Crawl."""
    local = journal.warcs / path
    return str(local.absolute()) if local.exists() else path


class Watched(Progress):
    """A run's progress that ends the run when its lease is lost."""

    def __init__(self, console: Console, say: Callable[[str], None], lease: Lease, now: Now) -> None:
        super().__init__(console)
        self._say, self._lease, self._now = say, lease, now

    def say(self, line: str) -> None:
        self._lease.check()
        self._say(line)

    def finished(self, summary: SliceSummary) -> None:
        super().finished(summary)
        self._lease.check()

    def tick(self) -> None:
        super().tick()
        self._lease.check()
        self._now.going(lambda: self.rates.left_s if self.rates else None)

    def end(self) -> None:
        super().end()
        self._now.going()
