"""The command `finest serve`: run the task server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from finest.chain.options import chain_options
from finest.cli.shared import say
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.chain.options import ChainOptions


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 means all.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8091,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Number of worker processes (one core each).",
)
@click.option(
    "--redundancy",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Number of miners that get the same WARC.",
)
@click.option(
    "--lease-blocks",
    type=click.IntRange(1),
    default=1800,
    show_default=True,
    help="Duration of a lease without renewal, in blocks of 12 s.",
)
@click.option(
    "--tasks-per-window",
    type=click.IntRange(1),
    default=48,
    show_default=True,
    help="Leases that one hotkey may get in 7,200 blocks, about a day.",
)
@click.option(
    "--leases-per-coldkey",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Leases that all hotkeys of one coldkey together may hold at a time.",
)
@click.option(
    "--fails-to-reopen",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Fails after which the WARCs of a task are leased again, if they are more than its passes.",
)
@click.option(
    "--min-stake",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Stake weight, in alpha, that a validator needs to report scores, in addition to a permit.",
)
@click.option(
    "--per-hotkey",
    type=click.IntRange(1),
    default=120,
    show_default=True,
    help="Requests per minute that one hotkey may send.",
)
@click.option(
    "--per-address",
    type=click.IntRange(1),
    default=1200,
    show_default=True,
    help="Requests per minute that one IP address may send.",
)
@click.option(
    "--read-rate",
    type=click.IntRange(16),
    default=256,
    show_default=True,
    help="KiB per second that one IP address may read, as the average of 32 s.",
)
@click.option(
    "--connections",
    type=click.IntRange(8),
    default=1000,
    show_default=True,
    help="Connections that a worker process keeps open; at the limit it closes idle ones.",
)
@click.option(
    "--connections-per-address",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Connections that one IP address may open; those of a proxy do not count.",
)
@click.option("--behind-proxy", is_flag=True, help="Trust X-Forwarded-For from a reverse proxy on this machine.")
@click.option(
    "--proxy",
    "proxy",
    multiple=True,
    metavar="NETWORK",
    help="Trust X-Forwarded-For from a reverse proxy with this address or network (172.16.0.0/12); repeatable.",
)
@click.option(
    "--anchor",
    is_flag=True,
    help="Commit the head of the public log on the chain once a day; the server's hotkey must be registered.",
)
@click.option(
    "--canaries",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Plan of canaries, by finest tasks canaries: seals every lease, and reveals the canaries days later.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the log: text for people, JSON for log collectors.",
)
@chain_options
def serve(
    host: str, port: int, workers: int, redundancy: int, lease_blocks: int, tasks_per_window: int,
    leases_per_coldkey: int, fails_to_reopen: int, min_stake: float, per_hotkey: int, per_address: int, read_rate: int,
    connections: int, connections_per_address: int,
    behind_proxy: bool, proxy: tuple[str, ...], anchor: bool, canaries: Path | None,
    log_format: Literal["text", "json"], chain: ChainOptions,
) -> None:  # fmt: skip
    """Run the task server, which leases WARCs to miners.

    The server also shows who did what, on a web page. It keeps its state in DATABASE_URL (default:
    sqlite:///finest-tasks.db); `finest tasks import` adds crawls to it. Clients address their signed requests to the
    server's hotkey; the server itself signs nothing, except with --anchor. On Ctrl-C it finishes the requests that it
    has begun.

    \b
    finest serve --wallet.name owner --wallet.hotkey server
    finest serve --anchor --canaries canaries.json
    finest serve --host 0.0.0.0 --workers 4 --behind-proxy --log-format json
    """
    settings = load_settings()
    from huggingface_hub.constants import ENDPOINT

    from finest.tasks import serve as server
    from finest.tasks.canaries import read
    from finest.tasks.connections import ConnectionLimits
    from finest.tasks.models import Rules
    from finest.tasks.proxies import LOOPBACK, Proxies

    rules = Rules(
        redundancy=redundancy, lease_blocks=lease_blocks, tasks_per_window=tasks_per_window,
        coldkey_leases=leases_per_coldkey, fails_to_reopen=fails_to_reopen,
        min_validator_stake=min_stake,
    )  # fmt: skip
    proxies = Proxies.of((*(LOOPBACK if behind_proxy else ()), *proxy))
    options = server.ServeOptions(
        chain=chain, rules=rules, database_url=settings.database_url, hub=ENDPOINT, host=host, port=port,
        workers=workers, per_hotkey=per_hotkey, per_address=per_address, read_bytes_s=read_rate * 1024,
        connection_limits=ConnectionLimits(connections, connections_per_address), proxies=proxies,
        log_format=log_format, anchor=anchor, canaries=None if canaries is None else read(canaries),
    )  # fmt: skip
    server.serve(options, say)
