"""The task server's command: serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from finest.chain.options import chain_options
from finest.cli.shared import say
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.chain.options import ChainOptions


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 is everywhere.")
@click.option("--port", type=click.IntRange(0, 65535), default=8091, show_default=True, help="0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes, of a core each.")
@click.option(
    "--redundancy",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Miners that get the same WARC.",
)
@click.option(
    "--lease-blocks",
    type=click.IntRange(1),
    default=1800,
    show_default=True,
    help="How long a lease lasts without renewal, in blocks of 12 s.",
)
@click.option(
    "--tasks-per-window",
    type=click.IntRange(1),
    default=48,
    show_default=True,
    help="Leases that a hotkey gets in 7,200 blocks, about a day.",
)
@click.option(
    "--min-stake",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Stake weight, in alpha, that a validator needs besides its permit to report scores.",
)
@click.option(
    "--per-hotkey",
    type=click.IntRange(1),
    default=120,
    show_default=True,
    help="Requests a minute of one hotkey.",
)
@click.option(
    "--per-address",
    type=click.IntRange(1),
    default=1200,
    show_default=True,
    help="Requests a minute of one address.",
)
@click.option(
    "--read-rate",
    type=click.IntRange(16),
    default=256,
    show_default=True,
    help="KiB a second that one address may read; what it has not read for 32 s is saved up.",
)
@click.option(
    "--connections",
    type=click.IntRange(8),
    default=1000,
    show_default=True,
    help="Connections that a process holds; where it is full, idle ones make room.",
)
@click.option(
    "--connections-per-address",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Connections of one address; a proxy's are not counted.",
)
@click.option("--behind-proxy", is_flag=True, help="A reverse proxy on this machine: believe its X-Forwarded-For.")
@click.option(
    "--proxy",
    "proxy",
    multiple=True,
    metavar="NETWORK",
    help="A reverse proxy elsewhere, by its address or network (172.16.0.0/12): believe its X-Forwarded-For.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines for people, or JSON for collectors.",
)
@chain_options
def serve(
    host: str, port: int, workers: int, redundancy: int, lease_blocks: int, tasks_per_window: int, min_stake: float,
    per_hotkey: int, per_address: int, read_rate: int, connections: int, connections_per_address: int,
    behind_proxy: bool, proxy: tuple[str, ...], log_format: Literal["text", "json"], chain: ChainOptions,
) -> None:  # fmt: skip
    """Run the task server: it leases WARCs to the subnet's miners, and shows who did what.

    Its state is in DATABASE_URL (default: sqlite:///finest-tasks.db); give it crawls with `finest tasks import`. It
    signs nothing: its hotkey is what requests are addressed to. Ctrl-C lets requests in work end.

    \b
    finest serve --wallet.name owner --wallet.hotkey server
    finest serve --host 0.0.0.0 --workers 4 --behind-proxy --log-format json
    """
    settings = load_settings()
    from huggingface_hub.constants import ENDPOINT

    from finest.tasks import serve as server
    from finest.tasks.connections import ConnectionLimits
    from finest.tasks.models import Rules
    from finest.tasks.proxies import LOOPBACK, Proxies

    rules = Rules(
        redundancy=redundancy, lease_blocks=lease_blocks, tasks_per_window=tasks_per_window,
        min_validator_stake=min_stake,
    )  # fmt: skip
    proxies = Proxies.of((*(LOOPBACK if behind_proxy else ()), *proxy))
    options = server.ServeOptions(
        chain=chain, rules=rules, database_url=settings.database_url, hub=ENDPOINT, host=host, port=port,
        workers=workers, per_hotkey=per_hotkey, per_address=per_address, read_bytes_s=read_rate * 1024,
        connection_limits=ConnectionLimits(connections, connections_per_address), proxies=proxies,
        log_format=log_format,
    )  # fmt: skip
    server.serve(options, say)


COMMANDS = (serve,)
"""In the order in which a person meets them."""
