"""What a person asks of a run, and how they are asked back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from finest.executors.request import MEMORY_PER_CPU_GB

if TYPE_CHECKING:
    from pathlib import Path

    from finest.executors.slurm.request import SlurmRequest
    from finest.recipe.recipe import Recipe
    from finest.warc.source import CommonCrawl

GO_ON = "finished slices are kept; run the same command again to do the rest"
"""What mends a run whose slices others judge."""

Answer = Literal["cancel", "stay", "detach"]
Ask = Callable[[int], Answer]
"""Ctrl-C: what is to become of that many jobs?"""


@dataclass(frozen=True, slots=True)
class RayRequest:
    """What a person asked of Ray."""

    total_tasks: int = 1
    cpus_per_task: int = 1
    memory_per_cpu_gb: float = MEMORY_PER_CPU_GB


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person asked for."""

    specs: tuple[str, ...]
    out: Path
    recipe: Recipe
    cache: Path
    common_crawl: CommonCrawl
    workers: int = 1
    limit: int | None = None
    engine: str = "finest"
    restart: bool = False
    slurm: SlurmRequest | None = None
    """Run the slices on Slurm."""
    ray: RayRequest | None = None
    """Run the slices on Ray; neither: on this machine."""
