"""The commands `finest languages ...`."""

from __future__ import annotations

import click

from finest.cli.groups import Commands
from finest.cli.languages_fetch import fetch


@click.group(cls=Commands)
def languages() -> None:
    """Fetch the model that identifies FineWeb-2's languages.

    \b
    finest languages fetch
    """


languages.add_command(fetch)
