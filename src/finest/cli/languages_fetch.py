"""The command `finest languages fetch`."""

from __future__ import annotations

import click

from finest.cli.shared import say
from finest.formatting import byte_size
from finest.settings import load_settings


@click.command("fetch")
def fetch() -> None:
    """Fetch GlotLID v3, the language model of the recipe fineweb-2.

    It is put into the cache (1.7 GB). A download that was stopped continues where it stopped. `finest refine
    --language` then uses the recipe fineweb-2.

    \b
    finest languages fetch
    """
    from finest.cli.views.steps import Steps
    from finest.dataset.glotlid import GLOTLID_V3, fetch_glotlid
    from finest.dataset.hub_client import quiet_client

    settings = load_settings()
    quiet_client()
    with Steps() as steps:

        def show(have: int, total: int) -> None:
            steps("Fetching", have / max(total, 1), f"{byte_size(have)} of {byte_size(total)}")

        path = fetch_glotlid(settings.cache, say=say, progress=show)
    say(f"sha256 {GLOTLID_V3.sha256}")
    click.echo(path)
