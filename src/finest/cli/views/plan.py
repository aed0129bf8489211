"""Show a forecast on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from finest.formatting import byte_size, counted, duration, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from finest.pipeline.forecast.forecast import Forecast


def show_forecast(console: Console, found: Forecast, price_per_core_hour: float | None, limits: Sequence[str]) -> None:
    """Print the cost of each stage and of the whole, and the limits that the run would exceed."""
    console.print(
        f"{counted(found.sources, 'source')}, {byte_size(found.source_bytes)}: about {found.pages:,} pages, of which "
        f"about {found.rows:,} are kept", markup=False,
    )  # fmt: skip
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for name in ("core-hours", "reads", "writes", "memory", "files"):
        table.add_column(name, justify="right")
    for stage in found.stages:
        table.add_row(
            stage.name, short(stage.cpu_s / 3600), byte_size(stage.read_bytes), byte_size(stage.write_bytes),
            byte_size(stage.memory_bytes), f"{stage.files:,}",
        )  # fmt: skip
    console.print(table)
    rate, cores = byte_size(found.source_bytes / max(found.seconds, 1e-9)), counted(found.cores, "core")
    console.print(
        f"{short(found.cpu_s / 3600)} core-hours, {duration(found.seconds)} with {cores}, if they get {rate}/s; "
        f"{byte_size(found.disk_bytes)} of disk", markup=False,
    )  # fmt: skip
    if price_per_core_hour is not None:
        console.print(f"price: {found.price(price_per_core_hour):,.2f}", markup=False)
    for line in limits:
        console.print(f"Limit: {line}", style="yellow", markup=False)
