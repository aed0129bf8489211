"""The user's options for a run, and the types of the Ctrl-C question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from finest.executors.request import MEMORY_PER_CPU_GB
from finest.warc.pauses import MAX_PAUSE_S

if TYPE_CHECKING:
    from pathlib import Path

    from finest.dataset.packet import Packet
    from finest.executors.slurm.request import SlurmRequest
    from finest.recipe.recipe import Recipe
    from finest.warc.source import CommonCrawl, Shard

DEDUP_MEMORY_BYTES = 1_000_000_000
"""Default memory of each process of the deduplication: enough for 200 million rows."""
GO_ON = "finished slices are kept; run the same command again to do the rest"
"""Advice for errors of a run whose slices are judged on a cluster."""

REQUESTS_PER_S = 1.0
"""Default of `--requests-per-second`: Common Crawl asks for at most one (status.commoncrawl.org)."""

Answer = Literal["cancel", "stay", "detach"]
Ask = Callable[[int], Answer]
"""Asks the user, after Ctrl-C, what should happen to that many jobs."""


@dataclass(frozen=True, slots=True)
class RayRequest:
    """The user's options for Ray."""

    total_tasks: int = 1
    cpus_per_task: int = 1
    memory_per_cpu_gb: float = MEMORY_PER_CPU_GB


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The user's options for a run. With neither `slurm` nor `ray`, it judges the slices on this machine."""

    specs: tuple[str, ...]
    out: Path
    recipe: Recipe
    cache: Path
    common_crawl: CommonCrawl
    workers: int = 1
    limit: int | None = None
    shard: Shard | None = None
    """Refine only this part of the sources."""
    engine: str = "finest"
    restart: bool = False
    slurm: SlurmRequest | None = None
    """Judge the slices on Slurm, with these options."""
    where: str | None = None
    """The expression that selects the dataset's rows; None for all rows."""
    allow_missing: float = 0
    """How many sources that cannot be read the dataset may lack: a number, or below 1 a share of the sources."""
    max_pause_s: float = MAX_PAUSE_S
    """How long a server may refuse every request before the run ends."""
    dedup_memory: int = DEDUP_MEMORY_BYTES
    """Memory in bytes of each process of the deduplication."""
    against: tuple[str, ...] = ()
    """Finished datasets with indexes, folders or OWNER/NAME@REVISION: pages that one has are duplicates."""
    keep_index: bool = False
    """Write the index that `against` of a later run needs."""
    pages_where: str | None = None
    """The expression that chooses, by Common Crawl's index, which pages are read; None for all pages."""
    packet: Packet | None = None
    """The only pages that are read, as a task server leased them; `specs` are not read then."""
    requests_per_s: float = REQUESTS_PER_S
    """Most requests per second and host over HTTPS, if an index chose the pages."""
    ray: RayRequest | None = None
    """Judge the slices on Ray, with these options."""
